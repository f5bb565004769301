//! One life of the sync stream with a member: frames in both directions, pings
//! below them, and the end.
//!
//! On the wire a frame is a `u32` length and that many bytes. Length 0 is
//! followed by one byte: a ping or its answer. The side that opened the stream
//! asks; both sides take any byte of the connection, not only of this stream,
//! for a sign of life, so that a long transfer beside it never looks like
//! death.

use crate::config::Timing;
use crate::counters::Tally;
use crate::event::{Delivery, NetworkEvent};
use crate::framed::{self, LENGTH_SIZE};
use crate::limits::{FRAME_US, FRAMES_AT_ONCE_MAX};
use crate::link::{Link, Queued};
use crate::meter::Pulse;
use crate::opened::{LiveStream, Opened};
use crate::pace::Pace;
use futures::io::{BufReader, BufWriter, ReadHalf, WriteHalf};
use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use heirloom_base::DeviceId;
use heirloom_base::limits::FRAME_BYTES_MAX;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Asks for a sign of life.
const PING: u8 = 0;
/// Gives a sign of life.
const PONG: u8 = 1;
/// Pings and answers that wait: one is asked at a time, and a peer that asks more often than it
/// is answered is slowed down.
const SIGNS_MAX: usize = 2;
/// How much longer a peer that can be heard may take to answer: a slow link is
/// full of what was sent before.
const LIVELY: u32 = 3;
/// Bytes gathered before the stream is asked to take them.
const BUFFER_BYTES: usize = 64 * 1024;

/// How often, and after how many bytes, the host is told that a frame is coming.
const COMING_EVERY: Duration = Duration::from_secs(1);
const COMING_BYTES: usize = 1024;

/// How a session is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Not now.
    Run,
    /// Now; what has arrived is still delivered.
    Replace,
    /// After what is queued was sent.
    Leave,
    /// Now, and nothing more is delivered.
    Cut,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The stream or its connection ended, or this side ended it.
    Over,
    /// The other side gave no sign of life.
    Dead,
    /// The other side broke the rules.
    Broken,
}

/// One life of the sync stream.
pub(crate) struct Session {
    pub(crate) device: DeviceId,
    pub(crate) opener: bool,
    pub(crate) opened: Opened,
    pub(crate) timing: Timing,
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    pub(crate) stop: watch::Receiver<Stop>,
    /// Changes when a sign of life is to be asked for at once.
    pub(crate) life: watch::Receiver<u64>,
}

impl Session {
    /// Runs until the stream ends, somebody stops it or the peer is dead.
    pub(crate) async fn run(self) -> End {
        let (outgoing, frames) = Link::outgoing();
        let (incoming, inbox) = Link::incoming();
        if self.deliveries.send(Delivery::Up(self.device, outgoing)).await.is_err() {
            return End::Over;
        }
        let deliver = deliver(inbox, self.device, self.deliveries.clone(), self.stop.clone());
        let (device, deliveries) = (self.device, self.deliveries.clone());
        let (end, ()) = tokio::join!(self.talk(frames, incoming), deliver);
        if deliveries.send(Delivery::Down(device)).await.is_err() {
            tracing::debug!(%device, "the host is gone");
        }
        end
    }

    /// Reads and writes at the same time. Ends `incoming` when it returns.
    async fn talk(self, frames: mpsc::Receiver<Queued>, incoming: Link) -> End {
        let (signs, waiting) = mpsc::channel(SIGNS_MAX);
        let coming = Coming { device: self.device, deliveries: self.deliveries.clone() };
        let Opened { stream, tally, pulse, slot: _slot } = self.opened;
        let (answer, answers) = watch::channel(0);
        let (reader, writer) = stream.split();
        let mut stop = self.stop.clone();
        tokio::select! {
            end = read(reader, &tally, &incoming, &coming, (&signs, &answer)) => end,
            end = write(writer, &tally, frames, waiting, self.stop.clone()) => end,
            end = watch_life(&pulse, self.opener, self.timing, &signs) => end,
            end = doubt_life(&pulse, self.life, self.timing, &signs, answers) => end,
            () = told(&mut stop, &[Stop::Replace, Stop::Cut]) => End::Over,
        }
    }
}

/// Waits until the session is told to end in one of these ways.
async fn told(stop: &mut watch::Receiver<Stop>, ways: &[Stop]) {
    if stop.wait_for(|stop| ways.contains(stop)).await.is_err() {
        // Whoever could have told has gone; the stream breaks by itself.
        pending::<()>().await;
    }
}

/// Hands what has arrived to the host.
async fn deliver(
    mut inbox: mpsc::Receiver<Queued>,
    device: DeviceId,
    deliveries: mpsc::Sender<Delivery>,
    mut stop: watch::Receiver<Stop>,
) {
    let hand_over = async {
        while let Some(Queued { bytes, .. }) = inbox.recv().await {
            let frame = Delivery::Event(NetworkEvent::Frame { device, bytes });
            if deliveries.send(frame).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = hand_over => {}
        () = told(&mut stop, &[Stop::Leave, Stop::Cut]) => {}
    }
}

/// Tells the host now and then that a frame is on its way, which on a slow link
/// takes long.
struct Coming {
    device: DeviceId,
    deliveries: mpsc::Sender<Delivery>,
}

impl Coming {
    /// Reads all of `bytes`.
    async fn read(
        &self,
        reader: &mut (impl AsyncRead + Unpin),
        bytes: &mut [u8],
    ) -> io::Result<()> {
        let (mut filled, mut told, mut told_at) = (0, 0, Instant::now());
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
            if filled - told >= COMING_BYTES && told_at.elapsed() >= COMING_EVERY {
                (told, told_at) = (filled, Instant::now());
                let coming = NetworkEvent::Coming { device: self.device };
                // A host that has not looked yet need not be told again.
                if self.deliveries.try_send(Delivery::Event(coming)).is_err() {
                    tracing::trace!("the host is busy");
                }
            }
        }
        Ok(())
    }
}

