//! Short forms of the commands that the tests give.

use super::super::*;
use super::household::{House, Reply, texts};
use crate::command::{ConflictRow, HistoryRow, RecordRow, StatusReport};
use heirloom_identity::Role;

impl House {
    pub(super) fn command(&mut self, device: usize, command: Command) -> CommandId {
        self.ticket += 1;
        let id = CommandId(self.ticket);
        self.input(device, Input::Command { id, command });
        id
    }

    pub(super) fn reply(&mut self, device: usize, id: CommandId) -> Option<Reply> {
        self.devices[device].replies.remove(&id)
    }

    /// Asks something that is answered at once.
    pub(super) fn ask(&mut self, device: usize, command: Command) -> Reply {
        let id = self.command(device, command);
        self.reply(device, id).expect("an answer at once")
    }

    pub(super) fn add(&mut self, device: usize, category: &str, fields: &[&str]) -> String {
        let (category, assignments) = (category.to_owned(), texts(fields));
        match self.ask(device, Command::Add { category, assignments, wait: Wait::default() }) {
            Ok(Answer::Saved { id, .. }) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn set(&mut self, device: usize, category: &str, id: &str, fields: &[&str]) {
        let (category, id, wait) = (category.to_owned(), id.to_owned(), Wait::default());
        self.ask(device, Command::Set { category, id, assignments: texts(fields), wait }).unwrap();
    }

    pub(super) fn delete(&mut self, device: usize, category: &str, id: &str) {
        let (category, id, wait) = (category.to_owned(), id.to_owned(), Wait::default());
        self.ask(device, Command::Delete { category, id, wait }).unwrap();
    }

    pub(super) fn restore(&mut self, device: usize, category: &str, id: &str, at: Option<&str>) {
        self.try_restore(device, category, id, at).unwrap();
    }

    pub(super) fn try_restore(
        &mut self,
        device: usize,
        category: &str,
        id: &str,
        at: Option<&str>,
    ) -> Reply {
        let (category, id, wait) = (category.to_owned(), id.to_owned(), Wait::default());
        self.ask(device, Command::Restore { category, id, at: at.map(str::to_owned), wait })
    }

    pub(super) fn resolve(
        &mut self,
        device: usize,
        category: &str,
        id: &str,
        field: Option<&str>,
        keep: &str,
    ) -> Reply {
        let (category, id, keep) = (category.to_owned(), id.to_owned(), keep.to_owned());
        let (field, wait) = (field.map(str::to_owned), Wait::default());
        self.ask(device, Command::Resolve { category, id, field, keep, wait })
    }

    pub(super) fn history(&mut self, device: usize, category: &str, id: &str) -> Vec<HistoryRow> {
        let (category, id) = (category.to_owned(), id.to_owned());
        match self.ask(device, Command::History { category, id }) {
            Ok(Answer::History { rows }) => rows,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn import(&mut self, device: usize, category: &str, file: &str, text: &str) {
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD.encode(text);
        let (category, file) = (category.to_owned(), file.to_owned());
        let item = crate::command::ImportItem { category, file, line: 1, base64, root: 0 };
        let import = Command::Import { items: vec![item], dry_run: false, wait: Wait::default() };
        match self.ask(device, import) {
            Ok(Answer::Imported { report, .. }) => assert!(report.skipped.is_empty(), "{report:?}"),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn show(&mut self, device: usize, category: &str, id: &str) -> RecordRow {
        let (category, id) = (category.to_owned(), id.to_owned());
        match self.ask(device, Command::Show { category, id }) {
            Ok(Answer::Record(row)) => row,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn titles(&mut self, device: usize, category: &str) -> Vec<String> {
        let category = category.to_owned();
        let list =
            Command::List { category, search: None, deleted: false, after: None, limit: 100 };
        match self.ask(device, list) {
            Ok(Answer::Records { rows, .. }) => rows.into_iter().map(|row| row.title).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn conflicts(&mut self, device: usize, category: &str) -> Vec<ConflictRow> {
        match self.ask(device, Command::Conflicts { category: category.to_owned(), id: None }) {
            Ok(Answer::Conflicts { rows }) => rows,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn digest(&mut self, device: usize) -> String {
        match self.ask(device, Command::Digest) {
            Ok(Answer::Digest { digest, .. }) => digest,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn status(&mut self, device: usize) -> StatusReport {
        match self.ask(device, Command::Status) {
            Ok(Answer::Status(status)) => status,
            other => panic!("{other:?}"),
        }
    }

    /// Opens an invite; returns its link and its words.
    pub(super) fn invite(&mut self, device: usize, role: Role) -> (String, String) {
        match self.ask(device, Command::Invite { role: role.to_string(), ttl_ms: None }) {
            Ok(Answer::Invite { link, words, .. }) => (link, words),
            other => panic!("{other:?}"),
        }
    }
}
