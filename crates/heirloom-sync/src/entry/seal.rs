//! Sealing, signing, verifying and opening entries.

use super::{Body, Entry, EntryPlan, Header, SIGNATURE_BYTES};
use heirloom_base::{
    AccountId, Decode, DecodeError, DeviceId, Encode, EpochId, Reader, Writer, hash, limits,
};
use heirloom_identity::{DeviceKeys, OpenError, SignatureError, seal, signed};
use zeroize::Zeroizing;

const SIGNATURE_KIND: &str = "entry";
const STORED: u8 = 0;
const ZSTD: u8 = 1;
/// Levels of packing, of small bodies and of large ones: those are packed once and
/// travel to every device. Levels 4 to 12 make the bodies of an import larger.
const ZSTD_LEVEL: i32 = 3;
const ZSTD_LEVEL_LARGE: i32 = 13;
/// Bytes of a body from which on it is large.
const LARGE_BYTES_MIN: usize = 16 * 1024;
const PADDING_BYTES_MIN: usize = 64;
/// Bytes that sealing adds.
const TAG_BYTES: usize = 16;

/// Why an entry cannot be believed or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The signature is not the device's.
    #[error("the entry's signature is not by device {0:?}")]
    Signature(DeviceId),
    /// The key does not open it.
    #[error("the entry does not open under epoch {0:?}")]
    Sealed(EpochId),
    /// What was sealed is not a body.
    #[error("the entry's body is not well formed")]
    Body(#[source] DecodeError),
    /// What was sealed does not unpack within its limits.
    #[error("the entry's body does not unpack")]
    Unpack,
}

impl Entry {
    /// Seals and signs an entry.
    ///
    /// The nonce is a keyed hash over header and plaintext, so that a device
    /// that was rolled back cannot use one nonce for two texts.
    #[must_use]
    pub fn author(
        account: AccountId,
        device: &DeviceKeys,
        epoch_key: &[u8; 32],
        plan: &EntryPlan,
    ) -> Self {
        let plaintext = Zeroizing::new(pack(&plan.body.to_bytes()));
        let sealed_length = plaintext.len() + TAG_BYTES;
        let unsealed = plan.header.encode(&[0; 24], sealed_length);
        let nonce = hash::truncate(hash::keyed(epoch_key, "nonce", &[&unsealed, &plaintext]));
        let mut bytes = plan.header.encode(&nonce, sealed_length);
        let header_length = bytes.len();
        let key = entry_key(epoch_key, &plan.header);
        let ciphertext = seal::seal(&key, &nonce, &bytes, &plaintext);
        bytes.extend_from_slice(&ciphertext);
        let id = heirloom_base::EntryId(hash::plain(&bytes));
        bytes.extend_from_slice(&device.sign(SIGNATURE_KIND, account, &id.0));
        Self { header: plan.header.clone(), id, bytes, header_length, nonce }
    }

    /// Signs an entry whose body everybody can read; its nonce is zero.
    ///
    /// # Panics
    /// When the body is larger than a body may be.
    #[must_use]
    pub fn author_plain(
        account: AccountId,
        device: &DeviceKeys,
        header: &Header,
        body: &[u8],
    ) -> Self {
        assert!(body.len() <= limits::ENTRY_BODY_BYTES_MAX, "a body is limited");
        let nonce = [0; 24];
        let mut bytes = header.encode(&nonce, body.len());
        let header_length = bytes.len();
        bytes.extend_from_slice(body);
        let id = heirloom_base::EntryId(hash::plain(&bytes));
        bytes.extend_from_slice(&device.sign(SIGNATURE_KIND, account, &id.0));
        Self { header: header.clone(), id, bytes, header_length, nonce }
    }

    /// Checks that `device` signed this entry for `account`.
    ///
    /// # Errors
    /// [`EntryError::Signature`].
    pub fn verify(&self, account: AccountId, device: DeviceId) -> Result<(), EntryError> {
        let signature: [u8; SIGNATURE_BYTES] =
            self.signature().try_into().map_err(|_| EntryError::Signature(device))?;
        signed::verify(SIGNATURE_KIND, account, &device.0, &self.id.0, &signature)
            .map_err(|SignatureError { .. }| EntryError::Signature(device))
    }

    /// Opens the body.
    ///
    /// # Errors
    /// When the key is not the epoch's or the content is not a body.
    pub fn open(&self, epoch_key: &[u8; 32]) -> Result<Body, EntryError> {
        let key = entry_key(epoch_key, &self.header);
        let packed = seal::open(&key, &self.nonce, self.header_bytes(), self.ciphertext())
            .map_err(|OpenError { .. }| EntryError::Sealed(self.header.epoch))?;
        let plaintext = unpack(&Zeroizing::new(packed))?;
        Body::from_bytes(&plaintext).map_err(EntryError::Body)
    }
}

