//! What an app does with records: one method for each command.

use crate::client::{Client, ClientError};
use crate::fields::Fields;
use heirloom_core::command::{
    Answer, Command, ConflictRow, DeviceRow, HistoryRow, RecordRow, StatusReport,
};
use heirloom_schema::CategorySpec;
use heirloom_schema::category::apps::APPS;
use std::time::Duration;

/// Records that one request lists.
const PAGE: usize = 200;

/// A write that is durable on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The record's id.
    pub id: String,
    /// Whether the level of [`Client::wait_for`] was reached in time. Where it
    /// was not, nothing is lost: the write goes on travelling by itself.
    pub reached: bool,
}

/// A record of an app, and the name that the app gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct AppRecord {
    /// What follows the app's name, such as the `milk` of `org.example.shopping/milk`.
    pub thing: String,
    /// The record.
    pub row: RecordRow,
}

impl Client {
    /// Makes a record of fields and returns its new id.
    ///
    /// An app record or a settings namespace has a name that the app gives; it is
    /// made by [`Client::set`] and refused here.
    ///
    /// # Errors
    /// When a field is unknown or refuses its value, or there is no answer.
    pub async fn add(
        &mut self,
        category: &CategorySpec,
        fields: Fields,
    ) -> Result<Saved, ClientError> {
        let (category, assignments) = (category.id.to_owned(), fields.into_assignments());
        let wait = self.wait;
        self.write(Command::Add { category, assignments, wait }).await
    }

    /// Changes the fields named, and no others. `id` is an id, the beginning
    /// of one, or a uid: the name of an app record or a settings namespace,
    /// which is made where it does not exist.
    ///
    /// # Errors
    /// When there is no such record, a field refuses its value, or there is no answer.
    pub async fn set(
        &mut self,
        category: &CategorySpec,
        id: &str,
        fields: Fields,
    ) -> Result<Saved, ClientError> {
        let (category, id) = (category.id.to_owned(), id.to_owned());
        let (assignments, wait) = (fields.into_assignments(), self.wait);
        self.write(Command::Set { category, id, assignments, wait }).await
    }

    /// Puts a record into the trash, everywhere.
    ///
    /// # Errors
    /// When there is no such record or no answer.
    pub async fn delete(
        &mut self,
        category: &CategorySpec,
        id: &str,
    ) -> Result<Saved, ClientError> {
        let (category, id, wait) = (category.id.to_owned(), id.to_owned(), self.wait);
        self.write(Command::Delete { category, id, wait }).await
    }

    /// Brings a record back from the trash.
    ///
    /// # Errors
    /// When there is no such record or no answer.
    pub async fn restore(
        &mut self,
        category: &CategorySpec,
        id: &str,
    ) -> Result<Saved, ClientError> {
        let (category, id, wait) = (category.id.to_owned(), id.to_owned(), self.wait);
        self.write(Command::Restore { category, id, at: None, wait }).await
    }

    /// Returns all records of a category that are not in the trash.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn list(&mut self, category: &CategorySpec) -> Result<Vec<RecordRow>, ClientError> {
        self.pages(category, None).await
    }

    /// Returns the records that contain every word of a text, in any case.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn search(
        &mut self,
        category: &CategorySpec,
        text: &str,
    ) -> Result<Vec<RecordRow>, ClientError> {
        self.pages(category, Some(text)).await
    }

    /// Returns all records of one app that are not in the trash.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn app_records(&mut self, app: &str) -> Result<Vec<AppRecord>, ClientError> {
        let prefix = format!("{app}/");
        let rows = self.search(&APPS, &prefix).await?;
        // A search also finds records that only speak of the app.
        let own = rows.into_iter().filter_map(|row| {
            let thing = row.title.strip_prefix(&prefix)?.to_owned();
            Some(AppRecord { thing, row })
        });
        Ok(own.collect())
    }

    /// Returns one record with the text that it came from, where it has one.
    ///
    /// # Errors
    /// When there is no such record ([`ClientError::is_absent`]) or no answer.
    pub async fn show(
        &mut self,
        category: &CategorySpec,
        id: &str,
    ) -> Result<RecordRow, ClientError> {
        let (category, id) = (category.id.to_owned(), id.to_owned());
        let answer = self.request(Command::Show { category, id }).await?;
        let Answer::Record(row) = answer else { return Err(ClientError::Unexpected) };
        Ok(row)
    }

    /// Returns the changes of one record, oldest first.
    ///
    /// # Errors
    /// When there is no such record or no answer.
    pub async fn history(
        &mut self,
        category: &CategorySpec,
        id: &str,
    ) -> Result<Vec<HistoryRow>, ClientError> {
        let (category, id) = (category.id.to_owned(), id.to_owned());
        let answer = self.request(Command::History { category, id }).await?;
        let Answer::History { rows } = answer else { return Err(ClientError::Unexpected) };
        Ok(rows)
    }

    /// Returns the fields that two devices changed at the same time.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn conflicts(
        &mut self,
        category: &CategorySpec,
    ) -> Result<Vec<ConflictRow>, ClientError> {
        let answer =
            self.request(Command::Conflicts { category: category.id.to_owned(), id: None }).await?;
        let Answer::Conflicts { rows } = answer else { return Err(ClientError::Unexpected) };
        Ok(rows)
    }

    /// Returns the devices of the account.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn devices(&mut self) -> Result<Vec<DeviceRow>, ClientError> {
        let answer = self.request(Command::Devices).await?;
        let Answer::Devices { rows } = answer else { return Err(ClientError::Unexpected) };
        Ok(rows)
    }

    /// Returns one screen about the account.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn status(&mut self) -> Result<StatusReport, ClientError> {
        let answer = self.request(Command::Status).await?;
        let Answer::Status(report) = answer else { return Err(ClientError::Unexpected) };
        Ok(report)
    }

    /// Waits until every reachable device is level with this one; returns
    /// whether all of them were in time.
    ///
    /// # Errors
    /// When no device is reachable or there is no answer.
    pub async fn sync(&mut self, timeout: Duration) -> Result<bool, ClientError> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let answer = self.request(Command::Sync { timeout_ms }).await?;
        let Answer::Synced { behind, .. } = answer else { return Err(ClientError::Unexpected) };
        Ok(behind.is_empty())
    }

    async fn write(&mut self, command: Command) -> Result<Saved, ClientError> {
        let answer = self.request(command).await?;
        let Answer::Saved { id, reached } = answer else { return Err(ClientError::Unexpected) };
        Ok(Saved { id, reached })
    }

    async fn pages(
        &mut self,
        category: &CategorySpec,
        search: Option<&str>,
    ) -> Result<Vec<RecordRow>, ClientError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (category, search) = (category.id.to_owned(), search.map(str::to_owned));
            let command = Command::List { category, search, deleted: false, after, limit: PAGE };
            let answer = self.request(command).await?;
            let Answer::Records { rows, next } = answer else {
                return Err(ClientError::Unexpected);
            };
            all.extend(rows);
            if next.is_none() {
                return Ok(all);
            }
            after = next;
        }
    }
}

#[cfg(test)]
mod tests;
