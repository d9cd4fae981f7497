//! The models: what the bytes that a guest brings make the process do.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mynah_core::testing::{Scripted, Step};
use mynah_core::{BackendError, BackendErrorKind, Model, ProgressFn, Prompt, Result};
use mynah_settings::ModelConfig;

/// Number of words of a long answer: more than any buffer holds.
pub(crate) const LONG: usize = 60_000;

/// Loads a model in its process.
pub(crate) fn load(path: &Path, _config: ModelConfig, mut progress: ProgressFn) -> Result<Model> {
    let what = fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
    for step in 0..10_u8 {
        if progress(f32::from(step) / 10.0) == ControlFlow::Break(()) {
            return Err(failed("the host has gone"));
        }
    }
    match what.as_str() {
        "scripted" => Ok(Scripted::new(script).into_model()),
        "not a model" => Err(failed("that is no model")),
        "aborts" => std::process::abort(),
        "panics" => panic!("this load panics"),
        "hangs" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "exits" => std::process::exit(0),
        "tries" => Err(failed(&tried().join(", "))),
        "grows" => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(vec![1; 16 << 20]);
            }
        }
        "shouts" => {
            let line = "x".repeat(1 << 16);
            for _ in 0..64 {
                eprintln!("{line}");
            }
            eprintln!("the last words\u{1b}[31m");
            std::process::abort();
        }
        "garbage" => say(|socket| {
            let noise: Vec<u8> = (0..=255).collect();
            loop {
                if socket.write_all(&noise).is_err() {
                    break;
                }
            }
        }),
        "endless" => say(|socket| {
            // A frame of four gigabytes.
            let _ = socket.write_all(&[0xff; 4]);
            while socket.write_all(&[0; 4096]).is_ok() {}
        }),
        "closes" => say(|socket| {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }),
        "half a frame" => say(|socket| {
            let _ = socket.write_all(&[200, 0, 0, 0, 1, 2, 3]);
        }),
        other => Err(failed(&format!("`{other}` is no model of these tests"))),
    }
}

fn failed(text: &str) -> mynah_core::Error {
    BackendError::new(BackendErrorKind::InvalidModel, text.to_owned()).into()
}

/// What a scripted model answers.
fn script(prompt: &Prompt) -> Vec<Step> {
    let Prompt::Text(text) = prompt else {
        return vec![Step::Text("not a text".into())];
    };
    match text.as_str() {
        "abort" => std::process::abort(),
        "fail" => vec![Step::from("some "), Step::Fail("it was told to".into())],
        "long" => (0..LONG)
            .map(|number| Step::Text(format!("{number} ")))
            .collect(),
        "token" => vec![Step::Token {
            id: 7,
            text: "token".into(),
            log_prob: f32::NEG_INFINITY,
        }],
        "wait" => vec![
            Step::from("begun "),
            Step::Wait(mynah_core::testing::Gate::new()),
            Step::from("and never more"),
        ],
        other => vec![Step::Text(other.to_owned())],
    }
}

/// Writes to the host past all rules, and then does nothing any more.
fn say(words: impl FnOnce(&mut UnixStream)) -> ! {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    words(&mut UnixStream::from(socket));
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Everything that a confined process can do and must not.
fn tried() -> Vec<&'static str> {
    let own = std::process::id();
    let parent = std::os::unix::process::parent_id();
    let attempts: [(&str, bool); 17] = [
        ("read a file", fs::read("/etc/passwd").is_ok()),
        ("list a folder", fs::read_dir("/").is_ok()),
        (
            "look into the host",
            fs::read(format!("/proc/{parent}/environ")).is_ok(),
        ),
        ("list processes", fs::read_dir("/proc").is_ok()),
        ("read the program", fs::read("/proc/self/exe").is_ok()),
        (
            "make a file",
            fs::write(format!("/tmp/isolated-{own}"), "x").is_ok(),
        ),
        (
            "make a folder",
            fs::create_dir(format!("/tmp/isolated-dir-{own}")).is_ok(),
        ),
        ("remove a file", fs::remove_file("/tmp/isolated").is_ok()),
        ("change the model", {
            let model = fs::OpenOptions::new().write(true).open("/proc/self/fd/1");
            model.is_ok_and(|mut model| model.write_all(b"other").is_ok())
        }),
        ("write to its own memory", {
            let options = fs::OpenOptions::new().write(true).open("/proc/self/mem");
            options.is_ok()
        }),
        ("connect", TcpStream::connect("127.0.0.1:22").is_ok()),
        ("listen", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("send", UdpSocket::bind("127.0.0.1:0").is_ok()),
        (
            "listen at a path",
            UnixListener::bind(format!("/tmp/isolated-s-{own}")).is_ok(),
        ),
        ("make a pair of sockets", UnixStream::pair().is_ok()),
        (
            "start a process",
            Command::new("/bin/true").status().is_ok(),
        ),
        (
            "see variables",
            std::env::vars_os().any(|(name, _)| name == "HOME"),
        ),
    ];
    let can = attempts.iter().filter(|(_, can)| *can);
    can.map(|(name, _)| *name).collect()
}