async fn read(
    reader: ReadHalf<LiveStream>,
    tally: &Tally,
    incoming: &Link,
    coming: &Coming,
    (signs, answer): (&mpsc::Sender<u8>, &watch::Sender<u64>),
) -> End {
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
    let mut pace = Pace::new(FRAMES_AT_ONCE_MAX, Duration::from_micros(FRAME_US));
    loop {
        pace.wait().await;
        let Ok(Some(length)) = framed::read_length(&mut reader).await else {
            return End::Over;
        };
        if length > FRAME_BYTES_MAX {
            tracing::debug!(length, "a member sent too long a frame");
            return End::Broken;
        }
        let mut bytes = vec![0; length.max(1)];
        if coming.read(&mut reader, &mut bytes).await.is_err() {
            return End::Over;
        }
        tally.received(LENGTH_SIZE + bytes.len());
        let passed_on = match (length, bytes.first()) {
            (0, Some(&PING)) => signs.send(PONG).await.is_ok(),
            (0, Some(&PONG)) => {
                answer.send_modify(|answers| *answers = answers.wrapping_add(1));
                true
            }
            (0, _) => return End::Broken,
            _ => incoming.push(bytes).await.is_ok(),
        };
        if !passed_on {
            return End::Over;
        }
    }
}

/// Writes until the stream breaks or, told to leave, the queue is empty.
async fn write(
    writer: WriteHalf<LiveStream>,
    tally: &Tally,
    mut frames: mpsc::Receiver<Queued>,
    mut signs: mpsc::Receiver<u8>,
    mut stop: watch::Receiver<Stop>,
) -> End {
    let mut writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
    let mut leaving = false;
    loop {
        let written = tokio::select! {
            biased;
            Some(sign) = signs.recv() => write_sign(&mut writer, sign, tally).await,
            frame = frames.recv() => match frame {
                Some(frame) => framed::write_frame(&mut writer, &frame.bytes, tally).await,
                None => break,
            },
            () = told(&mut stop, &[Stop::Leave]), if !leaving => {
                leaving = true;
                frames.close();
                Ok(())
            }
        };
        let idle = frames.is_empty() && signs.is_empty();
        if written.is_err() || (idle && writer.flush().await.is_err()) {
            return End::Over;
        }
    }
    if let Err(error) = writer.close().await {
        tracing::debug!(%error, "the sync stream broke at its end");
    }
    End::Over
}

async fn write_sign(
    writer: &mut BufWriter<WriteHalf<LiveStream>>,
    sign: u8,
    tally: &Tally,
) -> io::Result<()> {
    writer.write_all(&[0, 0, 0, 0, sign]).await?;
    tally.sent(LENGTH_SIZE + 1);
    Ok(())
}

/// Ends when the peer gives no sign of life. The side that opened the stream
/// asks for one every `ping`, whatever else travels; the other side hears that.
async fn watch_life(pulse: &Pulse, opener: bool, timing: Timing, signs: &mpsc::Sender<u8>) -> End {
    let begin = Instant::now();
    let heard = || pulse.heard().unwrap_or(begin).max(begin);
    loop {
        let alive = if opener {
            sleep(timing.ping).await;
            let asked = Instant::now();
            if signs.send(PING).await.is_err() {
                return End::Over;
            }
            sleep_until(asked + timing.ping_timeout).await;
            // The meters count whole milliseconds.
            heard() + Duration::from_millis(1) >= asked
        } else {
            // A question comes at least every `ping` and an answer's time.
            let silence_max = timing.ping + 3 * timing.ping_timeout;
            sleep_until(heard() + silence_max).await;
            heard() + silence_max > Instant::now()
        };
        if !alive {
            tracing::info!("a connection gave no sign of life");
            return End::Dead;
        }
    }
}

/// Ends when the peer does not answer after this side came to doubt it. Either
/// side may ask; both answer. Other bytes show only that the peer can be heard,
/// so they give it more time, no more: what this side sends may be lost.
async fn doubt_life(
    pulse: &Pulse,
    mut doubts: watch::Receiver<u64>,
    timing: Timing,
    signs: &mpsc::Sender<u8>,
    mut answers: watch::Receiver<u64>,
) -> End {
    while doubts.changed().await.is_ok() {
        let asked = Instant::now();
        answers.mark_unchanged();
        // A writer that is stuck takes no question either.
        if let Ok(Err(_)) = timeout_at(asked + timing.life, signs.send(PING)).await {
            return End::Over;
        }
        // The meters count whole milliseconds.
        let is_heard = || pulse.heard().is_some_and(|at| at + Duration::from_millis(1) >= asked);
        let mut answered = timeout_at(asked + timing.life, answers.changed()).await.is_ok();
        if !answered && is_heard() {
            let until = asked + LIVELY * timing.life;
            answered = timeout_at(until, answers.changed()).await.is_ok();
        }
        if !answered {
            tracing::info!("a connection that was in doubt gave no sign of life");
            return End::Dead;
        }
    }
    // Nobody is left to doubt.
    pending().await
}
