//! The side of the node that answers.

use crate::line::{self, ReadLineError};
use crate::protocol::{self, CONNECTIONS_MAX, RESPONSE_BYTES_MAX, Request, Response, WATCHERS_MAX};
use crate::socket::{self, Place};
use heirloom_base::limits::API_REQUEST_BYTES_MAX;
use heirloom_core::command::{Answer, Command, Event, Failure};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// Takes the answer to one command; dropping it says that the node stops.
pub type CommandReply = oneshot::Sender<Result<Answer, Failure>>;

/// Pause after a connection could not be accepted: out of descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often the socket is looked after while nobody calls.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Time that a program has to make room for one more line once the node stops.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Why the control socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another node answers on it.
    #[error("another node already listens on {path}")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The runtime folder belongs to somebody else or is open to others.
    #[error("the folder {folder} for the control socket is not this user's own")]
    ForeignFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("cannot open the control socket of {home}")]
    System {
        /// The data folder.
        home: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The bound control socket of one data folder.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    place: Place,
    /// What stands at its place, as it was made.
    identity: Option<Identity>,
}

/// The socket's file by device and number, and what a link in the data folder says.
type Identity = (u64, u64, Option<PathBuf>);

impl Server {
    /// Opens the control socket of `home`, readable by its owner only, in place of a stale one.
    ///
    /// The caller holds the folder's lock and runs inside a tokio runtime.
    ///
    /// # Errors
    /// When another node answers there or the system refuses.
    pub fn bind(home: &Path) -> Result<Self, BindError> {
        let system = |source| BindError::System { home: home.to_owned(), source };
        let place = socket::place(home).map_err(system)?;
        let folder = place.socket.parent().expect("a socket path ends in a file name").to_owned();
        if place.link.is_some() {
            prepare_folder(&folder).map_err(system)?;
            if !is_own(&folder).map_err(system)? {
                return Err(BindError::ForeignFolder { folder });
            }
        }
        let answers = |path: &Path| std::os::unix::net::UnixStream::connect(path).is_ok();
        if let Some(path) = [socket::path(home).ok(), Some(place.socket.clone())]
            .into_iter()
            .flatten()
            .find(|path| answers(path))
        {
            return Err(BindError::InUse { path });
        }
        let listener = listen(&place).map_err(system)?;
        let identity = identity(&place);
        Ok(Self { listener, place, identity })
    }

    /// Makes the socket again where somebody has removed it: a logout may
    /// clear the runtime folder.
    fn look_after(&mut self) {
        if self.identity.is_some() && identity(&self.place) == self.identity {
            return;
        }
        let folder = self.place.socket.parent().filter(|_| self.place.link.is_some());
        let made = folder.map_or(Ok(()), prepare_folder).and_then(|()| listen(&self.place));
        match made {
            Ok(listener) => {
                tracing::info!("the control socket was gone and is there again");
                self.listener = listener;
                self.identity = identity(&self.place);
            }
            Err(error) => tracing::warn!(%error, "the control socket is gone"),
        }
    }

