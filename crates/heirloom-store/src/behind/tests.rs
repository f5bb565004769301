use super::*;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex};

/// An engine that takes nothing in before it is let.
#[derive(Debug, Default)]
struct Slow {
    rows: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    may: Mutex<usize>,
    let_go: Condvar,
    fails: bool,
}

impl Slow {
    fn let_one_go(&self) {
        *self.may.lock().unwrap() += 1;
        self.let_go.notify_all();
    }

    fn count(&self) -> usize {
        self.rows.lock().unwrap().len()
    }
}

impl Backend for Slow {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Rows, IndexError> {
        let rows = self.rows.lock().unwrap();
        let rows = rows.iter().filter(|(key, _)| key.starts_with(prefix));
        let rows = rows.filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(rows.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, batch: Batch) -> Result<(), IndexError> {
        let mut may = self.may.lock().unwrap();
        while *may == 0 {
            may = self.let_go.wait(may).unwrap();
        }
        *may -= 1;
        if self.fails {
            return Err(IndexError("full".to_owned()));
        }
        let mut rows = self.rows.lock().unwrap();
        for (key, value) in batch.writes {
            match value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), IndexError> {
        Ok(())
    }
}

fn batch(writes: &[(&[u8], Option<&[u8]>)]) -> Batch {
    let writes = writes.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
    Batch { writes: writes.collect() }
}

fn keys(behind: &Behind, backend: &Arc<dyn Backend>, after: Option<&[u8]>, limit: usize) -> String {
    let rows = behind.scan(backend.as_ref(), b"a", after, limit).unwrap();
    let text = rows.into_iter().map(|(key, value)| [key, value].concat());
    text.map(|row| String::from_utf8(row).unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_on_its_way_is_read_as_if_it_were_there() {
    let slow = Arc::new(Slow::default());
    let backend: Arc<dyn Backend> = slow.clone();
    let mut behind = Behind::default();
    slow.let_one_go();
    behind.add(batch(&[(b"a1", Some(b"x")), (b"a2", Some(b"x")), (b"a3", Some(b"x"))]));
    behind.settle(&backend).unwrap();
    assert_eq!(slow.count(), 3);
    behind.add(batch(&[(b"a2", None), (b"a3", Some(b"y")), (b"a4", Some(b"y"))]));
    behind.hand_on(&backend).unwrap();
    behind.add(batch(&[(b"a1", None), (b"a2", Some(b"z")), (b"a5", Some(b"z"))]));
    behind.hand_on(&backend).unwrap();
    assert_eq!((slow.count(), behind.flight.is_some()), (3, true), "one at a time");
    for _ in 0..2 {
        assert_eq!(keys(&behind, &backend, None, 9), "a2z a3y a4y a5z");
        assert_eq!(keys(&behind, &backend, None, 2), "a2z a3y");
        assert_eq!(keys(&behind, &backend, Some(b"a2"), 2), "a3y a4y");
        assert_eq!(behind.get(b"a1"), Some(None));
        assert_eq!(behind.get(b"a3"), Some(Some(b"y".to_vec())));
        assert_eq!(behind.get(b"b"), None);
        slow.let_one_go();
        slow.let_one_go();
    }
    behind.settle(&backend).unwrap();
    assert_eq!(keys(&Behind::default(), &backend, None, 9), "a2z a3y a4y a5z");
}

#[test]
fn few_are_gathered_and_too_many_wait_for_those_before() {
    let slow = Arc::new(Slow::default());
    let backend: Arc<dyn Backend> = slow.clone();
    let mut behind = Behind::default();
    behind.add(batch(&[(b"a1", Some(&[1; 1_000]))]));
    behind.hand_on_in_time(&backend).unwrap();
    assert!(behind.flight.is_none());
    behind.add(batch(&[(b"a2", Some(&[1; BYTES_MIN]))]));
    behind.hand_on_in_time(&backend).unwrap();
    assert!(behind.flight.is_some());
    behind.add(batch(&[(b"a3", Some(&[1; BYTES_MIN]))]));
    behind.hand_on_in_time(&backend).unwrap();
    assert_eq!(slow.count(), 0, "nobody waited");
    behind.add(batch(&[(b"a4", Some(&[1; BYTES_MAX]))]));
    let letting = {
        let slow = Arc::clone(&slow);
        std::thread::spawn(move || slow.let_one_go())
    };
    behind.hand_on_in_time(&backend).unwrap();
    letting.join().unwrap();
    assert_eq!(slow.count(), 2, "it waited for those before");
    slow.let_one_go();
    behind.settle(&backend).unwrap();
    assert_eq!(slow.count(), 4);
}

#[test]
fn what_is_too_much_for_one_batch_goes_in_two() {
    let slow = Arc::new(Slow::default());
    let backend: Arc<dyn Backend> = slow.clone();
    let mut behind = Behind::default();
    let many = |from: usize| {
        let row = |number: usize| (format!("a{number}").into_bytes(), Some(vec![1]));
        Batch { writes: (from..from + INDEX_BATCH_MAX * 2 / 3).map(row).collect() }
    };
    behind.commit(&backend, many(0)).unwrap();
    assert!(behind.flight.is_none(), "it is little");
    behind.commit(&backend, many(INDEX_BATCH_MAX)).unwrap();
    assert!(behind.flight.as_ref().unwrap().batch.writes.len() < INDEX_BATCH_MAX);
    slow.let_one_go();
    slow.let_one_go();
    behind.settle(&backend).unwrap();
    assert_eq!(slow.count(), 2 * (INDEX_BATCH_MAX * 2 / 3));
}

#[test]
fn a_failure_is_told_to_whoever_comes_next() {
    let slow = Arc::new(Slow { fails: true, ..Slow::default() });
    let backend: Arc<dyn Backend> = slow.clone();
    let mut behind = Behind::default();
    behind.add(batch(&[(b"a", Some(b"x"))]));
    behind.hand_on(&backend).unwrap();
    slow.let_one_go();
    assert_eq!(behind.settle(&backend), Err(IndexError("full".to_owned())));
    behind.forget();
    assert_eq!((behind.get(b"a"), behind.settle(&backend)), (None, Ok(())));
    behind.add(batch(&[(b"a", Some(b"x"))]));
    behind.hand_on(&backend).unwrap();
    behind.settle_for(&backend, Duration::from_millis(10));
    assert_eq!(slow.count(), 0, "an engine that never answers holds nobody up");
    slow.let_one_go();
}

#[test]
fn what_is_edited_again_counts_once_and_goes_after_a_while() {
    let slow = Arc::new(Slow::default());
    let backend: Arc<dyn Backend> = slow.clone();
    let mut behind = Behind::default();
    assert_eq!(behind.due(), None);
    for _ in 0..3 {
        behind.add(batch(&[(b"a1", Some(&[1; 1_000]))]));
    }
    assert_eq!(behind.bytes, 1_002);
    let due = behind.due().unwrap();
    behind.tend(&backend).unwrap();
    assert!(behind.flight.is_none() && behind.due() == Some(due), "it is not time yet");
    behind.due = Some(Instant::now());
    behind.tend(&backend).unwrap();
    assert!(behind.flight.is_some(), "it was handed on");
    assert!(behind.due().is_some(), "somebody looks what became of it");
    slow.let_one_go();
    behind.wait(&backend).unwrap();
    behind.due = Some(Instant::now());
    behind.tend(&backend).unwrap();
    assert_eq!(behind.due(), None);
    assert_eq!(slow.count(), 1);
}

#[test]
fn a_sync_that_does_not_come_back_is_not_waited_for() {
    #[derive(Debug)]
    struct Stuck(Mutex<()>);
    impl Backend for Stuck {
        fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
            Ok(None)
        }
        fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Rows, IndexError> {
            Ok(Vec::new())
        }
        fn commit(&self, _: Batch) -> Result<(), IndexError> {
            Ok(())
        }
        fn sync(&self) -> Result<(), IndexError> {
            drop(self.0.lock().unwrap());
            Ok(())
        }
    }
    let stuck = Arc::new(Stuck(Mutex::new(())));
    let backend: Arc<dyn Backend> = Arc::clone(&stuck) as Arc<dyn Backend>;
    let held = stuck.0.lock().unwrap();
    assert!(crate::index::sync_within(&backend, Duration::from_millis(20)).is_err());
    drop(held);
    crate::index::sync_within(&backend, Duration::from_secs(60)).unwrap();
}
