//! Signed receipts.

use super::{Outcome, Seeds, Target};
use crate::house::{House, keys};
use heirloom_base::{ChunkId, Incarnation, LogId, SpaceId};
use heirloom_sim::rng::Rng;
use heirloom_sync::{Ledger, Receipt, Tip, VersionVector};

pub(super) const TARGET: Target = Target {
    name: "receipt",
    body,
    seeds,
    mend,
    words: &["\u{1}\u{1}"],
    is_lines: false,
    mends_alone: false,
    bytes_max: 4 * 1024,
};

const SIGNATURE_BYTES: usize = 64;

fn body(bytes: &[u8]) -> Outcome {
    let account = House::get().account();
    match Receipt::verify(account, bytes) {
        Ok(receipt) => {
            assert_eq!(receipt.device, keys(1).id(), "only the device's own word counts");
            assert_eq!(receipt.sign(account, &keys(1)), bytes, "a receipt has one form");
            assert!(!receipt.replaces(&receipt, receipt.device), "a receipt is not news twice");
            count(&receipt, bytes);
            Outcome::accepted(format!("tips{}", receipt.vector.tips.len().min(4)))
        }
        Err(error) => Outcome::refused(&error),
    }
}

/// The ledger counts it once, and for no entry beyond its vector.
fn count(receipt: &Receipt, bytes: &[u8]) {
    let mut ledger = Ledger::default();
    assert!(ledger.record(receipt.clone(), bytes.to_vec(), receipt.device));
    assert!(!ledger.record(receipt.clone(), bytes.to_vec(), receipt.device));
    for (log, tip) in &receipt.vector.tips {
        let holds = |seq: u64| ledger.holders(*log, seq).count();
        assert_eq!(holds(tip.seq), 1);
        assert_eq!(tip.seq.checked_add(1).map_or(0, holds), 0);
    }
}

fn mend(bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    let body = bytes.len().saturating_sub(SIGNATURE_BYTES);
    let mut unsigned = bytes.get(..body).unwrap_or_default().to_vec();
    if let Some(device) = unsigned.get_mut(2..34).filter(|_| rng.chance(90)) {
        device.copy_from_slice(&keys(1).id().0);
    }
    let signature = keys(1).sign("receipt", House::get().account(), &unsigned);
    unsigned.extend_from_slice(&signature);
    unsigned
}

fn seeds() -> Seeds {
    let signed = |tips: &[(u8, u64)], chunks: usize| {
        let tip = |(log, seq): &(u8, u64)| (LogId([*log; 16]), Tip { seq: *seq, id: [7; 8] });
        let receipt = Receipt {
            device: keys(1).id(),
            space: SpaceId([1; 16]),
            generation: Incarnation([2; 16]),
            counter: 9,
            vector: VersionVector { tips: tips.iter().map(tip).collect() },
            chunks: vec![ChunkId([3; 32]); chunks],
        };
        receipt.sign(House::get().account(), &keys(1))
    };
    vec![
        ("empty", signed(&[], 0)),
        ("some", signed(&[(1, 5), (2, u64::MAX), (9, 1)], 2)),
        ("chunks", signed(&[(1, 5)], 64)),
        ("too-many-chunks", signed(&[(1, 5)], 65)),
        ("zero", signed(&[(0, 0)], 0)),
        ("nothing", Vec::new()),
        ("signature-only", vec![0; 64]),
    ]
}
