//! The host's log: its filter, format and destinations. Stdout belongs to the component; the log
//! never writes there.
//!
//! | file | subject |
//! |---|---|
//! | `settings` | the operator's settings, and which source wins |
//! | `filter` | levels by module and class, changeable while the host runs |
//! | `targets` | the modules and classes that a filter can name |
//! | `line` | the format of a line |
//! | `sink` | a bounded queue and a writing thread; logging never blocks, and lost lines are counted |
//! | `file` | a log file with rotation |

mod file;
mod filter;
mod line;
mod settings;
mod sink;
mod targets;

use std::io;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use file::LogWriter;
pub(crate) use filter::{LogFilter, filter, set_filter};
use line::Notice;
use settings::LogFile;
pub(crate) use settings::{LogSettings, wrong_filter};
use sink::{Destination, Sink};

/// The open sinks, until [`finish`] takes them.
static SINKS: Mutex<Vec<Sink>> = Mutex::new(Vec::new());

/// The running log. Dropping it writes the queued lines and reports the number of lost ones.
#[derive(Debug)]
#[must_use = "what waits is written when it is dropped"]
pub(crate) struct Log(());

impl Drop for Log {
    fn drop(&mut self) {
        finish();
    }
}

/// Starts the log.
///
/// # Errors
///
/// The filter is invalid, the file cannot be opened, or a thread cannot be started.
pub(crate) fn start(settings: &LogSettings) -> Result<Log> {
    mynah_core::log::show_content(settings.content);
    let filter = filter::install(settings.content)?;
    let notice = Notice::new(settings.format, settings.timestamps);
    let file = match &settings.file {
        Some(wanted) => Some(open(wanted, notice)?),
        None => None,
    };
    let stderr =
        Sink::start(Stderr, notice).context("the thread that writes the log can't be started")?;
    let mut layers = vec![line::layer(
        settings,
        stderr.writer(),
        settings.has_colors(),
    )];
    if let Some(file) = &file {
        layers.push(line::layer(settings, file.writer(), false));
    }
    tracing_subscriber::registry()
        .with(layers.with_filter(filter))
        .init();
    set_filter(settings.filter.clone())?;
    tracing::debug!(filter = self::filter(), "the log begins");
    let mut sinks = lock();
    sinks.push(stderr);
    sinks.extend(file);
    Ok(Log(()))
}

/// Writes the queued lines within a time limit, and reports the number of lost ones. Nothing is
/// logged afterwards.
pub(crate) fn finish() {
    // Taken out first, so that a second call returns at once.
    let sinks = std::mem::take(&mut *lock());
    for sink in sinks {
        sink.finish();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Vec<Sink>> {
    SINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(wanted: &LogFile, notice: Notice) -> Result<Sink> {
    let writer = LogWriter::open(wanted).with_context(|| {
        format!(
            "the log file {} can't be written: give one in a folder that is there (--log-file)",
            wanted.path.display()
        )
    })?;
    Sink::start(writer, notice).context("the thread that writes the log file can't be started")
}

/// Writes to stderr directly.
#[derive(Debug)]
struct Stderr;

impl Destination for Stderr {
    const IS_STDERR: bool = true;

    fn name(&self) -> String {
        "stderr".to_owned()
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut io::stderr().lock(), line)
    }
}
