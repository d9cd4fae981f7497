//! A process for one model: started, written to, read from, ended and reaped.
//!
//! Two threads of the host belong to it. One starts it, reads its messages and reaps it; it lives
//! as long as the process, because Linux sends the signal for the death of a parent when the thread
//! that started the process ends. The other one writes, so that no caller waits for a process that
//! doesn't read.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mynah_core::{BackendError, BackendErrorKind, Error, Result};

use super::death::Death;
use super::places::Processes;
use super::spawn::{last_words, spawn};
use super::table::{Next, Table, Unasked};
use crate::wire::frame::{self, FrameError, MAX_FROM_CHILD, MAX_TO_CHILD};
use crate::wire::{Figures, FromChild, Probed, ToChild, WireAbout};
use crate::{Confinement, IsolateError};

/// Maximum number of bytes that wait to be written to a process.
const MAX_UNWRITTEN: usize = 256 << 20;

/// Maximum number of progress messages of a load. An honest process sends about a hundred.
const MAX_PROGRESS: u32 = 1000;

/// Time that a process has to end after it closed its connection.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Time between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(2);

/// What a process tells while it loads its model.
#[derive(Debug)]
pub(super) enum Loading {
    Confined(Confinement),
    Progress(f32),
    Loaded(Box<WireAbout>),
    NotLoaded(Error),
    Probed(Probed),
    Died(Death),
}

/// The process of a model. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Process {
    shared: Arc<Shared>,
}

/// What both threads and the handle share.
#[derive(Debug)]
struct Shared {
    table: Table,
    socket: UnixStream,
    out: Mutex<Sender<Vec<u8>>>,
    unwritten: Arc<AtomicUsize>,
    figures: Mutex<Arc<Figures>>,
    /// Whether figures were asked for and have not arrived.
    wants_figures: AtomicBool,
    /// Whether the host ends the process.
    is_ending: AtomicBool,
}

