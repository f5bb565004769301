//! Edits that come at the same time become one entry: it is signed, sealed,
//! sent and stored once for all of them.

use super::writing::{Extent, Writing};
use super::{Node, Owed, PendingAppend, Refusal, Then};
use crate::command::{Answer, Command, Failure, Wait};
use crate::failure;
use crate::input::CommandId;
use crate::storage::{Storage, StorageError};
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{Now, limits};

/// Bytes of the changes of several edits in one entry: with what stands around
/// them it is still a small one, see [`limits::ARREARS_ENTRY_BYTES_MAX`].
const TOGETHER_BYTES_MAX: usize = limits::ARREARS_ENTRY_BYTES_MAX * 3 / 4;

/// Edits between being asked for and being on their way to the disk.
#[derive(Debug, Default)]
pub(super) struct Together {
    /// What is asked for: it is carried out when the turn ends, or before
    /// something else that is asked for.
    asked: Vec<(CommandId, Command)>,
    /// What was carried out and waits for what follows; it fits one entry.
    writing: Writing,
    extent: Extent,
    owed: Vec<Owed>,
}

impl Node {
    /// Carries out a command. An edit waits for others until the turn ends.
    pub(super) fn asked(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        id: CommandId,
        command: Command,
    ) -> Result<(), StorageError> {
        if matches!(command, Command::Add { .. } | Command::Set { .. } | Command::Delete { .. }) {
            self.together.asked.push((id, command));
            return Ok(());
        }
        self.edit_together(now, storage)?;
        self.handle_command(now, storage, id, command)
    }

    /// Returns whether edits that are asked for are carried out at the end of a turn.
    /// While others are on their way to the disk they would wait behind these, so
    /// that they may as well wait for each other.
    pub(super) fn may_edit_now(&self) -> bool {
        let is_edit = |append: &PendingAppend| matches!(append.then, Then::Answer(_));
        !self.is_giving_up() && !self.appends.values().any(is_edit)
    }

    /// Carries out the edits that are asked for and gives them to the disk.
    pub(super) fn edit_together(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        let mut asked = std::mem::take(&mut self.together.asked).into_iter();
        while let Some((id, command)) = asked.next() {
            if let Err(error) = self.handle_command(now, storage, id, command) {
                let owed = std::mem::take(&mut self.together).owed;
                let ids = owed.into_iter().map(|owed| owed.id).chain(asked.map(|(id, _)| id));
                self.reply_all(ids, &failure::storage(&error));
                return Err(error);
            }
        }
        self.write_gathered(now);
        Ok(())
    }

    /// Writes an edit together with others, where it is as small as edits are.
    pub(super) fn write_edit(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        writing: Writing,
        id: CommandId,
        answer: Answer,
        wait: Wait,
    ) -> Result<Option<Answer>, Refusal> {
        let extent = writing.extent();
        let is_first = self.together.owed.is_empty();
        if writing.is_empty() && is_first || is_planted(Bug::AnsweredEarly) {
            return self.write(now, storage, writing, id, answer, wait);
        }
        if !self.together.extent.and(extent).is_small() {
            self.write_gathered(now);
        }
        if !extent.is_small() {
            return self.write(now, storage, writing, id, answer, wait);
        }
        self.may_seal()?;
        let edited = self.together.writing.extend(writing);
        if let Some(end) = self.next_own() {
            self.show_edited(edited, end);
        }
        self.together.extent = self.together.extent.and(extent);
        self.together.owed.push(Owed { id, answer: Box::new(answer), wait });
        Ok(None)
    }

    /// Gives to the disk what was gathered; it is answered when it is durable.
    fn write_gathered(&mut self, now: Now) {
        let Together { asked, writing, owed, .. } = std::mem::take(&mut self.together);
        self.together.asked = asked;
        if owed.is_empty() {
            return;
        }
        let ids: Vec<CommandId> = owed.iter().map(|owed| owed.id).collect();
        match self.write_down(now, writing, Then::Answer(owed)) {
            Ok(()) => {}
            Err(Refusal::Failure(failure)) => self.reply_all(ids.into_iter(), &failure),
            Err(Refusal::Storage(error)) => {
                self.reply_all(ids.into_iter(), &failure::storage(&error));
            }
        }
    }

    /// Tells everybody who waits for an answer that there is none.
    pub(super) fn reply_all(&mut self, ids: impl Iterator<Item = CommandId>, failure: &Failure) {
        for id in ids {
            self.reply(id, Err(failure.clone()));
        }
    }
}

impl Extent {
    /// Returns whether so much goes into one entry that is still small.
    fn is_small(self) -> bool {
        self.bytes <= TOGETHER_BYTES_MAX
            && self.operations <= limits::ENTRY_OPS_MAX
            && self.chunks == 0
    }
}
