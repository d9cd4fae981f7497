//! `mynah top` in its own terminal: it draws, and restores the terminal however it ends.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::support::command::said;
use crate::support::process::Running;

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// The command in a terminal.
struct InTerminal {
    child: Child,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    /// The output that the terminal received.
    seen: Arc<Mutex<String>>,
    /// The terminal's input.
    keys: File,
    /// The command's end of the terminal.
    terminal: OwnedFd,
    before: Termios,
}

impl InTerminal {
    fn start(host: &Running, args: &[&str]) -> Self {
        // A program that inherits this end keeps the terminal alive.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keyboard = openpt(flags).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let terminal = rustix::fs::open(
            &name,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        let size = |columns, rows| Winsize {
            ws_col: columns,
            ws_row: rows,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size(100, 30)).unwrap();
        let before = tcgetattr(&terminal).unwrap();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let child = host
            .command()
            .arg("top")
            .args(["--every", "100ms"])
            .args(args)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keys = File::from(keyboard);
        let seen = Arc::new(Mutex::new(String::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = std::thread::spawn({
            let (mut screen, seen) = (keys.try_clone().unwrap(), Arc::clone(&seen));
            let stop = Arc::clone(&stop);
            move || {
                let mut some = [0; 4096];
                let tick = Timespec::try_from(Duration::from_millis(20)).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    if poll(&mut [PollFd::new(&screen, PollFlags::IN)], Some(&tick)) == Ok(0) {
                        continue;
                    }
                    let Ok(length @ 1..) = screen.read(&mut some) else {
                        return;
                    };
                    let text = String::from_utf8_lossy(&some[..length]).into_owned();
                    seen.lock().unwrap().push_str(&text);
                }
            }
        });
        Self {
            child,
            stop,
            reader: Some(reader),
            seen,
            keys,
            terminal,
            before,
        }
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the terminal has received these words. They are searched for one by one, because
    /// the text between them may have been drawn before.
    fn until(&self, words: &str) {
        for _ in 0..6000 {
            if self.seen().contains(words) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("`{words}` was never drawn: {:?}", self.seen());
    }

    /// Closes the window: nothing holds its end of the terminal any more.
    fn hang_up(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.take().unwrap().join().unwrap();
        self.keys = File::open("/dev/null").unwrap();
    }

    fn is_raw(&self) -> bool {
        let now = tcgetattr(&self.terminal).unwrap();
        !now.local_modes.contains(LocalModes::ICANON)
    }

    /// Waits for the end and checks that the terminal is restored.
    fn assert_given_back(&mut self) -> std::process::ExitStatus {
        let ended = self.child.wait().unwrap();
        self.until(LEAVE);
        let seen = self.seen();
        let (_, last) = seen.rsplit_once(LEAVE).unwrap();
        assert!(last.contains(SHOW_CURSOR), "{last:?}");
        assert!(!last.contains(ENTER), "{last:?}");
        let now = tcgetattr(&self.terminal).unwrap();
        let modes = |of: &Termios| (of.local_modes, of.input_modes, of.output_modes);
        assert_eq!(modes(&now), modes(&self.before));
        ended
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        // Fails if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_draws_what_the_host_does_and_a_key_ends_it() {
    let mut host = Running::chat();
    host.ask("something");
    for key in ["q", "\x1b", "\x03"] {
        let mut top = InTerminal::start(&host, &[]);
        top.until(ENTER);
        top.until("chat.wasm");
        top.until("completed");
        assert!(top.is_raw());
        top.keys.write_all(key.as_bytes()).unwrap();
        assert!(top.assert_given_back().success());
    }
}

#[test]
fn it_gives_the_terminal_back_when_it_is_killed() {
    let host = Running::chat();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut top = InTerminal::start(&host, &[]);
        top.until("completed");
        kill_process(Pid::from_child(&top.child), signal).unwrap();
        let ended = top.assert_given_back();
        assert_eq!(ended.signal(), Some(signal.as_raw()), "{ended:?}");
    }
}

/// Newcomer 1.
#[test]
fn it_ends_with_its_terminal() {
    let host = Running::chat();
    for _ in 0..3 {
        let mut top = InTerminal::start(&host, &[]);
        top.until("completed");
        // There is no signal, because it is not the controlling terminal of the process.
        top.hang_up();
        let ended = ended_within_a_minute(&mut top.child);
        assert_eq!(ended.signal(), Some(Signal::HUP.as_raw()), "{ended:?}");
    }
}

/// Newcomer 1.
#[test]
fn it_is_ended_by_a_signal_also_in_a_terminal_that_takes_no_output() {
    let host = Running::chat();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut top = InTerminal::start(&host, &[]);
        top.until("completed");
        // As Ctrl-S: output waits for ever.
        rustix::termios::tcflow(&top.terminal, rustix::termios::Action::OOff).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        kill_process(Pid::from_child(&top.child), signal).unwrap();
        let ended = ended_within_a_minute(&mut top.child);
        assert_eq!(ended.signal(), Some(signal.as_raw()), "{ended:?}");
    }
}

fn ended_within_a_minute(child: &mut Child) -> std::process::ExitStatus {
    for _ in 0..6000 {
        if let Some(ended) = child.try_wait().unwrap() {
            return ended;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it is still there");
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let host = Running::chat();
    let mut top = InTerminal::start(&host, &[]);
    top.until("completed");
    let small = Winsize {
        ws_col: 40,
        ws_row: 10,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // Without a controlling terminal there is no signal, but the command asks for the size before
    // each drawing.
    tcsetwinsize(&top.terminal, small).unwrap();
    top.until("larger");
    top.keys.write_all(b"q").unwrap();
    assert!(top.assert_given_back().success());
}

#[test]
fn a_host_that_goes_is_told_and_one_that_comes_back_is_found() {
    let mut host = Running::chat();
    let mut top = InTerminal::start(&host, &[]);
    top.until("completed");
    top.until(&host.child.id().to_string());
    assert!(host.end().success());
    top.until("The host is gone");
    top.until("last known figures");
    let again = Running::chat_in(host.shared_folder(), |_| {});
    top.until(&again.child.id().to_string());
    top.keys.write_all(b"q").unwrap();
    assert!(top.assert_given_back().success());
}

#[test]
fn without_a_terminal_or_a_host_it_says_so() {
    let host = Running::chat();
    let told = said(host.command().arg("top"));
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{told:?}");
    told.host_line("mynah status");
    let mut nobody = InTerminal::start(&host, &["/nowhere.sock"]);
    nobody.until("no host listens at /nowhere.sock");
    assert_eq!(nobody.child.wait().unwrap().code(), Some(1));
    assert!(!nobody.seen().contains(ENTER) && !nobody.is_raw());
}