impl Process {
    /// Starts a process that is to load the model in this file. What it tells while it loads comes
    /// through the channel.
    ///
    /// # Errors
    ///
    /// There are too many processes, or the system can't start one.
    pub(super) fn start(
        file: OwnedFd,
        processes: &Processes,
        backend: &'static str,
    ) -> Result<(Self, Receiver<Loading>)> {
        let place = processes.take()?;
        let (ours, theirs) = UnixStream::pair().map_err(not_started)?;
        let (out, frames) = mpsc::channel();
        let shared = Arc::new(Shared {
            table: Table::new(backend),
            socket: ours.try_clone().map_err(not_started)?,
            out: Mutex::new(out),
            unwritten: Arc::default(),
            figures: Mutex::default(),
            wants_figures: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
        });
        let process = Self {
            shared: Arc::clone(&shared),
        };
        let unwritten = Arc::clone(&shared.unwritten);
        let writes = ours.try_clone().map_err(not_started)?;
        thread("mynah-isolated-out", move || {
            write_all(writes, &frames, &unwritten);
        })?;
        let (loading, loads) = mpsc::channel();
        let (started, starts) = mpsc::sync_channel(1);
        thread("mynah-isolated", move || {
            let child = match spawn(theirs, file) {
                Ok(child) => child,
                Err(error) => {
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = started.send(Ok(()));
            let death = watch(child, ours, &shared, &loading);
            tracing::debug!(%death, "the process of a guest's model was reaped");
            shared.table.die(&death);
            let _ = loading.send(Loading::Died(death));
            drop(place);
        })?;
        let started = starts
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that starts it ended")));
        started.map_err(not_started)?;
        Ok((process, loads))
    }

    /// The requests without an answer.
    pub(super) fn table(&self) -> &Table {
        &self.shared.table
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// It is too large, or too much waits for a process that doesn't read.
    pub(super) fn send(&self, message: &ToChild) -> Result<()> {
        self.shared.send(message)
    }

    /// Sends a message that only helps the process. If it can't be sent, the process does not read,
    /// and is ended.
    pub(super) fn tell(&self, message: &ToChild) {
        self.shared.tell(message);
    }

    /// The last figures, and asks for newer ones.
    pub(super) fn figures(&self) -> Arc<Figures> {
        let shared = &self.shared;
        if shared.table.check().is_ok() && !shared.wants_figures.swap(true, Ordering::AcqRel) {
            self.tell(&ToChild::Figures);
        }
        let figures = self.shared.figures.lock();
        Arc::clone(&figures.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    fn send(&self, message: &ToChild) -> Result<()> {
        let refuse = |text: String| BackendError::new(BackendErrorKind::TooLarge, text).into();
        let frame = frame::frame(message, MAX_TO_CHILD).map_err(|error| {
            refuse(format!(
                "the request can't be passed to the process of this model: {error}. Shorten it"
            ))
        })?;
        let waiting = self.unwritten.fetch_add(frame.len(), Ordering::AcqRel);
        if waiting + frame.len() > MAX_UNWRITTEN {
            self.unwritten.fetch_sub(frame.len(), Ordering::AcqRel);
            return Err(refuse(format!(
                "{waiting} bytes of requests wait for the process of this model, which doesn't \
                 read them: try again later, or load the model again"
            )));
        }
        let out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // If the writer has ended, the process is ending, and the table answers.
        let _ = out.send(frame);
        Ok(())
    }

    fn tell(&self, message: &ToChild) {
        if self.send(message).is_err() {
            self.end();
        }
    }

    /// Ends the process: its reader finds the connection closed, and kills it.
    fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
        // It fails if the process has closed its side, which has the same effect.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Takes a message. `Err` if it answers nothing.
    fn take(&self, message: FromChild, loading: &mut LoadState<'_>) -> Result<(), Unasked> {
        let backend = self.table.backend();
        match message {
            FromChild::Started { request } => self.table.started(request),
            FromChild::Events {
                request,
                events,
                tokens,
            } => {
                if self.table.events(request, events, tokens)? == Next::More {
                    self.tell(&ToChild::More { request });
                }
                Ok(())
            }
            FromChild::Ended {
                request,
                end,
                figures,
            } => {
                self.set_figures(*figures);
                let end = end.map_err(|error| error.into_error(backend));
                self.table.ended(request, end)
            }
            FromChild::Figures(figures) => {
                self.set_figures(*figures);
                match self.wants_figures.swap(false, Ordering::AcqRel) {
                    true => Ok(()),
                    false => Err(Unasked),
                }
            }
            FromChild::Confined(confinement) => loading.tell(Loading::Confined(confinement)),
            FromChild::Progress(share) => loading.tell(Loading::Progress(share)),
            FromChild::Loaded(about) => loading.tell(Loading::Loaded(about)),
            FromChild::NotLoaded(error) => {
                loading.tell(Loading::NotLoaded(error.into_error(backend)))
            }
            FromChild::Probed(probed) => loading.tell(Loading::Probed(probed)),
        }
    }

    fn set_figures(&self, figures: Figures) {
        let mut place = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(figures);
    }
}

/// What a process may still tell of its load.
struct LoadState<'a> {
    to: &'a Sender<Loading>,
    is_confined: bool,
    progress: u32,
    is_over: bool,
}

impl LoadState<'_> {
    fn tell(&mut self, news: Loading) -> Result<(), Unasked> {
        let is_asked = match &news {
            Loading::Confined(_) => !std::mem::replace(&mut self.is_confined, true),
            Loading::Progress(_) => {
                self.progress += 1;
                self.is_confined && self.progress <= MAX_PROGRESS
            }
            Loading::Loaded(_) | Loading::NotLoaded(_) | Loading::Probed(_) => self.is_confined,
            Loading::Died(_) => true,
        };
        if self.is_over || !is_asked {
            return Err(Unasked);
        }
        self.is_over = matches!(
            news,
            Loading::Loaded(_) | Loading::NotLoaded(_) | Loading::Probed(_)
        );
        // If the caller has gone, the process ends.
        let _ = self.to.send(news);
        Ok(())
    }
}

/// Reads the messages of a process until it ends or breaks the rules. Returns how it ended, after
/// it was reaped.
fn watch(mut child: Child, from: UnixStream, shared: &Shared, loading: &Sender<Loading>) -> Death {
    let last_words = child.stderr.take().and_then(last_words);
    let broke = read_all(from, shared, loading);
    let death = match (broke, shared.is_ending.load(Ordering::Acquire)) {
        (_, true) => Some(Death::Unused),
        (Some(why), false) => Some(Death::Broke(why)),
        (None, false) => None,
    };
    shared.end();
    let death = match death {
        Some(death) => {
            reap(&mut child, Duration::ZERO);
            return death;
        }
        None => reap(&mut child, GRACE),
    };
    // Whatever the process started may still hold its stderr.
    let words = last_words.and_then(|words| words.recv_timeout(GRACE).ok());
    tracing::warn!(
        %death,
        last_words = words.as_deref(),
        "the process of a guest's model ended"
    );
    death
}

/// Waits for the end of a process, and ends it after a while. Returns how it ended.
fn reap(child: &mut Child, grace: Duration) -> Death {
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => return Death::of(status),
            Ok(None) => std::thread::sleep(LOOK),
            Err(_) => break,
        }
    }
    // It fails if the process has ended.
    let _ = child.kill();
    match child.wait() {
        Ok(status) => Death::of(status),
        Err(error) => Death::Ended(format!("in an unknown way ({error})")),
    }
}

/// Reads the messages of a process until the connection ends. Returns what was wrong, if something
/// was.
fn read_all(from: UnixStream, shared: &Shared, loading: &Sender<Loading>) -> Option<String> {
    let mut from = io::BufReader::new(from);
    let mut loading = LoadState {
        to: loading,
        is_confined: false,
        progress: 0,
        is_over: false,
    };
    loop {
        match frame::read(&mut from, MAX_FROM_CHILD) {
            Ok(message) => {
                if shared.take(message, &mut loading).is_err() {
                    return Some("a message that answers nothing".to_owned());
                }
            }
            Err(FrameError::Ended | FrameError::Broken(_)) => return None,
            Err(error @ (FrameError::TooLarge { .. } | FrameError::Unreadable(_))) => {
                return Some(error.to_string());
            }
        }
    }
}

/// Writes frames until the handle or the process ends.
fn write_all(mut to: UnixStream, frames: &Receiver<Vec<u8>>, unwritten: &AtomicUsize) {
    for frame in frames {
        let written = to.write_all(&frame);
        unwritten.fetch_sub(frame.len(), Ordering::AcqRel);
        if written.is_err() {
            return;
        }
    }
}

/// Tries what a confined process may do.
pub(crate) fn probe(processes: &Processes) -> Result<Probed, IsolateError> {
    let failed = |error: String| IsolateError::NoProcess(error);
    let file = super::loader::model_file(b"").map_err(|error| failed(error.to_string()))?;
    let (process, loads) =
        Process::start(file, processes, "").map_err(|error| failed(error.to_string()))?;
    process.tell(&ToChild::Probe);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match loads.recv_timeout(left) {
            Ok(Loading::Probed(probed)) => return Ok(probed),
            Ok(Loading::Confined(_) | Loading::Progress(_)) => {}
            Ok(Loading::Died(death)) => return Err(failed(death.to_string())),
            Ok(Loading::NotLoaded(error)) => return Err(failed(error.to_string())),
            Ok(Loading::Loaded(_)) | Err(_) => {
                return Err(failed("it did not answer".to_owned()));
            }
        }
    }
}

pub(super) fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop).map_err(Error::Thread)
}

fn not_started(error: io::Error) -> Error {
    BackendError::new(
        BackendErrorKind::Failed,
        format!("no process for the model: {error}. Raise the limits on processes and open files"),
    )
    .into()
}
