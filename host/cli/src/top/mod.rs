//! `mynah top`: shows live in the terminal what the models of a running host are doing.

mod figures;
mod screen;
mod state;
mod view;
mod watch;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::args::HostArgs;
use screen::{Came, Screen};
use state::State;
use watch::Watch;

/// Time between two checks for new data and for a signal to end.
const ROUND: Duration = Duration::from_millis(50);

/// Shows a host's status until the user quits.
pub(crate) fn top(args: &HostArgs, every: Duration) -> Result<ExitCode> {
    if !std::io::stdout().is_terminal() {
        bail!(
            "stdout is not a terminal: `mynah status` shows the same once, `--json` for programs"
        );
    }
    // Errors about the host are reported before the terminal is taken.
    let mut watch = Watch::start(args.clone(), every)?;
    let mut state = State::new(watch.at());
    let mut screen = Screen::take()?;
    let mut is_new = true;
    loop {
        while let Some(told) = watch.next() {
            state.take(told);
            is_new = true;
        }
        if is_new {
            state.now = unix_now();
            screen.draw(|frame| view::draw(frame, &state))?;
        }
        let events = match screen.wait(ROUND)? {
            Came::Signal(signal) => {
                // Restore the terminal first, then end by the signal.
                drop(screen);
                return Ok(screen::end_of(signal));
            }
            Came::Events(events) => events,
            Came::Resized => {
                is_new = true;
                continue;
            }
            Came::Nothing => {
                is_new = false;
                continue;
            }
        };
        is_new = true;
        for event in events {
            if let Event::Key(key) = event
                && key.kind != KeyEventKind::Release
                && press(&mut state, key.code, key.modifiers) == Next::Quit
            {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// What to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    Quit,
}

fn press(state: &mut State, key: KeyCode, with: KeyModifiers) -> Next {
    match key {
        KeyCode::Char('c') if with.contains(KeyModifiers::CONTROL) => return Next::Quit,
        KeyCode::Esc if state.help => state.help = false,
        KeyCode::Esc | KeyCode::Char('q' | 'Q') => return Next::Quit,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => state.help = !state.help,
        KeyCode::Char('o') => state.shows_owners = !state.shows_owners,
        KeyCode::Tab | KeyCode::Down | KeyCode::Right | KeyCode::Char('j') => state.select(1),
        KeyCode::BackTab | KeyCode::Up | KeyCode::Left | KeyCode::Char('k') => state.select(-1),
        _ => {}
    }
    Next::Stay
}

fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_closes_the_help_and_then_the_view() {
        let mut state = State::new("here".to_owned());
        let mut press = |key| super::press(&mut state, key, KeyModifiers::NONE);
        assert_eq!(press(KeyCode::Char('?')), Next::Stay);
        assert_eq!(press(KeyCode::Esc), Next::Stay);
        assert_eq!(press(KeyCode::Esc), Next::Quit);
        assert_eq!(press(KeyCode::Char('q')), Next::Quit);
        assert_eq!(press(KeyCode::Char('c')), Next::Stay);
        let control_c = super::press(&mut state, KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(control_c, Next::Quit);
    }
}