fn entry_key(epoch_key: &[u8; 32], header: &Header) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hash::keyed(epoch_key, "entry", &[&header.space.0, &header.log.0]))
}

/// Packs a body: a form byte, the packed length, the plain length, the packed
/// bytes, and zeros up to a padded size.
fn pack(plain: &[u8]) -> Vec<u8> {
    let level = if plain.len() < LARGE_BYTES_MIN { ZSTD_LEVEL } else { ZSTD_LEVEL_LARGE };
    let compressed = zstd::bulk::compress(plain, level).unwrap_or_default();
    let smaller = !compressed.is_empty() && compressed.len() < plain.len();
    let (form, packed) = if smaller { (ZSTD, compressed.as_slice()) } else { (STORED, plain) };
    let mut writer = Writer::new();
    writer.u8(form);
    writer.u32(u32::try_from(plain.len()).expect("a body is limited"));
    writer.bytes(packed);
    let mut bytes = writer.into_bytes();
    bytes.resize(padded(bytes.len()), 0);
    bytes
}

fn unpack(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, EntryError> {
    let mut reader = Reader::new(bytes);
    let form = reader.u8().map_err(EntryError::Body)?;
    let length = reader.u32().map_err(EntryError::Body)? as usize;
    let packed = reader.bytes(limits::ENTRY_BYTES_MAX).map_err(EntryError::Body)?;
    if length > limits::ENTRY_BODY_BYTES_MAX {
        return Err(EntryError::Unpack);
    }
    let plain = match form {
        STORED => packed.to_vec(),
        ZSTD => zstd::bulk::decompress(packed, length).map_err(|_| EntryError::Unpack)?,
        _ => return Err(EntryError::Unpack),
    };
    if plain.len() == length { Ok(Zeroizing::new(plain)) } else { Err(EntryError::Unpack) }
}

/// Returns the padded size: the next one whose lower bits are zero, as many as
/// leave at most 12 % overhead (Padmé), and never below 64.
fn padded(size: usize) -> usize {
    let size = size.max(PADDING_BYTES_MIN);
    let exponent = size.ilog2();
    let bits = exponent.ilog2() + 1;
    let mask = (1usize << exponent.saturating_sub(bits)) - 1;
    (size + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_costs_at_most_an_eighth() {
        for size in 1..10_000usize {
            let padded = padded(size);
            assert!(padded >= size);
            assert!(size < 64 || padded * 100 <= size * 112, "{size} -> {padded}");
        }
    }

    /// Returns the most memory that this process ever had, where that is told.
    fn memory_peak_kb() -> Option<usize> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    #[test]
    fn a_body_that_unfolds_to_gigabytes_is_refused_in_the_memory_of_a_body() {
        let frame = zstd::bulk::compress(&vec![0; 1 << 20], 19).unwrap();
        let many = frame.repeat(limits::ENTRY_BODY_BYTES_MAX / frame.len());
        assert!(many.len() / frame.len() > 2_048, "it stands for more than 2 GiB");
        let mut one = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..1_024 {
            std::io::Write::write_all(&mut one, &[0; 1 << 20]).unwrap();
        }
        let one = one.finish().unwrap();
        let before = memory_peak_kb();
        for packed in [many, one] {
            for claimed in [limits::ENTRY_BODY_BYTES_MAX, limits::ENTRY_BODY_BYTES_MAX + 1, 10] {
                let mut writer = Writer::new();
                writer.u8(ZSTD);
                writer.u32(u32::try_from(claimed).unwrap());
                writer.bytes(&packed);
                assert_eq!(unpack(&writer.into_bytes()).unwrap_err(), EntryError::Unpack);
            }
        }
        let grown = memory_peak_kb().zip(before).map(|(after, before)| after - before);
        assert!(grown.is_none_or(|grown| grown < 64 * 1024), "{grown:?} kB");
    }

    #[test]
    fn a_body_that_claims_another_length_does_not_unpack() {
        let mut packed = pack(&[5; 1000]);
        assert_eq!(*unpack(&packed).unwrap(), vec![5; 1000]);
        packed[1] ^= 1;
        assert_eq!(unpack(&packed).unwrap_err(), EntryError::Unpack);
        packed[4] = 255;
        assert_eq!(unpack(&packed).unwrap_err(), EntryError::Unpack);
    }
}