    /// Returns the socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.socket
    }

    /// Serves requests until `stop` ends, and tells whoever watches what has
    /// happened until then; or until the future is dropped. Either removes the
    /// socket's file.
    ///
    /// Each command goes to `commands` with the way to answer it; `events`
    /// makes a subscription for each program that watches. A broken connection
    /// ends only itself.
    pub async fn serve<F>(
        mut self,
        commands: mpsc::Sender<(Command, CommandReply)>,
        events: F,
        stop: impl Future<Output = ()>,
    ) where
        F: Fn() -> broadcast::Receiver<Event> + Send + Sync + 'static,
    {
        let (stopping, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::select! {
            () = stop => {}
            () = self.accept(&mut connections, commands, Arc::new(events), stopped) => {}
        }
        drop((self, stopping));
        while connections.join_next().await.is_some() {}
    }

    async fn accept<F>(
        &mut self,
        connections: &mut JoinSet<()>,
        commands: mpsc::Sender<(Command, CommandReply)>,
        events: Arc<F>,
        stopped: watch::Receiver<()>,
    ) where
        F: Fn() -> broadcast::Receiver<Event> + Send + Sync + 'static,
    {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let watchers = Arc::new(Semaphore::new(WATCHERS_MAX));
        loop {
            let accepted = tokio::time::timeout(LOOK_PAUSE, self.listener.accept()).await;
            let stream = match accepted {
                Ok(Ok((stream, _))) => stream,
                Err(_) => {
                    self.look_after();
                    continue;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                refuse(stream);
                continue;
            };
            let (commands, events) = (commands.clone(), Arc::clone(&events));
            let (watchers, stopped) = (Arc::clone(&watchers), stopped.clone());
            connections.spawn(async move {
                let connection = Connection::new(stream, stopped);
                if let Err(error) = connection.serve(&commands, &*events, &watchers).await {
                    tracing::debug!(%error, "a control connection ended early");
                }
                drop(place);
            });
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for path in self.place.link.iter().chain([&self.place.socket]) {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!(%error, "the control socket was already gone");
            }
        }
    }
}

/// One program's connection.
struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// Closed when the server stops.
    stopped: watch::Receiver<()>,
}

impl Connection {
    fn new(stream: UnixStream, stopped: watch::Receiver<()>) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, stopped }
    }

    /// Answers one request after the other until the program goes or watches.
    async fn serve(
        mut self,
        commands: &mpsc::Sender<(Command, CommandReply)>,
        events: &(dyn Fn() -> broadcast::Receiver<Event> + Send + Sync),
        watchers: &Semaphore,
    ) -> io::Result<()> {
        loop {
            let line = tokio::select! {
                _ = self.stopped.changed() => return Ok(()),
                line = line::read(&mut self.reader, API_REQUEST_BYTES_MAX) => line,
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(()),
                Err(ReadLineError::Connection(error)) => return Err(error),
                Err(error @ ReadLineError::TooLong { .. }) => {
                    let failure = malformed("request-too-large", error.to_string());
                    return self.write(&Response::Failed(failure)).await;
                }
            };
            if heirloom_base::json::too_deep(&line).is_some() {
                let text = "the request is nested deeper than 64 levels".to_owned();
                self.write(&Response::Failed(malformed("request-too-deep", text))).await?;
                continue;
            }
            match protocol::decode(&line) {
                Ok(Request::Command(command)) => {
                    let response = tokio::select! {
                        _ = self.stopped.changed() => return Ok(()),
                        response = answer(commands, command) => response,
                    };
                    self.write(&response).await?;
                }
                Ok(Request::Watch) => {
                    let Ok(place) = watchers.try_acquire() else {
                        self.write(&Response::Failed(too_many_watch())).await?;
                        continue;
                    };
                    let ended = self.stream(events()).await;
                    drop(place);
                    return ended;
                }
                Err(error) => {
                    self.write(&Response::Failed(protocol::unreadable(&error))).await?;
                }
            }
        }
    }

    async fn write(&mut self, response: &Response) -> io::Result<()> {
        let line = protocol::encode(response).map_err(io::Error::other)?;
        if line.len() <= RESPONSE_BYTES_MAX {
            return self.send(&line).await;
        }
        let failure = protocol::refusal(
            protocol::ANSWER_TOO_LARGE,
            format!("an answer of {} bytes is too large for the control socket", line.len()),
            "Ask for fewer records at a time",
        );
        let line = protocol::encode(&Response::Failed(failure)).map_err(io::Error::other)?;
        self.send(&line).await
    }

    /// Sends a line; gives up on a program that does not read while the node
    /// stops.
    async fn send(&mut self, line: &[u8]) -> io::Result<()> {
        let mut sent = std::pin::pin!(self.writer.write_all(line));
        tokio::select! {
            biased;
            sent = &mut sent => sent,
            _ = self.stopped.changed() => match tokio::time::timeout(LAST_LINES, sent).await {
                Ok(sent) => sent,
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            },
        }
    }

    /// Writes events until the program or the node goes, and of a node that
    /// stops also those that happened before.
    async fn stream(mut self, mut events: broadcast::Receiver<Event>) -> io::Result<()> {
        self.write(&Response::Watching).await?;
        let mut unread = [0; 64];
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                read = self.reader.read(&mut unread) => match read? {
                    0 => return Ok(()),
                    _ => continue,
                },
                _ = self.stopped.changed() => break,
            };
            match event {
                Ok(event) => self.tell(&event).await?,
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    self.tell(&protocol::skipped(count)).await?;
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
        loop {
            match events.try_recv() {
                Ok(event) => self.tell(&event).await?,
                Err(broadcast::error::TryRecvError::Lagged(count)) => {
                    self.tell(&protocol::skipped(count)).await?;
                }
                Err(
                    broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed,
                ) => return Ok(()),
            }
        }
    }

    async fn tell(&mut self, event: &Event) -> io::Result<()> {
        let line = protocol::encode(event).map_err(io::Error::other)?;
        self.send(&line).await
    }
}

