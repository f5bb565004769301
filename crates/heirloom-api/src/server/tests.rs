//! A server and its clients over a folder of their own.

use super::*;
use crate::{Client, ClientError};
use heirloom_core::command::Level;
use tokio::task::JoinHandle;

struct Household {
    folder: tempfile::TempDir,
    events: broadcast::Sender<Event>,
    served: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Household {
    fn home(&self) -> &Path {
        self.folder.path()
    }

    async fn client(&self) -> Client {
        Client::connect(self.home()).await.unwrap().unwrap()
    }

    async fn raw(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(socket::path(self.home()).unwrap()).await.unwrap())
    }
}

/// Runs a server whose node answers devices with nothing, digests with much,
/// drops syncs and refuses everything else.
fn household() -> Household {
    let folder = tempfile::tempdir().unwrap();
    let (commands, mut asked) = mpsc::channel::<(Command, CommandReply)>(4);
    let (events, _) = broadcast::channel(4);
    let server = Server::bind(folder.path()).unwrap();
    let source = events.clone();
    tokio::spawn(async move {
        while let Some((command, reply)) = asked.recv().await {
            if matches!(command, Command::Sync { .. }) {
                continue;
            }
            let answer = if command == Command::Devices {
                Ok(Answer::Devices { rows: Vec::new() })
            } else if command == Command::Digest {
                let digest = "d".repeat(RESPONSE_BYTES_MAX);
                Ok(Answer::Digest { digest, records: std::collections::BTreeMap::new() })
            } else {
                Err(protocol::refusal("refused", format!("{command:?}"), "none"))
            };
            drop(reply.send(answer));
        }
    });
    let (stop, stopped) = oneshot::channel();
    let stopped = async { drop(stopped.await) };
    let served = tokio::spawn(server.serve(commands, move || source.subscribe(), stopped));
    Household { folder, events, served, stop }
}

#[tokio::test]
async fn commands_are_answered_one_after_the_other_on_one_connection() {
    let household = household();
    let mut client = household.client().await;
    for _ in 0..3 {
        let answer = client.request(Command::Devices).await.unwrap();
        assert_eq!(answer, Answer::Devices { rows: Vec::new() });
    }
    let invite = Command::Invite { role: "member".to_owned(), ttl_ms: Some(5) };
    let ClientError::Failed(failure) = client.request(invite).await.unwrap_err() else {
        panic!("the node refuses invites here")
    };
    assert!(failure.text.contains("ttl_ms: Some(5)"), "{failure}");
}

#[tokio::test]
async fn a_dropped_reply_says_that_the_node_stops() {
    let household = household();
    let error = household.client().await.request(Command::Sync { timeout_ms: 1 }).await;
    assert_eq!(Failure::from(error.unwrap_err()).code, "node-stopping");
}

