//! What goes from thread to thread, and round again.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A queue that ends when all who put something in have said so.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<Waiting<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting<T> {
    items: VecDeque<T>,
    sources: usize,
}

impl<T> Queue<T> {
    /// Returns a queue with so many sources. What waits in it is bounded by the
    /// [`Buffers`] that it is made of.
    pub(super) fn new(sources: usize) -> Self {
        let state = Mutex::new(Waiting { items: VecDeque::new(), sources });
        Self { state, changed: Condvar::new() }
    }

    pub(super) fn put(&self, item: T) {
        self.lock().items.push_back(item);
        self.changed.notify_one();
    }

    /// Notes that a source has put in its last.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.sources = state.sources.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }

    /// Returns what waits first, as soon as something does; nothing at the end.
    pub(super) fn next(&self) -> Option<T> {
        let is_waiting = |state: &mut Waiting<T>| state.items.is_empty() && state.sources > 0;
        let waited = self.changed.wait_while(self.lock(), is_waiting);
        waited.unwrap_or_else(PoisonError::into_inner).items.pop_front()
    }

    /// Returns what waits first, if something does.
    pub(super) fn next_here(&self) -> Option<T> {
        self.lock().items.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Buffers that are used again: as many as there are at first.
#[derive(Debug)]
pub(super) struct Buffers(Queue<Vec<u8>>);

impl Buffers {
    pub(super) fn new(count: usize) -> Self {
        let free = Queue::new(1);
        (0..count).for_each(|_| free.put(Vec::new()));
        Self(free)
    }

    /// Returns an empty buffer, as soon as there is one.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut buffer = self.0.next().unwrap_or_default();
        buffer.clear();
        buffer
    }

    pub(super) fn give(&self, buffer: Vec<u8>) {
        self.0.put(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_ends_with_its_last_source_and_loses_nothing() {
        let queue = Queue::new(2);
        let sum: u32 = std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    (1..=100).for_each(|number| queue.put(number));
                    queue.end();
                });
            }
            let takers =
                [0, 1].map(|_| scope.spawn(|| std::iter::from_fn(|| queue.next()).sum::<u32>()));
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(sum, 2 * 5_050);
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_buffer_is_empty_when_it_comes_round_again() {
        let buffers = Buffers::new(1);
        let mut buffer = buffers.take();
        buffer.extend_from_slice(&[1; 100]);
        buffers.give(buffer);
        let again = buffers.take();
        assert!(again.is_empty() && again.capacity() >= 100);
    }
}