async fn answer(commands: &mpsc::Sender<(Command, CommandReply)>, command: Command) -> Response {
    let (reply, answered) = oneshot::channel();
    if commands.send((command, reply)).await.is_err() {
        return Response::Failed(stopping());
    }
    match answered.await {
        Ok(Ok(answer)) => Response::Answer(answer),
        Ok(Err(failure)) => Response::Failed(failure),
        Err(_) => Response::Failed(stopping()),
    }
}

fn too_many_watch() -> Failure {
    protocol::refusal(
        "too-many-watchers",
        format!("{WATCHERS_MAX} programs watch the node already"),
        "End one of them and try again",
    )
}

fn stopping() -> Failure {
    protocol::refusal(
        "node-stopping",
        "the node is stopping and did not answer".to_owned(),
        "Give the command again",
    )
}

fn malformed(code: &str, text: String) -> Failure {
    protocol::refusal(code, text, "Use the `heirloom` command of the node's version")
}

/// Tells one program too many that there is no place, without waiting for it.
fn refuse(stream: UnixStream) {
    let failure = protocol::refusal(
        "node-busy",
        format!("{CONNECTIONS_MAX} programs are connected to the node already"),
        "End one of them and try again",
    );
    match protocol::encode(&Response::Failed(failure)).map(|line| stream.try_write(&line)) {
        Ok(Ok(_)) => tracing::warn!("a control connection was refused: too many at one time"),
        Ok(Err(_)) | Err(_) => tracing::debug!("a refused control connection was gone already"),
    }
}

/// Opens a socket at its place.
fn listen(place: &Place) -> io::Result<UnixListener> {
    let listener = bind_private(&place.socket)?;
    if let Some(link) = &place.link {
        link_anew(&place.socket, link)?;
    }
    Ok(listener)
}

/// Returns what stands at a place now.
fn identity(place: &Place) -> Option<Identity> {
    let file = std::fs::symlink_metadata(&place.socket).ok()?;
    let link = place.link.as_ref().map(std::fs::read_link).transpose().ok()?;
    Some((file.dev(), file.ino(), link))
}

/// Binds under another name, takes all rights of others away, then renames:
/// nobody else can connect in between, and a stale socket is replaced.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Makes a link in place of whatever has its name.
fn link_anew(target: &Path, link: &Path) -> io::Result<()> {
    match std::fs::remove_file(link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::os::unix::fs::symlink(target, link)
}

fn prepare_folder(folder: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Returns whether a folder is this user's and closed to the writing of others.
fn is_own(folder: &Path) -> io::Result<bool> {
    let metadata = std::fs::symlink_metadata(folder)?;
    let user = rustix::process::getuid().as_raw();
    Ok(metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests;
