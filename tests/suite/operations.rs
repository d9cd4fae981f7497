//! What a running host shows over HTTP and to `mynah status`: the same everywhere, and what happened.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mynah_engine::{Model, ModelConfig, Report};
use mynah_tests::tiny_model::TinyModel;
use mynah_tests::{cargo_component_wasm, tiny};

use crate::cli::{mynah, run};

/// A host whose component waits for questions; ended when it is dropped.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: mpsc::Receiver<String>,
    address: String,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        Self::start_guest("chat", &["--max-tokens", "8"])
    }

    /// Starts another guest, with arguments.
    fn start_guest(guest: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        let chat = TinyModel {
            chat_template: Some("{{ messages[-1].content }}".to_owned()),
            ..TinyModel::default()
        };
        chat.write_to(&path).unwrap();
        let mut child = Command::new(mynah())
            .args([
                "run",
                "--no-config",
                "--metrics",
                "127.0.0.1:0",
                "--temperature",
                "0",
            ])
            .args(["--set", "ignore_eos=true", "--model"])
            .arg(format!("default={}", path.display()))
            .arg(cargo_component_wasm(guest))
            .args(arguments)
            .env_remove("MYNAH_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        let address = said
            .trim()
            .strip_prefix("figures at http://")
            .and_then(|rest| rest.strip_suffix("/metrics"))
            .unwrap_or_else(|| panic!("{said}"))
            .to_owned();
        // Read on, so that nobody waits for us.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let (tell, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.split(b'\n').map_while(Result::ok) {
                if tell
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    return;
                }
            }
        });
        Self {
            stdin: child.stdin.take(),
            child,
            stdout: lines,
            address,
            _folder: folder,
        }
    }

    /// Asks something and waits for the end of the answer.
    fn ask(&mut self, question: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{question}").unwrap();
        self.stdout.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    fn get(&self, path: &str) -> String {
        let url = format!("http://{}/{path}", self.address);
        ureq::get(url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap()
    }

    fn report(&self) -> Report {
        let status: serde_json::Value = serde_json::from_str(&self.get("status")).unwrap();
        serde_json::from_value(status["models"]["default"].clone()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of a figure in the text, whole line but the number.
fn figure(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|one| one.strip_prefix(line));
    let found = found.unwrap_or_else(|| panic!("`{line}` in:\n{text}"));
    found.trim().parse().unwrap()
}

#[test]
fn all_views_show_the_same_and_it_is_what_happened() {
    let mut host = Running::start();
    assert_eq!(host.get("healthz"), "ok\n");
    for _ in 0..3 {
        host.ask("marker-of-the-prompt");
    }
    // The component has read the end; nothing is on its way.
    let report = host.report();
    assert_eq!((report.queue.completed, report.queue.accepted), (3, 3));
    assert_eq!(report.performance.generated_tokens, 24);

    let text = host.get("metrics");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let completed = r#"mynah_requests_total{model="default",outcome="completed"}"#;
    let number = |line: &str| figure(&text, line);
    assert!((number(completed) - 3.0).abs() < 0.5);
    let tokens = number(r#"mynah_tokens_total{model="default",type="output"}"#);
    assert!((tokens - 24.0).abs() < 0.5, "{tokens}");
    let first = number(r#"gen_ai_server_time_to_first_token_seconds_count{model="default"}"#);
    assert!((first - 3.0).abs() < 0.5, "{first}");
    let between = number(r#"gen_ai_server_time_per_output_token_seconds_count{model="default"}"#);
    assert!((between - 21.0).abs() < 0.5, "{between}");
    let last =
        number(r#"gen_ai_server_time_to_first_token_seconds_bucket{le="+Inf",model="default"}"#);
    assert!((last - 3.0).abs() < 0.5, "{last}");

    let said = run(&["status", &host.address]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("3 completed, 0 refused"), "{said:?}");
    let said = run(&["status", &host.address, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json["models"]["default"]["queue"]["completed"], 3);

    for view in [&text, &host.get("status"), &said.stdout] {
        assert!(!view.contains("marker-of-the-prompt"), "{view}");
    }
    // The component ends, and the host with it.
    host.stdin = None;
    assert!(host.child.wait().unwrap().success());
    let said = run(&["status", &host.address]);
    said.host_line("no host tells its status");
}

#[test]
fn keys_of_a_core_module_that_set_nothing_are_shown() {
    let settings = r#"{"n-predict": 4, "llama3": true, "tempp": 0.5}"#;
    for version in ["071", "080"] {
        let mut host = Running::start_guest(&format!("core_{version}_ask"), &[settings]);
        host.ask("marker-of-the-prompt");
        host.ask("marker-of-the-prompt");
        let keys = host.report().model.ignored_keys;
        let shown: Vec<_> = keys
            .iter()
            .map(|one| (one.key.as_str(), one.reports))
            .collect();
        assert_eq!(shown, [("llama3", 1), ("tempp", 1)]);
        assert!(keys[1].hint.contains("`sampling.temp`"), "{keys:?}");
        let said = run(&["status", &host.address]);
        assert!(
            said.stdout
                .contains("`tempp`: did you mean `sampling.temp`?"),
            "{said:?}"
        );
    }
}

#[test]
fn every_figure_of_the_documentation_is_there_and_the_other_way_round() {
    let host = Running::start();
    let text = host.get("metrics");
    let page = include_str!("../../docs/operations/README.md");
    let (_, table) = page.split_once("## Figures").unwrap();
    let documented: std::collections::BTreeSet<&str> = table
        .split('`')
        .map(|word| word.split('{').next().unwrap_or(word))
        .map(|word| word.strip_suffix("_total").unwrap_or(word))
        .filter(|word| word.starts_with("mynah_") || word.starts_with("gen_ai_"))
        .collect();
    let exported: std::collections::BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(documented, exported);
}

#[test]
fn an_address_that_is_taken_is_an_error_at_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = format!("default={}", path.display());
    let component = cargo_component_wasm("chat").display().to_string();
    let line = [
        "run",
        "--no-config",
        "--metrics",
        &address,
        "--model",
        &model,
        &component,
        "Hi",
    ];
    let said = run(&line);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.host_line("give another address with --metrics");
}

#[test]
fn a_model_is_alive_while_it_rests_and_while_it_is_out_of_memory() {
    assert!(tiny().is_alive());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    TinyModel::default().write_to(&path).unwrap();
    let model = Model::load(&path, ModelConfig::default(), |_| {}).unwrap();
    assert!(model.is_alive());
    assert!(model.unload());
    assert!(model.is_alive());
}
