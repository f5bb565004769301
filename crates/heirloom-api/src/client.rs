//! The side of the program that asks.

use crate::line::{self, ReadLineError};
use crate::protocol::{self, LineError, RESPONSE_BYTES_MAX, Request, Response};
use crate::socket;
use heirloom_base::limits::API_REQUEST_BYTES_MAX;
use heirloom_core::command::{Answer, Command, Event, Failure, Level, Wait};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// How long an answer is waited for before the node is asked whether it lives.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a busy node has for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// Why a running node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No node runs for the folder.
    #[error("no node runs for {}; start one with `heirloom up`", home.display())]
    NoNode {
        /// The data folder.
        home: PathBuf,
    },
    /// A node runs for the folder, but this user may not ask it.
    #[error("the node that runs for {} cannot be asked", home.display())]
    Closed {
        /// The data folder.
        home: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The node answered that it cannot.
    #[error("{} {}", .0.text, .0.fix)]
    Failed(Failure),
    /// The request is larger than a node reads.
    #[error(
        "request of {bytes} bytes is larger than the {API_REQUEST_BYTES_MAX} that a node reads"
    )]
    TooLarge {
        /// The request's size.
        bytes: usize,
    },
    /// A node runs and gives no sign of life.
    #[error("the node that runs for {} does not answer", home.display())]
    Silent {
        /// The data folder.
        home: PathBuf,
    },
    /// The connection broke before the answer came.
    #[error("the node ended the connection before it answered")]
    Connection(#[source] io::Error),
    /// The answer is longer than allowed.
    #[error("unreadable answer")]
    Line(#[from] ReadLineError),
    /// The answer is in no known form.
    #[error("unreadable answer")]
    Form(#[from] LineError),
    /// The answer belongs to another question.
    #[error("the node gave an answer of another kind")]
    Unexpected,
}

impl ClientError {
    /// Returns whether the node says that there is no such record.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.code == "not-found")
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Failed(failure) => failure,
            ClientError::TooLarge { .. } => {
                protocol::refusal("request-too-large", text, "Send less in one command")
            }
            ClientError::Connection(_) | ClientError::Line(_) => protocol::refusal(
                "node-connection-lost",
                text,
                "Look with `heirloom status` whether the node still runs, then try again",
            ),
            ClientError::NoNode { .. } => {
                protocol::refusal("no-node", text, "Start it with `heirloom up`")
            }
            ClientError::Closed { .. } => protocol::refusal(
                "node-refuses",
                text,
                "Give the command as the user who runs the node",
            ),
            ClientError::Silent { .. } => protocol::refusal(
                "node-silent",
                text,
                "Stop its process and start it again; whether it still does what it was asked is \
                 not known",
            ),
            ClientError::Form(_) | ClientError::Unexpected => protocol::refusal(
                "node-speaks-otherwise",
                text,
                "Restart the running node so that it has the version of this command",
            ),
        }
    }
}

/// A connection to the running node of a data folder.
#[derive(Debug)]
pub struct Client {
    home: PathBuf,
    stream: BufReader<UnixStream>,
    /// How far the writes of typed methods travel before they are answered.
    pub(crate) wait: Wait,
}

impl Client {
    /// Connects to the node that runs for `home`, as an app does that can do
    /// nothing without one. [`crate::home::usual`] says where that is.
    ///
    /// # Errors
    /// When no node runs or it may not be asked.
    pub async fn open(home: &Path) -> Result<Self, ClientError> {
        match Self::connect(home).await {
            Ok(Some(client)) => Ok(client),
            Ok(None) => Err(ClientError::NoNode { home: home.to_owned() }),
            Err(source) => Err(ClientError::Closed { home: home.to_owned(), source }),
        }
    }

    /// Has every later write wait until it is durable at a level, for a time
    /// at most. Without it, writes are answered when this device has them.
    pub fn wait_for(&mut self, level: Level, timeout: Duration) {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.wait = Wait { level, timeout_ms };
    }

