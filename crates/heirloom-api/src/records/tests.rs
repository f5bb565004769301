//! Typed methods against a node that answers by a script.

use super::*;
use crate::Server;
use heirloom_core::command::{Failure, Level};
use heirloom_schema::category::contacts::CONTACTS;
use heirloom_schema::category::notes::NOTES;
use tempfile::TempDir;
use tokio::sync::{broadcast, mpsc};

type Script = fn(Command) -> Result<Answer, Failure>;

/// Starts a node that answers every command as the script says.
async fn node(script: Script) -> (TempDir, Client) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind(folder.path()).unwrap();
    let (commands, mut asked) = mpsc::channel::<(Command, crate::CommandReply)>(4);
    let (events, _) = broadcast::channel(4);
    drop(tokio::spawn(server.serve(commands, move || events.subscribe(), std::future::pending())));
    drop(tokio::spawn(async move {
        while let Some((command, reply)) = asked.recv().await {
            drop(reply.send(script(command)));
        }
    }));
    let client = Client::open(folder.path()).await.unwrap();
    (folder, client)
}

fn row(id: &str, title: &str) -> RecordRow {
    RecordRow {
        id: id.to_owned(),
        category: "apps".to_owned(),
        title: title.to_owned(),
        fields: serde_json::Map::new(),
        authors: serde_json::Map::new(),
        updated_at: "2026-01-01T00:00:00Z".to_owned(),
        updated_by: "ab".to_owned(),
        deleted: false,
        source: None,
    }
}

/// Echoes what was asked as the id of what was saved.
fn echo(command: Command) -> Result<Answer, Failure> {
    Ok(Answer::Saved { id: serde_json::to_string(&command).unwrap(), reached: false })
}

#[tokio::test]
async fn writes_carry_their_fields_and_the_wait_that_was_asked_for() {
    let (_folder, mut client) = node(echo).await;
    let sent = |saved: Saved| serde_json::from_str::<Command>(&saved.id).unwrap();
    let note = Fields::new().text("title", "Milk");
    let added = client.add(&NOTES, note.clone()).await.unwrap();
    assert!(!added.reached);
    let wait = heirloom_core::command::Wait::default();
    let assignments = vec!["title=Milk".to_owned()];
    assert_eq!(sent(added), Command::Add { category: "notes".to_owned(), assignments, wait });

    client.wait_for(Level::Peer(2), Duration::from_millis(1_500));
    let wait = heirloom_core::command::Wait { level: Level::Peer(2), timeout_ms: 1_500 };
    let (category, id) = ("notes".to_owned(), "3f".to_owned());
    let assignments = vec!["title=Milk".to_owned()];
    let set = Command::Set { category: category.clone(), id: id.clone(), assignments, wait };
    assert_eq!(sent(client.set(&NOTES, "3f", note).await.unwrap()), set);
    let delete = Command::Delete { category: category.clone(), id: id.clone(), wait };
    assert_eq!(sent(client.delete(&NOTES, "3f").await.unwrap()), delete);
    let restore = Command::Restore { category, id, at: None, wait };
    assert_eq!(sent(client.restore(&NOTES, "3f").await.unwrap()), restore);
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let (_folder, mut client) = node(|command| {
        let Command::List { after, search, .. } = command else { return echo(command) };
        assert_eq!(search, None);
        let (id, next) = match after.as_deref() {
            None => ("1", Some("1".to_owned())),
            Some("1") => ("2", Some("2".to_owned())),
            Some(_) => ("3", None),
        };
        Ok(Answer::Records { rows: vec![row(id, "x")], next })
    })
    .await;
    let rows = client.list(&CONTACTS).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
}

#[tokio::test]
async fn an_app_sees_its_own_records_only() {
    let (_folder, mut client) = node(|command| {
        let Command::List { search, category, .. } = command else { return echo(command) };
        assert_eq!((category.as_str(), search.as_deref()), ("apps", Some("org.example/")));
        let rows = vec![row("1", "org.example/milk"), row("2", "org.other/org.example/milk")];
        Ok(Answer::Records { rows, next: None })
    })
    .await;
    let records = client.app_records("org.example").await.unwrap();
    assert_eq!(
        records,
        [AppRecord { thing: "milk".to_owned(), row: row("1", "org.example/milk") }]
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_fails() {
    let (_folder, mut client) = node(|command| {
        let code = if matches!(command, Command::Show { .. }) { "not-found" } else { "broken" };
        let (text, fix) = ("It cannot be.".to_owned(), "Look again.".to_owned());
        Err(Failure { exit: 1, code: code.to_owned(), text, fix })
    })
    .await;
    let error = client.show(&NOTES, "3f").await.unwrap_err();
    assert!(error.is_absent());
    assert_eq!(error.to_string(), "It cannot be. Look again.");
    assert!(!client.history(&NOTES, "3f").await.unwrap_err().is_absent());
}

#[tokio::test]
async fn an_answer_to_another_question_is_an_error() {
    let (_folder, mut client) = node(echo).await;
    assert!(matches!(client.devices().await, Err(ClientError::Unexpected)));
    assert!(matches!(client.status().await, Err(ClientError::Unexpected)));
    assert!(matches!(client.list(&NOTES).await, Err(ClientError::Unexpected)));
    assert!(matches!(client.conflicts(&NOTES).await, Err(ClientError::Unexpected)));
    assert!(matches!(client.sync(Duration::ZERO).await, Err(ClientError::Unexpected)));
}

#[tokio::test]
async fn without_a_node_the_error_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = Client::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, ClientError::NoNode { .. }));
    assert!(error.to_string().ends_with("start one with `heirloom up`"), "{error}");
    assert_eq!(Failure::from(error).code, "no-node");
}
