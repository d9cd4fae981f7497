//! The log filter: levels by module and class. It can be changed while the host runs.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail};
use mynah_core::log::CONTENT;
use mynah_settings::{LogLevel, closest};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::{Registry, reload};

use super::targets::{self, LLAMA_CPP};

/// Which lines are logged: the level of each target that is named, and that of the rest.
///
/// llama.cpp writes far more lines than the host. They are left out unless the filter names
/// [`LLAMA_CPP`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFilter {
    rest: LevelFilter,
    targets: BTreeMap<String, LevelFilter>,
}

impl Default for LogFilter {
    /// Warnings and errors of the host. llama.cpp's errors reach the user through the error of the
    /// failed operation.
    fn default() -> Self {
        Self {
            rest: LevelFilter::WARN,
            targets: BTreeMap::from([(LLAMA_CPP.to_owned(), LevelFilter::OFF)]),
        }
    }
}

impl FromStr for LogFilter {
    type Err = String;

    /// Parses a level, or a list of `TARGET=LEVEL` that may have a level for the rest. A target
    /// without a level has all its lines. Of two levels for the same lines the last one counts.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rest = LevelFilter::OFF;
        let mut targets = BTreeMap::new();
        let parts = text.split(',').map(str::trim);
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return Err(format!("it is empty: {FORM}"));
        }
        for part in parts {
            match part.split_once('=') {
                Some((target, level)) => {
                    let target = target.trim();
                    targets::check(target)?;
                    targets.insert(target.to_owned(), level_of(level.trim())?);
                }
                None => match level_of(part) {
                    Ok(level) => rest = level,
                    Err(_) if targets::check(part).is_ok() => {
                        targets.insert(part.to_owned(), LevelFilter::TRACE);
                    }
                    Err(told) if part.contains("::") => {
                        return Err(targets::check(part).err().unwrap_or(told));
                    }
                    Err(told) => return Err(told),
                },
            }
        }
        if rest != LevelFilter::OFF && !targets.keys().any(|target| target.starts_with(LLAMA_CPP)) {
            targets.insert(LLAMA_CPP.to_owned(), LevelFilter::OFF);
        }
        Ok(Self { rest, targets })
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = (self.rest != LevelFilter::OFF || self.targets.is_empty()).then_some(self.rest);
        let rest = rest.map(|level| level.to_string());
        let targets = self.targets.iter();
        let targets = targets.map(|(target, level)| format!("{target}={level}"));
        let all: Vec<String> = rest.into_iter().chain(targets).collect();
        f.write_str(&all.join(","))
    }
}

impl LogFilter {
    /// This filter, with content unless it sets the level of content itself.
    fn with_content(mut self) -> Self {
        let content = self.targets.entry(CONTENT.to_owned());
        content.or_insert(LevelFilter::INFO);
        self
    }

    fn targets(&self) -> Targets {
        let targets = self.targets.iter();
        let targets = targets.map(|(target, level)| (target.clone(), *level));
        Targets::new().with_targets(targets).with_default(self.rest)
    }
}

/// The form of a filter, for messages.
const FORM: &str = "give a level (off, error, warn, info, debug, trace), or levels of modules and \
    classes, such as `warn,mynah::task=info,llama_cpp=debug`";

/// Parses a level, in any case.
fn level_of(text: &str) -> Result<LevelFilter, String> {
    let names = LogLevel::ALL.map(LogLevel::name);
    let is_name = names.iter().any(|name| name.eq_ignore_ascii_case(text));
    if let (true, Ok(level)) = (is_name, text.parse()) {
        return Ok(level);
    }
    let known = names
        .into_iter()
        .chain(targets::CLASSES)
        .collect::<Vec<_>>();
    Err(match closest(text, &known) {
        Some(close) => format!("`{text}` is no level: did you mean `{close}`?"),
        None => format!("`{text}` is no level: {FORM}"),
    })
}

/// The filter in force and the handle that changes it.
#[derive(Debug)]
struct Control {
    handle: reload::Handle<Targets, Registry>,
    content: bool,
    text: Mutex<String>,
}

static CONTROL: OnceLock<Control> = OnceLock::new();

/// Crates that log what a component reads and writes at the levels below `info`. That may be a
/// prompt or an answer.
const TELL_CONTENT: [&str; 3] = ["wasmtime_wasi", "wasmtime_wasi_io", "wasmtime_wasi_http"];

/// The filter in force; empty before the log is started.
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
/// The log has not been started, or has ended.
pub(crate) fn set_filter(wanted: LogFilter) -> Result<()> {
    let control = CONTROL.get().context("the log has not been started")?;
    let wanted = if control.content {
        wanted.with_content()
    } else {
        wanted
    };
    // Held throughout, so that the stored text always matches the filter in force.
    let mut told = control.text.lock().unwrap_or_else(PoisonError::into_inner);
    let replaced = control.handle.reload(wanted.targets());
    replaced.context("the log has ended")?;
    *told = wanted.to_string();
    // Crates that use `log` check this level first.
    log::set_max_level(log_level(LevelFilter::current()));
    Ok(())
}

