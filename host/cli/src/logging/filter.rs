//! The log filter: levels by module and class. It can be changed while the host runs.

use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use mynah_core::log::CONTENT;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// The filter in force and the handle that changes it.
#[derive(Debug)]
struct Control {
    handle: reload::Handle<EnvFilter, Registry>,
    content: bool,
    text: Mutex<String>,
}

static CONTROL: OnceLock<Control> = OnceLock::new();

/// Crates that log what a component reads and writes at the levels below `info`. That may be a
/// prompt or an answer.
const TELL_CONTENT: [&str; 3] = ["wasmtime_wasi", "wasmtime_wasi_io", "wasmtime_wasi_http"];

/// The filter in force, as it was given; empty before the log is started.
pub(crate) fn filter() -> String {
    CONTROL.get().map_or_else(String::new, |control| {
        let text = control.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
    })
}

/// Puts another filter in force. Content is shown only if the operator allowed it at the start.
///
/// # Errors
///
/// The text is not a valid filter; the old filter then stays in force.
pub(crate) fn set_filter(text: &str) -> Result<()> {
    let control = CONTROL.get().context("the log has not been started")?;
    let parsed = parse(text, control.content)?;
    // Held throughout, so that the stored text always matches the filter in force.
    let mut told = control.text.lock().unwrap_or_else(PoisonError::into_inner);
    let replaced = control.handle.reload(parsed);
    replaced.context("the log has ended")?;
    text.trim().clone_into(&mut told);
    // Crates that use `log` check this level first.
    log::set_max_level(log_level(LevelFilter::current()));
    Ok(())
}

/// Installs a filter that lets nothing through until [`set_filter`] is called.
pub(super) fn install(content: bool) -> Result<impl Filter<Registry> + Send + Sync + 'static> {
    let (chosen, handle) = reload::Layer::new(EnvFilter::new("off"));
    let control = Control {
        handle,
        content,
        text: Mutex::default(),
    };
    if CONTROL.set(control).is_err() {
        bail!("the log was started before");
    }
    let harmless = filter_fn(move |metadata| content || is_harmless(metadata));
    // Without a hint, `tracing` would evaluate this closure for every disabled event.
    Ok(chosen.and(harmless.with_max_level_hint(LevelFilter::TRACE)))
}

fn log_level(level: LevelFilter) -> log::LevelFilter {
    match level.into_level() {
        None => log::LevelFilter::Off,
        Some(Level::ERROR) => log::LevelFilter::Error,
        Some(Level::WARN) => log::LevelFilter::Warn,
        Some(Level::INFO) => log::LevelFilter::Info,
        Some(Level::DEBUG) => log::LevelFilter::Debug,
        Some(Level::TRACE) => log::LevelFilter::Trace,
    }
}

/// Whether an event of another crate cannot contain a prompt or an answer.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || {
        let module = metadata.target().split("::").next().unwrap_or_default();
        !TELL_CONTENT.contains(&module)
    }
}

/// Parses a filter. If `content` is set, content is shown unless the filter sets its level.
pub(super) fn parse(text: &str, content: bool) -> Result<EnvFilter> {
    let text = text.trim();
    let wrong = || {
        format!(
            "`{text}` is not a log filter: give a level (off, error, warn, info, debug, trace), or \
             levels of modules and classes, such as `warn,mynah::task=info,llama_cpp=debug`"
        )
    };
    if text.is_empty() {
        bail!(wrong());
    }
    // The error's text already includes its cause, so the cause is not chained.
    let parsed: Result<EnvFilter, _> = text.parse();
    let parsed = parsed.map_err(|error| anyhow!("{}: {error}", wrong()))?;
    if content && !text.contains(CONTENT) {
        let shown = format!("{CONTENT}=info");
        return Ok(parsed.add_directive(shown.parse()?));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::{Layer, SubscriberExt};

    use super::*;

    #[test]
    fn what_is_no_filter_is_refused_and_says_what_would_be() {
        for text in ["", "  ", "mynah=loud", "a=b=c"] {
            let told = format!("{:#}", parse(text, false).unwrap_err());
            assert!(told.contains("mynah::task=info"), "{told}");
        }
        for text in ["info", "warn,llama_cpp=off", "mynah::memory=debug", "OFF"] {
            parse(text, false).unwrap();
        }
    }

    /// A writer whose text the test reads.
    #[derive(Debug, Clone, Default)]
    struct Page(std::sync::Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_filter_changes_while_it_runs() {
        let page = Page::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer({
                let page = page.clone();
                move || page.clone()
            })
            .with_filter(install(false).unwrap());
        let say = |message: &str| {
            tracing::info!(target: "mynah::task", "task {message}");
            tracing::info!(target: "mynah::memory", "memory {message}");
            tracing::trace!(target: "wasmtime_wasi::p2", "guest {message}");
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            say("one");
            set_filter("mynah::task=info").unwrap();
            say("two");
            assert!(set_filter("a=loud").is_err());
            assert_eq!(filter(), "mynah::task=info");
            say("three");
            set_filter(" trace ").unwrap();
            assert_eq!(filter(), "trace");
            say("four");
            set_filter("off").unwrap();
            say("five");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let said: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once(": ").map(|(_, said)| said))
            .collect();
        let expected = ["task two", "task three", "task four", "memory four"];
        assert_eq!(said, expected, "{text}");
        assert!(install(false).is_err(), "once");
    }

    #[test]
    fn content_is_shown_where_it_is_wanted_unless_the_filter_names_it() {
        let shown = |text, content| parse(text, content).unwrap().to_string();
        assert!(shown("warn", true).contains("mynah::content=info"));
        assert!(!shown("warn", false).contains("content"));
        assert!(shown("mynah::content=off", true).contains("mynah::content=off"));
    }
}
