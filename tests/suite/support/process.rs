//! A host in its own process, for tests that look at it from outside.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use mynah_core::Report;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, wasm};

use crate::support::command::mynah;

/// A host whose component waits for its stdin. Dropping it ends the process. Its folder contains
/// its socket, where other commands look for it.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: mpsc::Receiver<String>,
    stderr: Arc<Mutex<String>>,
    reader: Option<std::thread::JoinHandle<()>>,
    address: String,
    folder: Arc<tempfile::TempDir>,
}

impl Running {
    /// Starts a conversation on the tiny model.
    pub(crate) fn chat() -> Self {
        Self::chat_in(Arc::new(tempfile::tempdir().unwrap()), |_| {})
    }

    /// [`Running::chat`] in a shared folder, with a changed command line.
    pub(crate) fn chat_in(
        folder: Arc<tempfile::TempDir>,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        Self::start(folder, |command, model| {
            command
                .args(["--temperature", "0", "--set", "ignore_eos=true", "--model"])
                .arg(format!("default={}", model.display()));
            change(command);
            command
                .arg(cargo_component_wasm("chat"))
                .args(["--max-tokens", "8"]);
        })
    }

    /// Starts a guest on the tiny model, with arguments.
    pub(crate) fn guest(name: &str, arguments: &[&str]) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), |command, model| {
            command
                .args(["--temperature", "0", "--set", "ignore_eos=true", "--model"])
                .arg(format!("default={}", model.display()))
                .arg(cargo_component_wasm(name))
                .args(arguments);
        })
    }

    /// Starts a conversation whose answers have this many tokens, with a changed command line.
    pub(crate) fn long_answers(tokens: &str, change: impl FnOnce(&mut Command)) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), |command, model| {
            command
                .args(["--temperature", "0", "--set", "ignore_eos=true"])
                .args(["--ctx-size", "65536", "--model"])
                .arg(format!("default={}", model.display()));
            change(command);
            command
                .arg(cargo_component_wasm("chat"))
                .args(["--max-tokens", tokens]);
        })
    }

    /// Starts the guest `sdk_load`, whose requests have known results.
    pub(crate) fn load(change: impl FnOnce(&mut Command)) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), |command, model| {
            command
                .args(["--ctx-size", "65536", "--max-concurrent", "1"])
                .args(["--queue-size", "2", "--max-unread-bytes", "16777216"])
                .args(["--allow-host-status", "--model"])
                .arg(format!("default={}", model.display()));
            change(command);
            command.arg(wasm("sdk_load")).arg("wait");
        })
    }

    /// Starts a conversation in a process without a terminal.
    pub(crate) fn without_terminal() -> Self {
        let mut command = Command::new("setsid");
        command.arg(mynah());
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::start_with(command, folder, |command, model| {
            command
                .arg("--model")
                .arg(format!("default={}", model.display()))
                .arg(cargo_component_wasm("chat"));
        })
    }

    fn start(folder: Arc<tempfile::TempDir>, args: impl FnOnce(&mut Command, &Path)) -> Self {
        Self::start_with(Command::new(mynah()), folder, args)
    }

    fn start_with(
        mut command: Command,
        folder: Arc<tempfile::TempDir>,
        args: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        let path = folder.path().join("tiny.gguf");
        let chat = TinyModel {
            chat_template: Some("{% for m in messages %}{{ m.content }}{% endfor %}".to_owned()),
            ..TinyModel::default()
        };
        if !path.exists() {
            chat.write_to(&path).unwrap();
        }
        command.args(["run", "--no-config", "--metrics", "127.0.0.1:0"]);
        command
            .env("XDG_RUNTIME_DIR", folder.path())
            .env_remove("MYNAH_LOG");
        args(&mut command, &path);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut before = String::new();
        let address = loop {
            let mut said = String::new();
            let length = lines.read_line(&mut said).unwrap();
            assert!(length > 0, "it ended: {before}");
            let address = said.trim().strip_prefix("figures at http://");
            if let Some(address) = address.and_then(|rest| rest.strip_suffix("/metrics")) {
                break address.to_owned();
            }
            before.push_str(&said);
        };
        let stderr = Arc::new(Mutex::new(before));
        // Keeps reading, so that the host never blocks on stderr.
        let reader = std::thread::spawn({
            let stderr = Arc::clone(&stderr);
            move || {
                for line in lines.lines().map_while(Result::ok) {
                    stderr.lock().unwrap().push_str(&(line + "\n"));
                }
            }
        });
        let (tell, told) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            stdin: child.stdin.take(),
            child,
            stdout: told,
            stderr,
            reader: Some(reader),
            address,
            folder,
        }
    }

    /// The address of its metrics.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its folder, for another host.
    pub(crate) fn shared_folder(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(&self.folder)
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        let name = format!("mynah/{}.sock", self.child.id());
        self.folder.path().join(name)
    }

    /// Sends a question and waits for the end of the answer.
    pub(crate) fn ask(&mut self, question: &str) {
        self.tell(question);
        self.line();
    }

    /// Sends a question.
    pub(crate) fn tell(&mut self, question: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{question}").unwrap();
    }

    /// All of its stderr. The process must have ended.
    pub(crate) fn all_said(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.said()
    }

    /// The next line of the component's stdout.
    pub(crate) fn line(&self) -> String {
        let line = self.stdout.recv_timeout(Duration::from_secs(120));
        line.unwrap_or_else(|_| panic!("no line; it said: {}", self.said()))
    }

    /// Its stderr so far, without the line about the address.
    pub(crate) fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until its stderr contains these words.
    pub(crate) fn said_with(&self, words: &str) -> String {
        for _ in 0..6000 {
            let said = self.said();
            if said.contains(words) {
                return said;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("`{words}` was never said: {}", self.said());
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let url = format!("http://{}/{path}", self.address);
        let mut answer = ureq::get(url).call().unwrap();
        answer.body_mut().read_to_string().unwrap()
    }

    pub(crate) fn report(&self) -> Report {
        let status: serde_json::Value = serde_json::from_str(&self.get("status")).unwrap();
        serde_json::from_value(status["models"]["default"].clone()).unwrap()
    }

    /// A command that looks for hosts in this host's folder.
    pub(crate) fn command(&self) -> Command {
        look_in(self.folder.path())
    }

    /// Closes the component's stdin and waits for the end of the process.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.stdin = None;
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that looks for hosts in this folder.
pub(crate) fn look_in(folder: &Path) -> Command {
    let mut command = Command::new(mynah());
    command
        .env("XDG_RUNTIME_DIR", folder)
        .env_remove("MYNAH_LOG")
        .stdin(Stdio::null());
    command
}

/// The value of a metric in the text. `line` is the whole line without the number.
pub(crate) fn figure(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|one| one.strip_prefix(line));
    let found = found.unwrap_or_else(|| panic!("`{line}` in:\n{text}"));
    found.trim().parse().unwrap()
}