    /// Connects to the node that runs for `home`; `None` when none does.
    ///
    /// # Errors
    /// When a socket is there that may not be opened, or on which a user
    /// answers whose business the folder is not.
    pub async fn connect(home: &Path) -> io::Result<Option<Self>> {
        let Ok(path) = socket::path(home) else { return Ok(None) };
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let user = stream.peer_cred()?.uid();
        if !socket::may_answer(user, home)? {
            let text = format!("user {user} answers on the control socket of another's folder");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        let (home, stream) = (home.to_owned(), BufReader::new(stream));
        Ok(Some(Self { home, stream, wait: Wait::default() }))
    }

    /// Has a command carried out and returns the answer, however long it takes,
    /// as long as the node gives a sign of life.
    ///
    /// # Errors
    /// When the node refuses it or the connection breaks.
    pub async fn request(&mut self, command: Command) -> Result<Answer, ClientError> {
        match self.patient(&Request::Command(command)).await? {
            Response::Answer(answer) => Ok(answer),
            Response::Failed(failure) => Err(ClientError::Failed(failure)),
            Response::Watching => Err(ClientError::Unexpected),
        }
    }

    /// Turns the connection into a stream of events.
    ///
    /// # Errors
    /// When the node refuses it or the connection breaks.
    pub async fn watch(mut self) -> Result<Events, ClientError> {
        match self.patient(&Request::Watch).await? {
            Response::Watching => Ok(Events { stream: self.stream }),
            Response::Failed(failure) => Err(ClientError::Failed(failure)),
            Response::Answer(_) => Err(ClientError::Unexpected),
        }
    }

    /// Exchanges, and asks now and then beside it whether the node still lives.
    async fn patient(&mut self, request: &Request) -> Result<Response, ClientError> {
        let home = self.home.clone();
        let mut exchange = std::pin::pin!(self.exchange(request));
        loop {
            if let Ok(answered) = tokio::time::timeout(PATIENCE, &mut exchange).await {
                return answered;
            }
            let alive = tokio::time::timeout(SIGN_OF_LIFE, is_alive(&home));
            tokio::select! {
                answered = &mut exchange => return answered,
                alive = alive => match alive {
                    Ok(true) => {}
                    Ok(false) | Err(_) => return Err(ClientError::Silent { home }),
                },
            }
        }
    }

    async fn exchange(&mut self, request: &Request) -> Result<Response, ClientError> {
        let bytes = protocol::encode(request)?;
        if bytes.len() > API_REQUEST_BYTES_MAX {
            return Err(ClientError::TooLarge { bytes: bytes.len() });
        }
        // A node that refuses the connection answers and closes before it reads: its
        // answer counts more than the broken pipe.
        let written = self.stream.get_mut().write_all(&bytes).await;
        match line::read(&mut self.stream, RESPONSE_BYTES_MAX).await {
            Ok(Some(line)) => Ok(protocol::decode_response(&line)?),
            Ok(None) => Err(ClientError::Connection(
                written.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            )),
            Err(ReadLineError::Connection(error)) => Err(ClientError::Connection(error)),
            Err(error @ ReadLineError::TooLong { .. }) => Err(error.into()),
        }
    }
}

/// Returns whether a node answers what costs it next to nothing.
async fn is_alive(home: &Path) -> bool {
    let Ok(Some(mut client)) = Client::connect(home).await else { return false };
    client.exchange(&Request::Command(Command::Devices)).await.is_ok()
}

/// The events of a running node.
#[derive(Debug)]
pub struct Events {
    stream: BufReader<UnixStream>,
}

impl Events {
    /// Returns the next event; `None` when the node has stopped.
    ///
    /// # Errors
    /// When the connection breaks or a line is not an event.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        match line::read(&mut self.stream, RESPONSE_BYTES_MAX).await? {
            Some(line) => Ok(Some(protocol::decode(&line)?)),
            None => Ok(None),
        }
    }
}

/// Returns whether the error says that nobody listens: no socket, or a stale one.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
    )
}