/// Installs a filter that lets nothing through until [`set_filter`] is called.
pub(super) fn install(content: bool) -> Result<impl Filter<Registry> + Send + Sync + 'static> {
    let (chosen, handle) = reload::Layer::new(Targets::new());
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

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::{Layer, SubscriberExt};

    use super::*;

    fn parse(text: &str) -> Result<LogFilter, String> {
        text.parse()
    }

    fn shown(text: &str) -> String {
        parse(text).unwrap().to_string()
    }

    /// Newcomer 4.
    #[test]
    fn a_slip_in_a_filter_is_refused_with_what_was_meant() {
        for (text, words) in [
            ("", "mynah::task=info"),
            (" , ", "mynah::task=info"),
            ("vrbose", "`vrbose` is no level: give a level (off, error"),
            ("infoo", "did you mean `info`?"),
            ("warm,mynah::task=info", "did you mean `warn`?"),
            (
                "llama_cpp=infoo",
                "`infoo` is no level: did you mean `info`?",
            ),
            ("mynah=", "`` is no level"),
            ("mynah::tsak=debug", "did you mean `mynah::task`?"),
            ("info,mynah::tsak", "did you mean `mynah::task`?"),
            ("mynah_engin=debug", "did you mean `mynah_engine`?"),
            ("=debug", "nothing is logged as ``"),
            ("a=b=c", "nothing is logged as `a`"),
            ("mynah=info=debug", "`info=debug` is no level"),
            ("[span]=info", "nothing is logged as `[span]`"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(words), "`{words}` in: {told}");
        }
    }

    /// Newcomer 4, as a property: each slip of one letter in a known word is refused or is another
    /// word that is known.
    #[test]
    fn no_slip_of_one_letter_gives_a_filter_that_shows_nothing() {
        for word in [
            "info",
            "warn",
            "mynah::task",
            "mynah_engine::model",
            "llama_cpp",
        ] {
            let letters: Vec<char> = word.chars().collect();
            let slips = (0..letters.len()).flat_map(|at| {
                let (mut left_out, mut twice, mut other) =
                    (letters.clone(), letters.clone(), letters.clone());
                left_out.remove(at);
                twice.insert(at, letters[at]);
                other[at] = 'x';
                [left_out, twice, other]
            });
            for slip in slips.map(String::from_iter) {
                for text in [
                    slip.clone(),
                    format!("{slip}=debug"),
                    format!("mynah={slip}"),
                ] {
                    assert!(parse(&text).is_err(), "{text}");
                }
            }
        }
    }

    /// Newcomer 5.
    #[test]
    fn lines_of_llama_cpp_are_shown_only_if_the_filter_names_it() {
        for (text, in_force) in [
            ("info", "info,llama_cpp=off"),
            ("TRACE", "trace,llama_cpp=off"),
            ("off", "off"),
            (
                " warn , mynah::memory=debug,",
                "warn,llama_cpp=off,mynah::memory=debug",
            ),
            ("mynah::task=info", "mynah::task=info"),
            ("mynah::task", "mynah::task=trace"),
            ("info,llama_cpp=info", "info,llama_cpp=info"),
            ("info,llama_cpp", "info,llama_cpp=trace"),
            (
                "info,warn,mynah=info,mynah=debug",
                "warn,llama_cpp=off,mynah=debug",
            ),
        ] {
            assert_eq!(shown(text), in_force, "{text}");
            assert_eq!(shown(in_force), in_force, "what is shown can be given");
        }
        assert_eq!(LogFilter::default(), parse("warn").unwrap());
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
    fn the_filter_changes_while_it_runs_and_never_shows_what_a_guest_writes() {
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
            tracing::info!(target: "llama_cpp", "llama {message}");
            tracing::info!(target: "wasmtime_wasi::p2", "guest info {message}");
            tracing::debug!(target: "wasmtime_wasi::p2", "guest debug {message}");
            tracing::debug!(target: "wasmtime_wasi_io", "guest io {message}");
            tracing::trace!(target: "wasmtime_wasi_http::body", "guest http {message}");
        };
        let set_filter = |text: &str| set_filter(text.parse().unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            say("one");
            set_filter("mynah::task=info").unwrap();
            say("two");
            assert_eq!(filter(), "mynah::task=info");
            set_filter(" trace ").unwrap();
            assert_eq!(filter(), "trace,llama_cpp=off");
            say("three");
            set_filter("trace,llama_cpp=info").unwrap();
            say("four");
            set_filter("off").unwrap();
            say("five");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let said: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once(": ").map(|(_, said)| said))
            .collect();
        let expected = [
            "task two",
            "task three",
            "memory three",
            "guest info three",
            "task four",
            "memory four",
            "llama four",
            "guest info four",
        ];
        assert_eq!(said, expected, "{text}");
        assert!(install(false).is_err(), "once");
    }

    #[test]
    fn content_is_shown_where_it_is_wanted_unless_the_filter_names_it() {
        let with_content = |text| parse(text).unwrap().with_content().to_string();
        assert!(with_content("warn").contains("mynah::content=info"));
        assert!(!shown("warn").contains("content"));
        assert!(with_content("mynah::content=off").contains("mynah::content=off"));
    }
}
