//! Every operation of a store's life fails once, in every way, and the power
//! is cut afterwards: what was acknowledged is found again.

use super::*;

/// What the store promised before it failed.
#[derive(Default)]
struct Acknowledged {
    frames: Vec<(Lsn, Frame)>,
    chunks: Vec<(ChunkId, Vec<u8>)>,
}

/// How a program goes on when an append was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Stops,
    Reopens,
}

fn script() -> Vec<AppendRequest> {
    let single = |mark, length| request(mark, length);
    let with_chunk = |mark: u8| AppendRequest {
        chunks: vec![chunk(mark), chunk(mark + 1)],
        frames: vec![frame(mark, 300)],
    };
    let frames = (20..30).map(|mark| frame(mark, 900)).collect();
    vec![
        single(1, 10),
        with_chunk(2),
        AppendRequest { chunks: Vec::new(), frames },
        single(4, 2_000),
        with_chunk(5),
        single(7, 3_500),
    ]
}

fn live(home: &Path, disk: &FaultyDisk, manner: Manner) -> (Acknowledged, bool) {
    let mut kept = Acknowledged::default();
    let Ok(store) = Store::open(home, &options(disk)) else { return (kept, false) };
    let mut clean = true;
    for request in script() {
        match store.append(request.clone()) {
            Ok(positions) => {
                kept.frames.extend(positions.into_iter().zip(request.frames));
                kept.chunks.extend(request.chunks);
            }
            Err(AppendError::Closed { .. }) if manner == Manner::Reopens => {
                clean = false;
                if store.reopen_log().is_err() {
                    break;
                }
            }
            Err(_) => {
                clean = false;
                if manner == Manner::Stops {
                    break;
                }
            }
        }
        for (lsn, frame) in &kept.frames {
            assert_eq!(store.frame(*lsn).as_ref(), Ok(frame));
        }
    }
    (kept, clean)
}

fn check(home: &Path, disk: &FaultyDisk, kept: &Acknowledged, case: &str) {
    let store = Store::open(home, &options(disk)).unwrap();
    let found: Vec<_> = store.frames(None).map(Result::unwrap).collect();
    for frame in &kept.frames {
        assert!(found.contains(frame), "{case}: a frame was lost");
    }
    let offered: Vec<Frame> = script().into_iter().flat_map(|request| request.frames).collect();
    let mut rest = offered.iter();
    for (_, frame) in &found {
        assert!(rest.any(|offered| offered == frame), "{case}: a frame came from nowhere");
    }
    for (id, bytes) in &kept.chunks {
        assert_eq!(store.chunk(*id).as_ref(), Ok(bytes), "{case}: a chunk was lost");
    }
    for id in store.chunks().list() {
        store.chunk(id).unwrap();
    }
    assert_eq!(store.recovery().damaged, [], "{case}");
    store.append(request(99, 100)).unwrap();
    assert_eq!(marks(&store).len(), found.len() + 1, "{case}");
}

fn exhaust(fault: Fault, manner: Manner) {
    for operation in 0.. {
        let crash = match operation % 3 {
            0 => Crash::Dropped,
            1 => Crash::Kept,
            _ => Crash::Torn(operation),
        };
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let disk = FaultyDisk::sound();
        disk.fail_at(operation, fault);
        let (kept, clean) = live(&home, &disk, manner);
        if disk.operations() <= operation {
            assert!(clean && operation > 60);
            return;
        }
        disk.repair();
        disk.crash(crash);
        let case = format!("{fault:?} at operation {operation}, {crash:?}, {manner:?}");
        check(&home, &disk, &kept, &case);
    }
}

#[test]
fn one_failing_operation_loses_nothing_that_was_acknowledged() {
    exhaust(Fault::Once, Manner::Stops);
    exhaust(Fault::Once, Manner::Reopens);
}

#[test]
fn one_operation_without_room_loses_nothing_that_was_acknowledged() {
    exhaust(Fault::FullOnce, Manner::Stops);
    exhaust(Fault::FullOnce, Manner::Reopens);
}

#[test]
fn a_dying_disk_loses_nothing_that_was_acknowledged() {
    exhaust(Fault::Lasting, Manner::Stops);
    exhaust(Fault::Lasting, Manner::Reopens);
}

#[test]
fn a_disk_that_fills_up_loses_nothing_that_was_acknowledged() {
    exhaust(Fault::Full, Manner::Stops);
    exhaust(Fault::Full, Manner::Reopens);
}
