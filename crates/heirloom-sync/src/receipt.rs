//! Receipts: a device's signed word that it holds entries durably.

use crate::vector::VersionVector;
use heirloom_base::{
    AccountId, ChunkId, Decode, DecodeError, DeviceId, Encode, Incarnation, Reader, SpaceId,
    Writer, limits,
};
use heirloom_identity::{DeviceKeys, signed};

const VERSION: u8 = 1;
const SUITE: u8 = 1;
const SIGNATURE_KIND: &str = "receipt";
const SIGNATURE_BYTES: usize = 64;

/// Why a receipt does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is not well formed.
    #[error("the receipt is not well formed")]
    Form(#[from] DecodeError),
    /// The signature is not the device's.
    #[error("the receipt's signature is not by device {0:?}")]
    Signature(DeviceId),
}

/// What a device holds durably, by its own signed word.
///
/// The vector stops before the first entry of a log whose chunks are not all
/// there, so that an entry never counts without what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The device.
    pub device: DeviceId,
    /// The space.
    pub space: SpaceId,
    /// The life of the device's store.
    pub generation: Incarnation,
    /// Grows with every receipt of one generation.
    pub counter: u64,
    /// What is held.
    pub vector: VersionVector,
    /// Chunks held beyond those that held entries name.
    pub chunks: Vec<ChunkId>,
}

impl Receipt {
    /// Returns the signed form.
    #[must_use]
    pub fn sign(&self, account: AccountId, device: &DeviceKeys) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(&[VERSION, SUITE]);
        self.device.encode(&mut writer);
        self.space.encode(&mut writer);
        self.generation.encode(&mut writer);
        writer.u64(self.counter);
        self.vector.encode(&mut writer);
        writer.list(&self.chunks);
        let mut bytes = writer.into_bytes();
        let signature = device.sign(SIGNATURE_KIND, account, &bytes);
        bytes.extend_from_slice(&signature);
        bytes
    }

    /// Reads a signed form and checks its signature.
    ///
    /// # Errors
    /// When it is not well formed or not signed by the device it names.
    pub fn verify(account: AccountId, bytes: &[u8]) -> Result<Self, ReceiptError> {
        let (body, signature) =
            bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(DecodeError::Truncated)?;
        let receipt = Self::decode(body)?;
        signed::verify(SIGNATURE_KIND, account, &receipt.device.0, body, signature)
            .map_err(|_| ReceiptError::Signature(receipt.device))?;
        Ok(receipt)
    }

    fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (version, suite) = (reader.u8()?, reader.u8()?);
        if (version, suite) != (VERSION, SUITE) {
            return Err(DecodeError::Unknown { what: "receipt version", value: version.into() });
        }
        let receipt = Self {
            device: DeviceId::decode(&mut reader)?,
            space: SpaceId::decode(&mut reader)?,
            generation: Incarnation::decode(&mut reader)?,
            counter: reader.u64()?,
            vector: VersionVector::decode(&mut reader)?,
            chunks: reader.list(limits::ENTRY_CHUNKS_MAX)?,
        };
        reader.finish()?;
        Ok(receipt)
    }

    /// Returns whether this receipt replaces `other` of the same device.
    ///
    /// The newest counts, not the largest. A receipt of another generation
    /// counts only from the device itself: a relayed one may be old.
    #[must_use]
    pub fn replaces(&self, other: &Self, from: DeviceId) -> bool {
        if self.generation == other.generation {
            self.counter > other.counter
        } else {
            from == self.device
        }
    }

    /// Returns whether `other` was signed after this one in the same life of a store.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.generation == other.generation && self.counter < other.counter
    }

    /// Returns whether two receipts of one device cannot both have been true:
    /// as long as its store lives a counter is used once, and what is held
    /// does not become less.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let lives = |receipt: &Self| (receipt.device, receipt.space, receipt.generation);
        if lives(self) != lives(other) {
            return false;
        }
        let (earlier, later) =
            if self.counter < other.counter { (self, other) } else { (other, self) };
        match earlier.counter == later.counter {
            true => earlier != later,
            false => !later.vector.covers(&earlier.vector),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(device: &DeviceKeys, generation: u8, counter: u64) -> Receipt {
        Receipt {
            device: device.id(),
            space: SpaceId([1; 16]),
            generation: Incarnation([generation; 16]),
            counter,
            vector: VersionVector::default(),
            chunks: Vec::new(),
        }
    }

    #[test]
    fn a_receipt_is_believed_only_as_signed() {
        let device = DeviceKeys::from_seed([3; 32]);
        let account = AccountId([9; 32]);
        let receipt = receipt(&device, 1, 5);
        let mut bytes = receipt.sign(account, &device);
        assert_eq!(Receipt::verify(account, &bytes), Ok(receipt));
        assert!(Receipt::verify(AccountId([8; 32]), &bytes).is_err());
        bytes[70] ^= 1;
        assert!(Receipt::verify(account, &bytes).is_err());
        assert!(Receipt::verify(account, &bytes[..40]).is_err());
    }

    #[test]
    fn the_newest_receipt_counts_and_not_the_largest() {
        let device = DeviceKeys::from_seed([3; 32]);
        let (old, new) = (receipt(&device, 1, 5), receipt(&device, 1, 6));
        let other = DeviceId([0; 32]);
        assert!(new.replaces(&old, other) && !old.replaces(&new, device.id()));
        let wiped = receipt(&device, 2, 1);
        assert!(wiped.replaces(&new, device.id()) && !wiped.replaces(&new, other));
    }

    #[test]
    fn receipts_of_one_life_contradict_each_other_where_less_is_held_later() {
        let device = DeviceKeys::from_seed([3; 32]);
        let holding = |counter, seq| {
            let tip = crate::vector::Tip { seq, id: [0; 8] };
            let vector = VersionVector { tips: [(heirloom_base::LogId([7; 16]), tip)].into() };
            Receipt { vector, ..receipt(&device, 1, counter) }
        };
        let earlier = holding(5, 10);
        for (later, contradicts) in [
            (holding(6, 10), false),
            (holding(6, 11), false),
            (holding(6, 9), true),
            (holding(4, 11), true),
            (holding(5, 10), false),
            (holding(5, 11), true),
            (Receipt { generation: Incarnation([2; 16]), ..holding(6, 9) }, false),
        ] {
            assert_eq!(earlier.contradicts(&later), contradicts, "{later:?}");
            assert_eq!(later.contradicts(&earlier), contradicts, "{later:?}");
        }
    }
}
