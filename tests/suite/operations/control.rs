//! The socket of a running host: only its user can use it, other commands find it, it is removed
//! with the host, and it can change the log filter.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;

use mynah_tests::cargo_component_wasm;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::command::{Said, said};
use crate::support::process::{Running, look_in};

fn ask(command: &mut Command, args: &[&str]) -> Said {
    said(command.args(args))
}

#[test]
fn a_host_is_found_by_its_socket_which_is_its_users_alone_and_goes_with_it() {
    let mut host = Running::chat();
    host.ask("something");
    let socket = host.socket();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(socket.as_path()), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);

    let status = ask(&mut host.command(), &["status"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    for words in ["1 completed", "chat.wasm", &host.child.id().to_string()] {
        assert!(status.stdout.contains(words), "`{words}` in {status:?}");
    }
    // By process id and by path, with the same result as over HTTP.
    let pid = host.child.id().to_string();
    let path = socket.display().to_string();
    for args in [
        &["status", "--json"][..],
        &["status", "--json", "--pid", &pid],
        &["status", "--json", &path],
        &["status", "--json", host.address()],
    ] {
        let told = ask(&mut host.command(), args);
        let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(
            json["models"]["default"]["queue"]["completed"], 1,
            "{told:?}"
        );
        assert_eq!(json["pid"], host.child.id());
    }
    assert!(host.end().success());
    assert!(!socket.exists(), "it is left behind");
    let gone = ask(&mut host.command(), &["status", "--pid", &pid]);
    gone.host_line("no host of this user runs as process");
}

#[test]
fn several_hosts_are_listed_and_one_is_chosen() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let hosts = [0, 1].map(|_| Running::chat_in(Arc::clone(&folder), |_| {}));
    let told = ask(&mut look_in(folder.path()), &["status"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    for host in &hosts {
        told.host_line(&format!("{} runs chat.wasm with default", host.child.id()));
        let pid = host.child.id().to_string();
        let one = ask(&mut look_in(folder.path()), &["status", "--pid", &pid]);
        assert!(one.stdout.contains(&format!("process {pid}")), "{one:?}");
    }
}

#[test]
fn what_a_host_left_behind_that_was_killed_is_removed_and_a_told_end_leaves_nothing() {
    let mut host = Running::chat();
    let (socket, folder) = (host.socket(), host.socket());
    let folder = folder.parent().unwrap().parent().unwrap();
    assert!(socket.exists());
    host.child.kill().unwrap();
    host.child.wait().unwrap();
    assert!(socket.exists(), "nobody could remove it");
    let told = ask(&mut look_in(folder), &["status", "127.0.0.1:1"]);
    assert!(socket.exists(), "nobody looked: {told:?}");
    let told = ask(&mut look_in(folder), &["log"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(!socket.exists(), "{told:?}");

    let mut host = Running::chat();
    let pid = Pid::from_child(&host.child);
    kill_process(pid, Signal::TERM).unwrap();
    let ended = std::os::unix::process::ExitStatusExt::signal(&host.child.wait().unwrap());
    assert_eq!(ended, Some(Signal::TERM.as_raw()));
    assert!(!host.socket().exists());
}

#[test]
fn a_path_is_taken_if_nobody_has_it() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let path = folder.path().join("own.sock");
    // A socket left behind by a dead host is replaced.
    drop(UnixListener::bind(&path).unwrap());
    let at = |command: &mut Command| {
        command.arg("--control").arg(&path);
    };
    let host = Running::chat_in(Arc::clone(&folder), at);
    let shown = path.display().to_string();
    let told = ask(&mut host.command(), &["status", &shown]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(!host.socket().exists(), "one is enough");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let model = format!("default={}", folder.path().join("tiny.gguf").display());
    let chat = cargo_component_wasm("chat").display().to_string();
    let run = |control: &str| {
        let args = [
            "run",
            "--no-config",
            "--control",
            control,
            "--model",
            &model,
            &chat,
            "Hi",
        ];
        ask(&mut host.command(), &args)
    };
    run(&shown).host_line("another host listens there");
    run(&model["default=".len()..]).host_line("there is a file already");
    let off = run("off");
    assert_eq!(off.code, Some(0), "{off:?}");
}

#[test]
fn without_a_folder_for_it_a_host_runs_without_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let host = Running::chat_in(Arc::new(folder), |command| {
        command.env("XDG_RUNTIME_DIR", &file);
    });
    host.said_with("it has no socket");
    assert!(host.get("status").contains("queue"));
}

#[test]
fn what_is_logged_is_told_and_set_while_it_runs() {
    let mut host = Running::chat();
    host.ask("quiet");
    assert!(
        !host.said().contains("request completed"),
        "{}",
        host.said()
    );
    let told = ask(&mut host.command(), &["log"]);
    assert!(told.stdout.contains("warn"), "{told:?}");
    let set = ask(&mut host.command(), &["log", "mynah::task=info"]);
    assert_eq!(set.stdout.trim(), "mynah::task=info", "{set:?}");
    host.ask("loud");
    let wrong = ask(&mut host.command(), &["log", "mynah::task=loudest"]);
    wrong.host_line("`loudest` is no level");
    let told = ask(&mut host.command(), &["log"]);
    assert_eq!(told.stdout.trim(), "mynah::task=info", "as it was");
    host.said_with("request completed");
    // Newcomer 5: what is in force is told, not what was asked for.
    let set = ask(&mut host.command(), &["log", "info"]);
    assert_eq!(set.stdout.trim(), "info,llama_cpp=off", "{set:?}");
    // The metrics address cannot change the filter.
    let told = ask(&mut host.command(), &["log", "trace", host.address()]);
    told.host_line("through its socket alone");
    let direct = ureq::put(format!("http://{}/log", host.address())).send("trace");
    assert!(
        matches!(direct, Err(ureq::Error::StatusCode(404))),
        "{direct:?}"
    );
}
