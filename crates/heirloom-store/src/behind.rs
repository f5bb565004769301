//! Writes of the index that are behind the log.
//!
//! What an entry brings is durable with the log; the index can be made again
//! from it. So the engine need not have a write before somebody is answered:
//! small ones are gathered, and handed on together after a moment, or when
//! there are many, to a thread of their own. They are read as if
//! they were there already. A crash loses some of the last, all of a commit or
//! nothing, and the next start reads these frames of the log again.

use crate::index::{Backend, IndexError, silent};
use heirloom_base::limits::INDEX_BATCH_MAX;
use heirloom_core::storage::{Batch, Rows};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// How long writes are gathered: what is edited again meanwhile is written once,
/// and nobody who waits for an edit shares the processor with these writes.
const GATHER: Duration = Duration::from_millis(250);
/// Bytes that are gathered before they are handed on.
const BYTES_MIN: usize = 128 * 1024;
/// Bytes that are gathered at most while those before are on their way.
const BYTES_MAX: usize = 1024 * 1024;

/// Longest time for one write of the engine, which answers within milliseconds
/// unless its disk refuses.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Writes that were committed and that the engine may not have yet.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    gathered: Batch,
    /// Bytes of what is gathered.
    bytes: usize,
    /// When to hand on what is gathered, or to look for what was handed on.
    due: Option<Instant>,
    flight: Option<Flight>,
    writer: Option<Sender<Order>>,
}

/// Writes that the engine is taking in.
#[derive(Debug)]
struct Flight {
    batch: Arc<Batch>,
    landed: Receiver<Result<(), IndexError>>,
}

/// What the thread is to write, where, and whom it tells.
struct Order {
    batch: Arc<Batch>,
    backend: Arc<dyn Backend>,
    tell: Sender<Result<(), IndexError>>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Order").finish_non_exhaustive()
    }
}

impl Behind {
    /// Adds a commit; what is gathered is handed on before if both together would
    /// be too much for one batch of the engine.
    ///
    /// # Errors
    /// When the engine failed.
    pub(crate) fn commit(
        &mut self,
        backend: &Arc<dyn Backend>,
        batch: Batch,
    ) -> Result<(), IndexError> {
        if self.gathered.writes.len() + batch.writes.len() > INDEX_BATCH_MAX {
            self.wait(backend)?;
            self.hand_on(backend)?;
        }
        self.add(batch);
        self.hand_on_in_time(backend)
    }

    /// Adds a commit.
    fn add(&mut self, batch: Batch) {
        let size = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        // One by one: `BTreeMap::append` makes the whole map anew.
        for (key, value) in batch.writes {
            let length = key.len();
            self.bytes += length + size(&value);
            if let Some(replaced) = self.gathered.writes.insert(key, value) {
                self.bytes -= length + size(&replaced);
            }
        }
        if !self.gathered.writes.is_empty() {
            self.due.get_or_insert_with(|| Instant::now() + GATHER);
        }
    }

    /// Returns when there is something to do, if ever.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Hands on what has been gathered for long enough, and learns what became of
    /// what was handed on before.
    ///
    /// # Errors
    /// When the engine failed.
    pub(crate) fn tend(&mut self, backend: &Arc<dyn Backend>) -> Result<(), IndexError> {
        if self.due.is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        self.due = None;
        self.hand_on(backend)?;
        if self.flight.is_some() {
            self.due = Some(Instant::now() + GATHER);
        }
        Ok(())
    }

