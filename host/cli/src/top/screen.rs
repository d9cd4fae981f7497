//! The terminal: takes it over, draws in it, and restores it however the program ends.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Stdout};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Size;
use ratatui::{Frame, Terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// Time that the display has to end by itself after a signal. It needs it only if it is stuck in
/// the terminal, such as in one that takes no more output.
const GRACE: Duration = Duration::from_secs(1);

/// Time for restoring a terminal in which the display is stuck.
const LAST: Duration = Duration::from_millis(300);

/// The terminal in raw mode and on the alternate screen. It is restored on drop, on a panic and on
/// a signal.
#[derive(Debug)]
pub(super) struct Screen {
    // Never dropped, because ratatui's drop may write to stderr, and panics if stderr is gone with
    // the terminal. `give_back` does what it would do.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    keyboard: File,
    size: Size,
    told: Arc<AtomicI32>,
}

/// What came within a round.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    Nothing,
    /// The terminal has another size.
    Resized,
    Events(Vec<Event>),
    /// The display must end by this signal. A terminal that is gone counts as SIGHUP.
    Signal(i32),
}

impl Screen {
    pub(super) fn take() -> Result<Self> {
        let told = Arc::new(AtomicI32::new(0));
        // Before the terminal is changed: from now on a signal only takes effect after the terminal
        // is restored.
        watch_signals(&told)?;
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            hook(panic);
        }));
        let taken = keyboard().and_then(|keyboard| {
            enable_raw_mode()?;
            execute!(io::stdout(), EnterAlternateScreen)?;
            let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
            let size = terminal.size()?;
            watch_hangup(keyboard.try_clone()?, &told)?;
            Ok(Self {
                terminal: ManuallyDrop::new(terminal),
                keyboard,
                size,
                told,
            })
        });
        taken
            .inspect_err(|_| give_back())
            .context("drawing in this terminal failed: `mynah status` shows the same once")
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        // `draw` asks for the terminal's size each time.
        let drawn = self.terminal.draw(draw);
        match drawn.map(|drawn| drawn.area.as_size()) {
            Ok(size) => self.size = size,
            // The next wait tells.
            Err(_) if self.input(Duration::ZERO).is_ok_and(is_gone) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits for a key, another size or the end, for at most `round`.
    pub(super) fn wait(&self, round: Duration) -> Result<Came> {
        if let Some(signal) = self.signal() {
            return Ok(Came::Signal(signal));
        }
        // crossterm reads the end of a terminal that is gone again and again and never returns.
        // Therefore it is only asked if there is something to read.
        let input = self.input(round)?;
        if is_gone(input) {
            return Ok(Came::Signal(SIGHUP));
        }
        if let Some(signal) = self.signal() {
            return Ok(Came::Signal(signal));
        }
        if self.terminal.size()? != self.size {
            return Ok(Came::Resized);
        }
        if !input.contains(PollFlags::IN) {
            return Ok(Came::Nothing);
        }
        let mut events = Vec::new();
        while event::poll(Duration::ZERO)? {
            events.push(event::read()?);
        }
        if events.is_empty() {
            // A part of a key's sequence, or input that crossterm leaves where it is.
            std::thread::sleep(round);
            return Ok(Came::Nothing);
        }
        Ok(Came::Events(events))
    }

    /// Waits for input, for at most `round`, and returns the state of the terminal.
    fn input(&self, round: Duration) -> Result<PollFlags> {
        let mut input = [PollFd::new(&self.keyboard, PollFlags::IN)];
        match poll(&mut input, Some(&Timespec::try_from(round)?)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(input[0].revents()),
            Err(error) => Err(error.into()),
        }
    }

    fn signal(&self) -> Option<i32> {
        Some(self.told.load(Ordering::Relaxed)).filter(|signal| *signal > 0)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// The terminal's input, where crossterm reads it: stdin, or the controlling terminal.
fn keyboard() -> io::Result<File> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return stdin.as_fd().try_clone_to_owned().map(File::from);
    }
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Restores the terminal. Errors are ignored, because the terminal may be gone.
fn give_back() {
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
}

fn is_gone(state: PollFlags) -> bool {
    state.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

fn watch_signals(told: &Arc<AtomicI32>) -> Result<()> {
    let signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]);
    let mut signals = signals.context("the signal handlers can't be installed")?;
    let told = Arc::clone(told);
    std::thread::Builder::new()
        .name("mynah-signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                end(&told, signal);
            }
        })
        .context("the thread that waits for signals can't be started")?;
    Ok(())
}

/// Watches for the end of the terminal on a thread of its own, because the display may be in a call
/// that never returns after it.
fn watch_hangup(keyboard: File, told: &Arc<AtomicI32>) -> io::Result<()> {
    let told = Arc::clone(told);
    std::thread::Builder::new()
        .name("mynah-terminal".to_owned())
        .spawn(move || {
            loop {
                // No kind of input: only the end of the terminal is of interest.
                let mut end_of_it = [PollFd::new(&keyboard, PollFlags::empty())];
                match poll(&mut end_of_it, None) {
                    Err(rustix::io::Errno::INTR) => {}
                    Ok(_) if is_gone(end_of_it[0].revents()) => return end(&told, SIGHUP),
                    // The display still looks by itself.
                    Ok(_) | Err(_) => return,
                }
            }
        })?;
    Ok(())
}

/// Tells the display to end by a signal, and ends the process if it does not within the grace time.
fn end(told: &AtomicI32, signal: i32) {
    told.store(signal, Ordering::Relaxed);
    std::thread::sleep(GRACE);
    let (done, is_done) = mpsc::channel();
    // Restoring may wait for ever, too: for the terminal, or for the display's lock of stdout.
    std::thread::spawn(move || {
        give_back();
        // The receiver may have given up.
        let _ = done.send(());
    });
    let _ = is_done.recv_timeout(LAST);
    let _ = end_of(signal);
    std::process::exit(128 + signal);
}

/// Ends the process as the signal would have. If that fails, returns the exit code that shells use
/// for it.
pub(super) fn end_of(signal: i32) -> ExitCode {
    // Does not return if the signal ends the process.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}
