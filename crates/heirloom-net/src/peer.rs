//! Devices and the peer ids that carry the same key.

use crate::error::ParsePeerError;
use heirloom_base::DeviceId;
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};

/// Multihash code of the identity hash: the key itself.
const IDENTITY: u64 = 0x00;

/// Returns the base58 peer id of a device.
#[must_use]
pub fn peer_id_text(device: DeviceId) -> String {
    peer_of(device).map_or_else(|| device.to_string(), |peer| peer.to_base58())
}

/// Returns the device of a base58 peer id.
///
/// # Errors
/// When the text is no peer id, or not that of an ed25519 key.
pub fn device_of_peer_text(text: &str) -> Result<DeviceId, ParsePeerError> {
    text.parse::<PeerId>()
        .ok()
        .and_then(|peer| device_of(&peer))
        .ok_or_else(|| ParsePeerError { text: text.to_owned() })
}

/// Returns the device whose ed25519 key has this seed.
#[must_use]
pub fn device_of_seed(seed: &[u8; 32]) -> DeviceId {
    device_of(&keypair_of(seed).public().to_peer_id())
        .expect("the peer id of an ed25519 key holds the key")
}

/// Returns the key pair of a seed.
pub(crate) fn keypair_of(seed: &[u8; 32]) -> Keypair {
    let mut copy = *seed;
    Keypair::ed25519_from_bytes(&mut copy).expect("any 32 bytes are an ed25519 seed")
}

/// Returns the peer id of a device, or `None` when its bytes are no public key.
pub(crate) fn peer_of(device: DeviceId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(device.as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

/// Returns the device of a peer id, or `None` when it is not an ed25519 key.
pub(crate) fn device_of(peer: &PeerId) -> Option<DeviceId> {
    let hash: &libp2p::multihash::Multihash<64> = peer.as_ref();
    if hash.code() != IDENTITY {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(DeviceId(key.try_into_ed25519().ok()?.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_device_of_a_seed_is_its_ed25519_public_key() {
        // RFC 8032, section 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let seed: DeviceId = seed.parse().unwrap();
        assert_eq!(device_of_seed(seed.as_bytes()).to_string(), public);
    }

    #[test]
    fn the_peer_id_of_a_known_seed_is_frozen() {
        let device = device_of_seed(&[7; 32]);
        assert_eq!(peer_id_text(device), "12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7");
    }

    #[test]
    fn a_text_that_is_no_device_is_refused() {
        for text in ["", "x", "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"] {
            assert_eq!(
                device_of_peer_text(text),
                Err(ParsePeerError { text: text.to_owned() }),
                "{text}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_device_survives_its_peer_id(seed: [u8; 32]) {
            let device = device_of_seed(&seed);
            prop_assert_eq!(device_of_peer_text(&peer_id_text(device)), Ok(device));
        }
    }
}