#[tokio::test]
async fn a_watcher_gets_events_until_the_node_stops() {
    let household = household();
    let mut events = household.client().await.watch().await.unwrap();
    let up = Event::PeerUp { device_id: "ab".to_owned(), device: "desk".to_owned() };
    household.events.send(up.clone()).unwrap();
    assert_eq!(events.next().await.unwrap(), Some(up));
    household.served.abort();
    assert!(matches!(events.next().await, Ok(None) | Err(_)));
    assert!(Client::connect(household.home()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_watcher_that_goes_ends_its_subscription() {
    let household = household();
    let events = household.client().await.watch().await.unwrap();
    assert_eq!(household.events.receiver_count(), 1);
    drop(events);
    while household.events.receiver_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_slow_watcher_is_told_what_it_missed() {
    let household = household();
    let (near, far) = UnixStream::pair().unwrap();
    let (sender, receiver) = broadcast::channel(2);
    for number in 0..5_u8 {
        sender
            .send(Event::PeerDown { device_id: number.to_string(), device: String::new() })
            .unwrap();
    }
    let (_open, stopped) = watch::channel(());
    tokio::spawn(Connection::new(near, stopped).stream(receiver));
    let mut reader = BufReader::new(far);
    let first = line::read(&mut reader, 1_000).await.unwrap().unwrap();
    assert_eq!(protocol::decode::<Response>(&first).unwrap(), Response::Watching);
    let second = line::read(&mut reader, 1_000).await.unwrap().unwrap();
    assert_eq!(protocol::decode::<Event>(&second).unwrap(), protocol::skipped(3));
    drop(household);
}

#[tokio::test]
async fn an_unreadable_line_is_refused_and_the_connection_goes_on() {
    let household = household();
    let mut raw = household.raw().await;
    raw.get_mut().write_all(b"hello\n\"watch\"\n").await.unwrap();
    let refused = line::read(&mut raw, 1_000).await.unwrap().unwrap();
    let Response::Failed(failure) = protocol::decode(&refused).unwrap() else {
        panic!("expected a failure")
    };
    assert_eq!(failure.code, "request-unreadable");
    assert!(failure.text.ends_with("expected value at line 1 column 1"), "{failure}");
    let watching = line::read(&mut raw, 1_000).await.unwrap().unwrap();
    assert_eq!(watching, b"\"watching\"");
}

#[tokio::test]
async fn a_request_that_is_nested_too_deep_is_refused_before_it_is_read() {
    let household = household();
    let mut raw = household.raw().await;
    let nested = [b"[".repeat(65), b"]".repeat(65), b"\n\"watch\"\n".to_vec()].concat();
    raw.get_mut().write_all(&nested).await.unwrap();
    let refused = line::read(&mut raw, 1_000).await.unwrap().unwrap();
    let Response::Failed(failure) = protocol::decode(&refused).unwrap() else {
        panic!("expected a failure")
    };
    assert_eq!(failure.code, "request-too-deep");
    assert_eq!(failure.text, "the request is nested deeper than 64 levels");
    assert_eq!(line::read(&mut raw, 1_000).await.unwrap().unwrap(), b"\"watching\"");
}

#[tokio::test]
async fn a_request_without_end_is_refused_at_its_limit() {
    let household = household();
    let mut raw = household.raw().await;
    let endless = vec![b'x'; API_REQUEST_BYTES_MAX + 1];
    raw.get_mut().write_all(&endless).await.unwrap();
    let refused = line::read(&mut raw, 1_000).await.unwrap().unwrap();
    let Response::Failed(failure) = protocol::decode(&refused).unwrap() else {
        panic!("expected a failure")
    };
    assert_eq!(failure.code, "request-too-large");
    assert!(line::read(&mut raw, 1_000).await.unwrap_or(None).is_none());
}

#[tokio::test]
async fn a_client_sends_no_request_that_the_node_would_refuse() {
    let household = household();
    let command = Command::Add {
        category: "x".repeat(API_REQUEST_BYTES_MAX),
        assignments: Vec::new(),
        wait: heirloom_core::command::Wait { level: Level::Local, timeout_ms: 0 },
    };
    let mut client = household.client().await;
    assert!(matches!(client.request(command).await, Err(ClientError::TooLarge { .. })));
    assert!(client.request(Command::Devices).await.is_ok());
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_replaced_by_a_failure() {
    let household = household();
    let mut client = household.client().await;
    let failure = Failure::from(client.request(Command::Digest).await.unwrap_err());
    assert_eq!(failure.code, protocol::ANSWER_TOO_LARGE);
    assert!(client.request(Command::Devices).await.is_ok());
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_a_freed_place_is_used() {
    let household = household();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut client = household.client().await;
        client.request(Command::Devices).await.unwrap();
        clients.push(client);
    }
    let mut late = household.client().await;
    let failure = Failure::from(late.request(Command::Devices).await.unwrap_err());
    assert_eq!(failure.code, "node-busy");
    clients.pop();
    loop {
        if household.client().await.request(Command::Devices).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_socket_is_the_owners_alone() {
    let household = household();
    let metadata = std::fs::metadata(socket::path(household.home()).unwrap()).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_stale_socket_is_absence_and_is_replaced_but_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = socket::path(folder.path()).unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(Client::connect(folder.path()).await.unwrap().is_none());
    let server = Server::bind(folder.path()).unwrap();
    assert!(matches!(Server::bind(folder.path()), Err(BindError::InUse { .. })));
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_deep_folder_gets_its_socket_elsewhere_and_both_sides_find_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("deep".repeat(30));
    std::fs::create_dir(&home).unwrap();
    let server = Server::bind(&home).unwrap();
    let socket = server.path().to_owned();
    assert!(!socket.starts_with(folder.path()));
    assert!(Client::connect(&home).await.unwrap().is_some());
    assert!(matches!(Server::bind(&home), Err(BindError::InUse { .. })));
    drop(server);
    let link = home.join(socket::NAME);
    assert!(!socket.exists() && link.symlink_metadata().is_err());
    std::fs::write(&link, "left over").unwrap();
    drop(Server::bind(&home).unwrap());
}

#[tokio::test]
async fn a_missing_folder_has_no_node_and_can_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    assert!(Client::connect(&missing).await.unwrap().is_none());
    assert!(matches!(Server::bind(&missing), Err(BindError::System { .. })));
}

#[tokio::test]
async fn watchers_leave_connections_for_commands() {
    let household = household();
    let mut watching = Vec::new();
    for _ in 0..WATCHERS_MAX {
        watching.push(household.client().await.watch().await.unwrap());
    }
    let refused = household.client().await.watch().await.unwrap_err();
    assert_eq!(Failure::from(refused).code, "too-many-watchers");
    assert!(household.client().await.request(Command::Devices).await.is_ok());
    watching.pop();
    while household.client().await.watch().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_watcher_hears_what_happened_before_the_node_stopped() {
    let household = household();
    let mut watcher = household.client().await.watch().await.unwrap();
    let mut waiting = household.client().await;
    let asked = tokio::spawn(async move { waiting.request(Command::Sync { timeout_ms: 1 }).await });
    for count in 1..=3 {
        household.events.send(protocol::skipped(count)).unwrap();
    }
    household.stop.send(()).unwrap();
    for count in 1..=3 {
        assert_eq!(watcher.next().await.unwrap(), Some(protocol::skipped(count)));
    }
    assert_eq!(watcher.next().await.unwrap(), None);
    household.served.await.unwrap();
    assert!(matches!(asked.await.unwrap(), Err(ClientError::Connection(_))));
    assert!(Client::connect(household.folder.path()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_does_not_read_holds_no_stop_up() {
    let household = household();
    let watcher = household.client().await.watch().await.unwrap();
    let event = |count: u64| Event::RecordsChanged {
        category: "x".repeat(60_000),
        ids: Vec::new(),
        by: None,
        by_name: String::new(),
        at: Some(count.to_string()),
    };
    for count in 0..40 {
        household.events.send(event(count)).unwrap();
        tokio::task::yield_now().await;
    }
    household.stop.send(()).unwrap();
    household.served.await.unwrap();
    drop(watcher);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_was_removed_is_made_again() {
    let household = household();
    let path = socket::path(household.home()).unwrap();
    for replaced in [false, true] {
        std::fs::remove_file(&path).unwrap();
        if replaced {
            std::fs::write(&path, "").unwrap();
        }
        tokio::time::sleep(2 * LOOK_PAUSE).await;
        household.client().await.request(Command::Devices).await.unwrap();
    }
    drop(household.stop);
    household.served.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test(start_paused = true)]
async fn a_long_command_is_waited_for_and_a_silent_node_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (commands, mut asked) = mpsc::channel::<(Command, CommandReply)>(4);
    let server = Server::bind(folder.path()).unwrap();
    let (events, _) = broadcast::channel(4);
    let forever = std::future::pending::<()>();
    tokio::spawn(server.serve(commands, move || events.subscribe(), forever));
    let node = tokio::spawn(async move {
        let (_, long) = asked.recv().await.unwrap();
        for _ in 0..3 {
            let (command, reply) = asked.recv().await.unwrap();
            assert_eq!(command, Command::Devices);
            reply.send(Ok(Answer::Devices { rows: Vec::new() })).unwrap();
        }
        long.send(Ok(Answer::Devices { rows: Vec::new() })).unwrap();
        asked
    });
    let mut client = Client::connect(folder.path()).await.unwrap().unwrap();
    client.request(Command::Status).await.unwrap();
    let held = node.await.unwrap();
    let error = client.request(Command::Status).await.unwrap_err();
    assert!(matches!(error, ClientError::Silent { .. }), "{error}");
    assert!(client.watch().await.is_err(), "its connection still waits for the answer");
    drop(held);
}
