//! Whose a log and an index are: what is asked before a node is opened over them.

use super::Node;
use super::open::{all_rows, local, space_of};
use super::settle::{FRAME_ENTRY, FRAME_ROSTER};
use crate::local::{FRAME_LOCAL, LocalState, Place};
use crate::rows::{self, LogRow, table};
use crate::storage::{Frame, Lsn, Storage, StorageError};
use crate::view::decode_row;
use heirloom_base::{AccountId, Decode, DeviceId};
use heirloom_identity::Roster;
use heirloom_sync::{Entry, Origin};

/// What a log says of the account that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belonging {
    /// The account.
    pub account: AccountId,
    /// Whether a frame of its own states the account; else the operation that
    /// begins the account tells it.
    pub is_stated: bool,
    /// Whether the roster names the device that was asked for, in or out.
    pub names_device: bool,
}

/// Gathers what the frames of a log say of whose it is, in their order.
#[derive(Debug, Default)]
pub struct Provenance {
    stated: Option<AccountId>,
    begun: Option<AccountId>,
    ops: Vec<Vec<u8>>,
}

impl Provenance {
    /// Takes note of the next frame.
    pub fn note(&mut self, frame: Frame) {
        match frame.kind {
            FRAME_LOCAL if self.stated.is_none() => self.stated = Node::account_in(&frame),
            FRAME_ROSTER => {
                self.begun = self.begun.or_else(|| Roster::begun_by(&frame.payload));
                self.ops.push(frame.payload);
            }
            _ => {}
        }
    }

    /// Returns what the log says; `None` where it does not even name an account.
    #[must_use]
    pub fn conclude(self, device: DeviceId) -> Option<Belonging> {
        let account = self.stated.or(self.begun)?;
        let names_device = roster_of(account, &self.ops).state().devices.contains_key(&device);
        Some(Belonging { account, is_stated: self.stated.is_some(), names_device })
    }
}

fn roster_of(account: AccountId, ops: &[Vec<u8>]) -> Roster {
    let mut roster = Roster::new(account);
    for op in ops {
        if let Err(error) = roster.restore(op) {
            tracing::debug!(%error, "an operation does not count");
        }
    }
    roster
}

/// What an index knows of a frame of the log beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// It is an entry; whether the index says that it lies there.
    Entry(bool),
    /// It is an operation of the roster; whether the index says so too.
    Operation(bool),
    /// An index does not tell of such frames.
    None,
}

