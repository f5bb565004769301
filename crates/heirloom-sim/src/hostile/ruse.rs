//! Single things that a hostile keeper does, to be found out one by one.

use heirloom_base::{AccountId, Decode as _, DeviceId, Encode as _};
use heirloom_identity::DeviceKeys;
use heirloom_sync::{Message, Receipt, VersionVector};

/// What a keeper does beside what it should; its node is an honest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruse {
    /// Nothing by itself: what happens to its folder is what is hidden.
    RollsBack,
    /// Keeps the entries of others from one device, and says that it has them.
    Withholds(usize),
    /// Keeps them from one device, and tells that device alone that it lacks them.
    HidesFrom(usize),
    /// Answers with other bytes when it is asked for chunks.
    Swaps,
    /// Acknowledges entries that do not exist.
    Boasts,
}

impl Ruse {
    /// Returns what arrives of a message to a device; `None` if it is withheld.
    pub(crate) fn twist(
        self,
        to: usize,
        bytes: Vec<u8>,
        account: AccountId,
        keys: &DeviceKeys,
    ) -> Option<Vec<u8>> {
        match (self, Message::from_bytes(&bytes)) {
            (Self::Withholds(victim) | Self::HidesFrom(victim), Ok(Message::Entries { .. }))
                if victim == to =>
            {
                None
            }
            (Self::HidesFrom(victim), Ok(Message::Hello(mut hello))) if victim == to => {
                hello.vector = VersionVector::default();
                Some(Message::Hello(hello).to_bytes())
            }
            (Self::HidesFrom(victim), Ok(Message::Receipts(receipts))) if victim == to => {
                let hide = |receipt: &mut Receipt| receipt.vector = VersionVector::default();
                Some(signed_anew(receipts, account, keys, hide))
            }
            (Self::Boasts, Ok(Message::Receipts(receipts))) => {
                let boast = |receipt: &mut Receipt| {
                    for tip in receipt.vector.tips.values_mut() {
                        tip.seq += 3;
                    }
                };
                Some(signed_anew(receipts, account, keys, boast))
            }
            (
                Self::RollsBack
                | Self::Withholds(_)
                | Self::HidesFrom(_)
                | Self::Swaps
                | Self::Boasts,
                _,
            ) => Some(bytes),
        }
    }
}

/// Changes the device's own receipts, and leaves out those of others.
fn signed_anew(
    receipts: Vec<Vec<u8>>,
    account: AccountId,
    keys: &DeviceKeys,
    change: impl Fn(&mut Receipt),
) -> Vec<u8> {
    let own: DeviceId = keys.id();
    let read = receipts.iter().filter_map(|bytes| Receipt::verify(account, bytes).ok());
    let changed = read.filter(|receipt| receipt.device == own).map(|mut receipt| {
        change(&mut receipt);
        receipt.sign(account, keys)
    });
    Message::Receipts(changed.collect()).to_bytes()
}
