//! A host that runs as a process while a test looks at it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use mynah_engine::Report;
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, wasm};

use crate::support::command::mynah;

/// A host whose component waits for its stdin; ended when it is dropped. Its folder is where it and
/// those who look for it have their sockets.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: mpsc::Receiver<String>,
    stderr: Arc<Mutex<String>>,
    address: String,
    folder: Arc<tempfile::TempDir>,
}

impl Running {
    /// A conversation on the tiny model.
    pub(crate) fn chat() -> Self {
        Self::chat_in(Arc::new(tempfile::tempdir().unwrap()), |_| {})
    }

    /// The same, in a folder that others may share, started otherwise.
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

    /// A guest on the tiny model, with arguments.
    pub(crate) fn guest(name: &str, arguments: &[&str]) -> Self {
        Self::start(Arc::new(tempfile::tempdir().unwrap()), |command, model| {
            command
                .args(["--temperature", "0", "--set", "ignore_eos=true", "--model"])
                .arg(format!("default={}", model.display()))
                .arg(cargo_component_wasm(name))
                .args(arguments);
        })
    }

    /// The load whose outcomes are known.
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

    fn start(folder: Arc<tempfile::TempDir>, args: impl FnOnce(&mut Command, &Path)) -> Self {
        let path = folder.path().join("tiny.gguf");
        let chat = TinyModel {
            chat_template: Some("{{ messages[-1].content }}".to_owned()),
            ..TinyModel::default()
        };
        if !path.exists() {
            chat.write_to(&path).unwrap();
        }
        let mut command = Command::new(mynah());
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
        // Read on, so that it waits for nobody.
        std::thread::spawn({
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
            address,
            folder,
        }
    }

    /// Where its figures are.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its folder, for another host.
    pub(crate) fn shared_folder(&self) -> Arc<tempfile::TempDir> {
        Arc::clone(&self.folder)
    }

    /// Where it has its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        let name = format!("mynah/{}.sock", self.child.id());
        self.folder.path().join(name)
    }

    /// Asks something and waits for the end of the answer.
    pub(crate) fn ask(&mut self, question: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{question}").unwrap();
        self.line();
    }

    /// The next line that its component says.
    pub(crate) fn line(&self) -> String {
        let line = self.stdout.recv_timeout(Duration::from_secs(120));
        line.unwrap_or_else(|_| panic!("no line; it said: {}", self.said()))
    }

    /// What it said on stderr until now, but for where its figures are.
    pub(crate) fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has said this on stderr.
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

    /// The command, for somebody who looks for hosts where this one is.
    pub(crate) fn command(&self) -> Command {
        look_in(self.folder.path())
    }

    /// Ends its component's stdin, and waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.stdin = None;
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command, for somebody who looks for hosts in a folder.
pub(crate) fn look_in(folder: &Path) -> Command {
    let mut command = Command::new(mynah());
    command
        .env("XDG_RUNTIME_DIR", folder)
        .env_remove("MYNAH_LOG")
        .stdin(Stdio::null());
    command
}

/// The value of a figure in the text, whole line but the number.
pub(crate) fn figure(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|one| one.strip_prefix(line));
    let found = found.unwrap_or_else(|| panic!("`{line}` in:\n{text}"));
    found.trim().parse().unwrap()
}
