//! The terminal: takes it over, draws in it, and restores it however the program ends.

use std::io::{self, Stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};

/// The terminal in raw mode and on the alternate screen. It is restored on drop, on a panic and on
/// a signal.
#[derive(Debug)]
pub(super) struct Screen {
    // `None` only during drop.
    terminal: Terminal<CrosstermBackend<Stdout>>,
    told: Arc<AtomicUsize>,
}

impl Screen {
    pub(super) fn take() -> Result<Self> {
        let told = Arc::new(AtomicUsize::new(0));
        // Before the terminal is changed: from now on a signal only takes effect after the terminal
        // is restored.
        watch_signals(&told)?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
        }));
        let taken = enable_raw_mode().and_then(|()| {
            execute!(io::stdout(), EnterAlternateScreen)?;
            Terminal::new(CrosstermBackend::new(io::stdout()))
        });
        match taken {
            Ok(terminal) => Ok(Self { terminal, told }),
            Err(error) => {
                give_back();
                Err(error)
                    .context("drawing in this terminal failed: `mynah status` shows the same once")
            }
        }
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        // `draw` asks for the terminal's size each time, so it notices a resize.
        self.terminal.draw(draw)?;
        Ok(())
    }

    /// The signal to end, if one arrived.
    pub(super) fn signal(&self) -> Option<usize> {
        Some(self.told.load(Ordering::Relaxed)).filter(|signal| *signal > 0)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Restores the terminal. Errors are ignored, because the terminal may be gone.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
}

fn watch_signals(told: &Arc<AtomicUsize>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        let number = usize::try_from(signal)?;
        signal_hook::flag::register_usize(signal, Arc::clone(told), number)
            .context("the signal handlers can't be installed")?;
    }
    Ok(())
}

/// Ends the process as the signal would have. If that fails, returns the exit code that shells use
/// for it.
pub(super) fn end_of(signal: usize) -> ExitCode {
    if let Ok(signal) = i32::try_from(signal) {
        // Does not return if the signal ends the process.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    exit_code(signal)
}

fn exit_code(signal: usize) -> ExitCode {
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