    /// Returns what a key was last given here, if anything: nothing means that it
    /// was removed.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let flying = || self.flight.as_ref().and_then(|flight| flight.batch.writes.get(key));
        self.gathered.writes.get(key).or_else(flying).cloned()
    }

    /// Scans the engine with all that it does not have yet.
    ///
    /// # Errors
    /// As the engine.
    pub(crate) fn scan(
        &self,
        backend: &dyn Backend,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Rows, IndexError> {
        let below = |after: Option<&[u8]>| backend.scan(prefix, after, limit);
        let flying = |after: Option<&[u8]>| match &self.flight {
            Some(flight) => flight.batch.scan_over(&below, prefix, after, limit),
            None => below(after),
        };
        self.gathered.scan_over(&flying, prefix, after, limit)
    }

    /// Hands on what is gathered if it is worth it, or if it must be.
    ///
    /// # Errors
    /// When the engine failed.
    fn hand_on_in_time(&mut self, backend: &Arc<dyn Backend>) -> Result<(), IndexError> {
        if self.bytes < BYTES_MIN {
            return Ok(());
        }
        if self.bytes > BYTES_MAX {
            self.wait(backend)?;
        }
        self.hand_on(backend)
    }

    /// Hands on what is gathered, unless something is on its way.
    ///
    /// # Errors
    /// When the engine failed.
    fn hand_on(&mut self, backend: &Arc<dyn Backend>) -> Result<(), IndexError> {
        self.look()?;
        if self.flight.is_some() || self.gathered.writes.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let batch = Arc::new(std::mem::take(&mut self.gathered));
        let (tell, landed) = mpsc::channel();
        let order = Order { batch: Arc::clone(&batch), backend: Arc::clone(backend), tell };
        self.flight = Some(Flight { batch, landed });
        let writer = self.writer.take().or_else(begin);
        match writer.map(|writer| (writer.send(order), writer)) {
            Some((Ok(()), writer)) => {
                self.writer = Some(writer);
                Ok(())
            }
            Some((Err(mpsc::SendError(order)), _)) => {
                write(&order);
                self.wait(backend)
            }
            // Without a thread it is written here.
            None => {
                let flight = self.flight.take();
                let batch = flight.map(|flight| Batch::clone(&flight.batch));
                backend.commit(batch.unwrap_or_default())
            }
        }
    }

    /// Hands on everything and waits until the engine has it.
    ///
    /// # Errors
    /// When the engine failed.
    pub(crate) fn settle(&mut self, backend: &Arc<dyn Backend>) -> Result<(), IndexError> {
        self.wait(backend)?;
        self.hand_on(backend)?;
        self.wait(backend)
    }

    /// As [`Behind::settle`], for so long at most.
    pub(crate) fn settle_for(&mut self, backend: &Arc<dyn Backend>, pause: Duration) {
        for _ in 0..2 {
            if self.wait_for(pause).is_err() || self.hand_on(backend).is_err() {
                return;
            }
        }
        if self.wait_for(pause).is_err() {
            tracing::debug!("the index does not have all: the next start reads the log");
        }
    }

    /// Forgets everything; what is on its way goes where it may.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Notes whether what was on its way has arrived.
    fn look(&mut self) -> Result<(), IndexError> {
        let Some(flight) = &self.flight else { return Ok(()) };
        match flight.landed.try_recv() {
            Ok(result) => self.land(result),
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => self.land(Err(lost())),
        }
    }

    fn wait(&mut self, backend: &Arc<dyn Backend>) -> Result<(), IndexError> {
        let Some(flight) = &self.flight else { return Ok(()) };
        match flight.landed.recv_timeout(WAIT_MAX) {
            Ok(result) => self.land(result),
            Err(RecvTimeoutError::Timeout) => Err(silent(backend)),
            Err(RecvTimeoutError::Disconnected) => self.land(Err(lost())),
        }
    }

    fn wait_for(&mut self, pause: Duration) -> Result<(), IndexError> {
        let Some(flight) = &self.flight else { return Ok(()) };
        match flight.landed.recv_timeout(pause) {
            Ok(result) => self.land(result),
            Err(RecvTimeoutError::Timeout) => Err(IndexError("it takes too long".to_owned())),
            Err(RecvTimeoutError::Disconnected) => self.land(Err(lost())),
        }
    }

    fn land(&mut self, result: Result<(), IndexError>) -> Result<(), IndexError> {
        self.flight = None;
        result
    }
}

fn lost() -> IndexError {
    IndexError("a write of the index was lost".to_owned())
}

/// Begins the thread that writes; it ends when nobody gives orders any more.
fn begin() -> Option<Sender<Order>> {
    let (sender, orders) = mpsc::channel::<Order>();
    let run = move || orders.iter().for_each(|order| write(&order));
    let begun = std::thread::Builder::new().name("heirloom-index".to_owned()).spawn(run);
    begun.is_ok().then_some(sender)
}

fn write(order: &Order) {
    let result = order.backend.commit(Batch::clone(&order.batch));
    if order.tell.send(result).is_err() {
        tracing::debug!("nobody waited for a write of the index");
    }
}

#[cfg(test)]
mod tests;
