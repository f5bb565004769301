use super::*;
use std::sync::mpsc::channel;

fn open() -> (tempfile::TempDir, FaultyDisk, Store) {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::sound();
    let store = Store::open(home.path(), &options(&disk)).unwrap();
    (home, disk, store)
}

#[test]
fn every_request_is_answered_with_its_own_positions() {
    let (_home, _disk, store) = open();
    let queue = store.queue().unwrap();
    let answers: Vec<_> = (0..100)
        .map(|mark| {
            let frames = (0..mark % 4).map(|_| frame(mark, 50)).collect();
            (mark, queue.submit(AppendRequest { chunks: Vec::new(), frames }))
        })
        .collect();
    for (mark, answer) in answers {
        let positions = answer.recv().unwrap().unwrap();
        assert_eq!(positions.len(), usize::from(mark % 4));
        assert!(positions.iter().all(|lsn| store.frame(*lsn) == Ok(frame(mark, 50))));
    }
    assert!(marks(&store).is_sorted());
}

#[test]
fn requests_that_wait_for_a_sync_share_the_next_one() {
    let (_home, disk, store) = open();
    store.append(request(0, 8)).unwrap();
    let queue = store.queue().unwrap();
    let before = disk.operations();
    let busy = store.appender();
    let answers: Vec<_> = (0..40).map(|mark| queue.submit(request(mark, 8))).collect();
    drop(busy);
    for answer in answers {
        answer.recv().unwrap().unwrap();
    }
    // The first request was taken alone; the others make one group, or two
    // where the thread looked before all had come. Each is a write and a sync.
    assert!(disk.operations() - before <= 6, "{}", disk.operations() - before);
}

#[test]
fn chunks_are_durable_before_the_frames_that_name_them() {
    let (home, disk, store) = open();
    let queue = store.queue().unwrap();
    let chunks = vec![chunk(1), chunk(2)];
    let answer = queue.submit(AppendRequest { chunks, frames: vec![frame(1, 1)] });
    answer.recv().unwrap().unwrap();
    drop((queue, store));
    disk.crash(Crash::Dropped);
    let store = Store::open(home.path(), &options(&disk)).unwrap();
    assert_eq!(marks(&store), [1]);
    assert!(store.has_chunk(chunk(1).0) && store.has_chunk(chunk(2).0));
}

#[test]
fn a_refused_request_takes_those_behind_it_and_spares_those_before_it() {
    let (_home, _disk, store) = open();
    let queue = store.queue().unwrap();
    let busy = store.appender();
    let wrong = AppendRequest { chunks: vec![(chunk(1).0, vec![0])], frames: vec![frame(3, 1)] };
    let requests = [request(1, 1), request(2, 1), wrong, request(4, 1), request(5, 1)];
    let answers: Vec<_> = requests.into_iter().map(|request| queue.submit(request)).collect();
    drop(busy);
    let results: Vec<_> = answers.into_iter().map(|answer| answer.recv().unwrap()).collect();
    assert!(results[..2].iter().all(Result::is_ok));
    let refusal = Err(AppendError::WrongChunk { id: chunk(1).0 });
    assert!(results[2..].iter().all(|result| *result == refusal), "{results:?}");
    assert_eq!(queue.submit(request(6, 1)).recv().unwrap().unwrap().len(), 1);
    assert_eq!(marks(&store), [1, 2, 6]);
}

#[test]
fn on_a_full_disk_the_requests_that_still_fit_are_written() {
    let (_home, disk, store) = open();
    store.append(request(0, SEGMENT_BYTES - 600)).unwrap();
    disk.fill();
    store.reserve.release();
    let group = vec![request(1, 100), request(2, 100), request(3, 2_000), request(4, 10)];
    let answers = store.appender().append(group);
    assert!(answers[..2].iter().all(Result::is_ok));
    assert!(answers[2..].iter().all(|answer| *answer == Err(AppendError::Full)));
    assert_eq!(marks(&store), [0, 1, 2]);
}

#[test]
fn a_closed_log_refuses_until_it_is_opened_again() {
    let (_home, disk, store) = open();
    let queue = store.queue().unwrap();
    disk.fail_next(Fault::Once);
    let closed = |answer: Result<Vec<Lsn>, AppendError>| {
        assert!(matches!(answer, Err(AppendError::Closed { .. })), "{answer:?}");
    };
    closed(queue.submit(request(1, 1)).recv().unwrap());
    closed(queue.submit(request(2, 1)).recv().unwrap());
    store.reopen_log().unwrap();
    queue.submit(request(3, 1)).recv().unwrap().unwrap();
    assert_eq!(marks(&store), [3]);
}

#[test]
fn a_queue_that_is_dropped_answers_everything_first() {
    let (_home, _disk, store) = open();
    let queue = store.queue().unwrap();
    let (sender, receiver) = channel();
    for mark in 0..50 {
        let sender = sender.clone();
        queue.submit_then(request(mark, 10), move |result| sender.send(result).unwrap());
    }
    drop(queue);
    drop(sender);
    assert_eq!(receiver.iter().filter(Result::is_ok).count(), 50);
    assert_eq!(marks(&store).len(), 50);
}

#[test]
fn somebody_who_stopped_waiting_does_not_stop_the_writer() {
    let (_home, _disk, store) = open();
    let queue = store.queue().unwrap();
    drop(queue.submit(request(1, 10)));
    queue.submit(request(2, 10)).recv().unwrap().unwrap();
    assert_eq!(marks(&store), [1, 2]);
}

#[test]
fn frames_are_read_while_others_are_written() {
    let (_home, _disk, store) = open();
    let queue = store.queue().unwrap();
    let reader = store.log_reader();
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let (queue, reader) = (&queue, reader.clone());
            scope.spawn(move || {
                for length in 0..50 {
                    let lsn = queue.submit(request(writer, length)).recv().unwrap().unwrap()[0];
                    assert_eq!(reader.frame(lsn), Ok(frame(writer, length)));
                }
            });
        }
    });
    assert_eq!(marks(&store).len(), 200);
}

#[test]
fn a_refusal_becomes_the_node_s_word_for_it() {
    use heirloom_core::input;
    assert_eq!(input::AppendError::from(AppendError::Full), input::AppendError::Full);
    let closed = AppendError::Closed { reason: "broken".to_owned() };
    let failed = input::AppendError::Failed("the log is closed: broken".to_owned());
    assert_eq!(input::AppendError::from(closed), failed);
}
