//! The side of the program that asks.

use crate::line::{self, ReadLineError};
use crate::protocol::{self, LineError, RESPONSE_BYTES_MAX, Request, Response};
use crate::socket;
use heirloom_base::limits::API_REQUEST_BYTES_MAX;
use heirloom_core::command::{Answer, Command, Event, Failure};
use std::io;
use std::path::Path;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Why a running node gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node answered that it cannot.
    #[error("{0}")]
    Failed(Failure),
    /// The request is larger than a node reads.
    #[error(
        "request of {bytes} bytes is larger than the {API_REQUEST_BYTES_MAX} that a node reads"
    )]
    TooLarge {
        /// The request's size.
        bytes: usize,
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
            ClientError::Form(_) => protocol::refusal(
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
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the node that runs for `home`; `None` when none does.
    ///
    /// # Errors
    /// When a socket is there that may not be opened.
    pub async fn connect(home: &Path) -> io::Result<Option<Self>> {
        let Ok(path) = socket::path(home) else { return Ok(None) };
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Some(Self { stream: BufReader::new(stream) })),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has a command carried out and returns the answer, however long it takes.
    ///
    /// # Errors
    /// When the node refuses it or the connection breaks.
    pub async fn request(&mut self, command: Command) -> Result<Answer, ClientError> {
        match self.exchange(&Request::Command(command)).await? {
            Response::Answer(answer) => Ok(answer),
            Response::Failed(failure) => Err(ClientError::Failed(failure)),
            Response::Watching => Err(unexpected()),
        }
    }

    /// Turns the connection into a stream of events.
    ///
    /// # Errors
    /// When the node refuses it or the connection breaks.
    pub async fn watch(mut self) -> Result<Events, ClientError> {
        match self.exchange(&Request::Watch).await? {
            Response::Watching => Ok(Events { stream: self.stream }),
            Response::Failed(failure) => Err(ClientError::Failed(failure)),
            Response::Answer(_) => Err(unexpected()),
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
            Ok(Some(line)) => Ok(protocol::decode(&line)?),
            Ok(None) => Err(ClientError::Connection(
                written.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            )),
            Err(ReadLineError::Connection(error)) => Err(ClientError::Connection(error)),
            Err(error @ ReadLineError::TooLong { .. }) => Err(error.into()),
        }
    }
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

fn unexpected() -> ClientError {
    ClientError::Connection(io::ErrorKind::InvalidData.into())
}
