//! The node of a folder for which no daemon runs.

use crate::engine::{Engine, Reach};
use crate::{failure, folder};
use heirloom_base::limits;
use heirloom_core::command::{Answer, Command, Failure};
use heirloom_core::failure::{INDEX_REBUILT, STORE_DAMAGED};
use heirloom_core::input::{CommandId, Effect, Input};
use heirloom_core::storage::StorageError;
use heirloom_store::AppendRequest;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

/// A node without a network, which holds the folder's lock.
#[derive(Debug)]
pub struct LocalNode {
    engine: Engine,
    next_command: u64,
}

impl LocalNode {
    /// Opens the node of a data folder; waits up to 10 s for its lock.
    ///
    /// # Errors
    /// When there is no account, somebody else holds the folder, or the store cannot be opened.
    pub fn open(home: &Path) -> Result<Self, Failure> {
        Self::open_within(home, Duration::from_millis(limits::LOCK_WAIT_MS_MAX as u64))
    }

    /// Opens the node of a data folder; waits so long for its lock.
    ///
    /// # Errors
    /// As [`LocalNode::open`]; [`crate::IN_USE`] when somebody holds the folder.
    pub fn open_within(home: &Path, wait: Duration) -> Result<Self, Failure> {
        let (store, seed) = folder::open(home, wait)?;
        let engine = Engine::open(home, store, seed, Reach::Alone)?;
        let mut node = Self { engine, next_command: 0 };
        node.pump(None)?;
        Ok(node)
    }

    /// Carries out one command; what it wrote is durable when it returns.
    ///
    /// # Errors
    /// When the node refuses it or the disk fails.
    pub fn run(&mut self, command: Command) -> Result<Answer, Failure> {
        let mut answer = self.answer(command.clone())?;
        // The index could not be read and was made again meanwhile.
        if answer.as_ref().is_err_and(|failure| failure.code == STORE_DAMAGED) {
            answer = self.answer(command)?;
        }
        if let Ok(Answer::Status(report)) = &mut answer {
            self.engine.complete(report);
        }
        answer
    }

    fn answer(&mut self, command: Command) -> Result<Result<Answer, Failure>, Failure> {
        self.next_command += 1;
        let first = Input::Command { id: CommandId(self.next_command), command };
        Ok(self.pump(Some(first))?.unwrap_or_else(|| Err(failure::unanswered())))
    }

    /// Hands in an input and carries out all that follows; returns the answer, if one came.
    fn pump(&mut self, first: Option<Input>) -> Result<Option<Result<Answer, Failure>>, Failure> {
        let mut inputs: VecDeque<Input> = first.into_iter().collect();
        let mut answer = None;
        loop {
            while let Some(effect) = self.engine.effect() {
                if let Effect::Reply { result, .. } = effect {
                    answer = Some(*result);
                } else {
                    inputs.extend(self.carry_out(effect)?);
                }
            }
            while self.engine.event().is_some() {}
            let Some(input) = inputs.pop_front() else { return Ok(answer) };
            if let Err(error) = self.engine.input(input) {
                answer = self.reply().or(answer);
                self.rebuild(&error)?;
                let is_known = |answer: &Result<Answer, Failure>| {
                    answer.as_ref().err().is_none_or(|failure| failure.code != INDEX_REBUILT)
                };
                answer = answer.filter(is_known);
                answer = answer.or_else(|| Some(Err(self.engine.interruption())));
                inputs.clear();
            }
        }
    }

    /// Returns the answer among the effects that wait.
    fn reply(&mut self) -> Option<Result<Answer, Failure>> {
        let mut reply = None;
        while let Some(effect) = self.engine.effect() {
            if let Effect::Reply { result, .. } = effect {
                reply = Some(*result);
            }
        }
        reply
    }

    fn rebuild(&mut self, cause: &StorageError) -> Result<(), Failure> {
        self.engine.rebuild(cause)
    }

    /// Carries out an effect at once; returns its result as an input.
    fn carry_out(&mut self, effect: Effect) -> Result<Option<Input>, Failure> {
        match effect {
            Effect::Append { id, chunks, frames } => {
                let appended = self.engine.store().append(AppendRequest { chunks, frames });
                if let Err(error) = &appended
                    && matches!(error, heirloom_store::AppendError::Closed { .. })
                {
                    let reopened = self.engine.reopen_log();
                    reopened.map_err(|error| error.into_failure(self.engine.home()))?;
                }
                let result = appended.map_err(|error| failure::plain(&error));
                Ok(Some(Input::Appended { id, result }))
            }
            Effect::Fetch { id, .. } => Ok(Some(Input::Fetched {
                id,
                chunks: Vec::new(),
                lacked: Vec::new(),
                wrong: Vec::new(),
            })),
            Effect::ForgetLost { chunks } => {
                self.engine.store().chunks().forget_lost(&chunks);
                Ok(None)
            }
            // Without a network there is nobody for these.
            Effect::Send { .. }
            | Effect::Dial { .. }
            | Effect::SetMembers { .. }
            | Effect::SetPairing { .. }
            | Effect::PairingSend { .. }
            | Effect::HelloReply { .. }
            | Effect::Introduce { .. }
            | Effect::Disconnect { .. }
            | Effect::Reply { .. } => Ok(None),
        }
    }
}

impl Drop for LocalNode {
    fn drop(&mut self) {
        self.engine.sync_index();
    }
}

#[cfg(test)]
mod tests;