impl Node {
    /// Returns whether an index is certainly of this device: its roster names the
    /// device, and it tells of this folder or of a log that this device wrote.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn is_index_of(
        storage: &dyn Storage,
        device: DeviceId,
        place: Option<Place>,
    ) -> Result<bool, StorageError> {
        let Some(account) = Self::indexed_account(storage)? else { return Ok(false) };
        let rows = all_rows(storage, &[table::ROSTER])?.into_iter();
        let ops: Vec<Vec<u8>> = rows.map(|(_, op)| op).collect();
        if !roster_of(account, &ops).state().devices.contains_key(&device) {
            return Ok(false);
        }
        let known = match local(storage, b"place")? {
            Some(LocalState::Place(known)) => Some(known),
            _ => None,
        };
        if known.is_some() && known == place {
            return Ok(true);
        }
        let Some(LocalState::Incarnation(incarnation)) = local(storage, b"incarnation")? else {
            return Ok(false);
        };
        let log = Origin { device, incarnation }.log(space_of(account));
        Ok(storage.get(&rows::key(table::LOG, &[&log.0]))?.is_some())
    }

    /// Returns whether an index is certainly of another device than this one: it says
    /// so, or it tells of a log that the other wrote where the index was made.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn is_index_of_another(
        storage: &dyn Storage,
        device: DeviceId,
    ) -> Result<bool, StorageError> {
        if let Some(owner) = storage.get(rows::OWNER)? {
            return Ok(owner != device.0);
        }
        let Some(account) = Self::indexed_account(storage)? else { return Ok(false) };
        let Some(LocalState::Incarnation(incarnation)) = local(storage, b"incarnation")? else {
            return Ok(false);
        };
        let own = Origin { device, incarnation }.log(space_of(account));
        if storage.get(&rows::key(table::LOG, &[&own.0]))?.is_some() {
            return Ok(false);
        }
        for (key, bytes) in all_rows(storage, &[table::LOG])? {
            let writer = decode_row::<LogRow>(&bytes)?.device;
            let log = Origin { device: writer, incarnation }.log(space_of(account));
            if writer != device && key == rows::key(table::LOG, &[&log.0]) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether a frame begins the life of a log that an index was made in.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn begins_life_of_index(
        storage: &dyn Storage,
        frame: &Frame,
    ) -> Result<bool, StorageError> {
        if frame.kind != FRAME_LOCAL {
            return Ok(false);
        }
        let begun = LocalState::from_bytes(&frame.payload).ok();
        let begun = begun.filter(|state| matches!(state, LocalState::Incarnation(_)));
        Ok(begun.is_some() && begun == local(storage, b"incarnation")?)
    }

    /// Returns the device that wrote in this folder last, where its log is here and
    /// the roster names it: another than this one where the key was exchanged.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn writer_of_folder(
        &self,
        storage: &dyn Storage,
    ) -> Result<Option<DeviceId>, StorageError> {
        let Some(LocalState::Incarnation(incarnation)) = local(storage, b"incarnation")? else {
            return Ok(None);
        };
        let mut devices = self.membership.roster.state().devices.keys().copied();
        let log_of = |device| Origin { device, incarnation }.log(self.space);
        Ok(devices.find(|device| self.device_of(log_of(*device)) == Some(*device)))
    }

    /// Returns what an index knows of a frame that lies at this place.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn trace_of(storage: &dyn Storage, lsn: Lsn, frame: Frame) -> Result<Trace, StorageError> {
        let place = lsn.0.to_be_bytes();
        match frame.kind {
            FRAME_ENTRY => {
                let Ok(entry) = Entry::parse(frame.payload) else { return Ok(Trace::None) };
                let header = entry.header();
                let known = storage.get(&rows::entry_key(table::ENTRY, header.log, header.seq))?;
                Ok(Trace::Entry(known.is_some_and(|known| known == place)))
            }
            FRAME_ROSTER => {
                let known = storage.get(&rows::key(table::ROSTER, &[&place]))?;
                Ok(Trace::Operation(known.is_some_and(|known| known == frame.payload)))
            }
            _ => Ok(Trace::None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::founding;
    use heirloom_identity::{DeviceKeys, Phrase, Role};

    fn frames() -> (Vec<Frame>, DeviceId, AccountId) {
        let root = Phrase::from_entropy([3; 16]).root_keys();
        let keys = DeviceKeys::from_seed([4; 32]);
        let frames = founding::found(&root, &keys, "one", Role::Member, [5; 32]);
        (frames, keys.id(), root.account_id())
    }

    fn concluded(frames: &[Frame], device: DeviceId) -> Option<Belonging> {
        let mut provenance = Provenance::default();
        frames.iter().for_each(|frame| provenance.note(frame.clone()));
        provenance.conclude(device)
    }

    #[test]
    fn a_log_tells_whose_it_is_also_where_the_statement_or_the_device_is_lost() {
        let (frames, device, account) = frames();
        let whole = Belonging { account, is_stated: true, names_device: true };
        assert_eq!(concluded(&frames, device), Some(whole));
        let other = Belonging { names_device: false, ..whole };
        assert_eq!(concluded(&frames, DeviceId([9; 32])), Some(other));
        let without = |lost: usize| {
            let kept = frames.iter().enumerate().filter(|(number, _)| *number != lost);
            concluded(&kept.map(|(_, frame)| frame.clone()).collect::<Vec<_>>(), device)
        };
        assert_eq!(without(0), Some(Belonging { is_stated: false, ..whole }));
        // The operation that begins the account, then the one that names the device.
        for lost in [2, 3] {
            assert_eq!(without(lost), Some(other), "frame {lost}");
        }
        assert_eq!(concluded(&[], device), None);
    }
}
