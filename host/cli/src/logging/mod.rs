//! The host's log: what of it is shown, in which form, and where it goes. Stdout is the
//! component's; nothing here writes there.
//!
//! | file | subject |
//! |---|---|
//! | `settings` | what the operator wants, and who of them that say so wins |
//! | `filter` | what is shown: levels of modules and classes, also while it runs |
//! | `line` | the form of a line |
//! | `sink` | from whoever logs to whatever is written, without waiting; what is lost is counted and told |
//! | `file` | a file that grows old: rotation, and coming back when it has gone |

mod file;
mod filter;
mod line;
mod settings;
mod sink;

use std::io;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use file::LogWriter;
pub(crate) use filter::{filter, set_filter};
use line::Notice;
use settings::LogFile;
pub(crate) use settings::{LogSettings, wrong_filter};
use sink::{Destination, Sink};

/// What is written, until the end.
static SINKS: Mutex<Vec<Sink>> = Mutex::new(Vec::new());

/// The log, until it is dropped; then what waits is written, and what was lost is told.
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
/// A filter that is none, a file that can't be opened, or no thread to write with.
pub(crate) fn start(settings: &LogSettings) -> Result<Log> {
    mynah_engine::log::show_content(settings.content);
    let filter = filter::install(settings.content)?;
    let notice = Notice::new(settings.format, settings.timestamps);
    let file = match &settings.file {
        Some(wanted) => Some(open(wanted, notice)?),
        None => None,
    };
    let stderr = Sink::start(Stderr, notice).context("no thread to write the log with")?;
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
    set_filter(&settings.filter)?;
    tracing::debug!(filter = self::filter(), "the log begins");
    let mut sinks = lock();
    sinks.push(stderr);
    sinks.extend(file);
    Ok(Log(()))
}

/// Writes what waits, for as long as that may take, and tells what was lost. Nothing is written
/// after it.
pub(crate) fn finish() {
    // Taken out first: whoever calls this a second time has nothing to wait for.
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
    Sink::start(writer, notice).context("no thread to write the log file with")
}

/// Stderr, as it comes.
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
