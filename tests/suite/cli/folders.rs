//! What the command does to files that are not its own, in its state folder and its other folders.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use mynah_tests::{cargo_component_wasm, model_path};

use crate::support::command::{Said, mynah, said};

/// Runs the example `complete` with these flags.
fn complete(prompt: &str, flags: &[&str], adapt: impl Fn(&mut Command)) -> Said {
    let mut command = Command::new(mynah());
    command
        .args(["run", "--no-config", "--threads", "1", "--model"])
        .arg(format!("default={}", model_path().display()))
        .args(flags)
        .arg(cargo_component_wasm("complete"))
        .arg(prompt);
    adapt(&mut command);
    said(&mut command)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Case D1.
#[test]
fn a_small_bound_removes_no_file_of_other_programs() {
    let place = tempfile::tempdir().unwrap();
    let states = place.path().join("s");
    let app = states.join("app");
    fs::create_dir_all(&app).unwrap();
    fs::write(app.join("lock"), "4711\n").unwrap();
    for name in ["a.state", "b.partial"] {
        fs::write(app.join(name), vec![0; 200_000]).unwrap();
    }
    let states = states.to_str().unwrap();
    let flags = [
        "--control",
        "off",
        "--owner",
        "o",
        "--max-state-bytes",
        "100KiB",
        "--state-dir",
    ];
    let ran = complete("hi", &[&flags[..], &[states]].concat(), |_| {});
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(fs::read(app.join("lock")).unwrap(), b"4711\n");
    for name in ["a.state", "b.partial"] {
        assert_eq!(
            fs::read(app.join(name)).unwrap(),
            vec![0; 200_000],
            "{name}"
        );
    }
}

#[test]
fn a_state_folder_that_others_can_write_to_is_refused_with_the_remedy() {
    let place = tempfile::tempdir().unwrap();
    let states = place.path().join("s");
    fs::create_dir(&states).unwrap();
    fs::set_permissions(&states, fs::Permissions::from_mode(0o777)).unwrap();
    let flags = ["--control", "off", "--state-dir", states.to_str().unwrap()];
    let ran = complete("hi", &flags, |_| {});
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.host_line("chmod go-w");
    assert_eq!(mode(&states), 0o777);
}

/// Case D2.
#[test]
fn a_link_in_place_of_the_folder_of_sockets_is_not_used() {
    let place = tempfile::tempdir().unwrap();
    let (target, runtime) = (place.path().join("v"), place.path().join("x"));
    for folder in [&target, &runtime] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(&target, runtime.join("mynah")).unwrap();
    let ran = complete("hi", &[], |command| {
        command.env("XDG_RUNTIME_DIR", &runtime);
    });
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        ran.stderr.matches("is a symbolic link").count(),
        1,
        "{ran:?}"
    );
    assert_eq!(mode(&target), 0o755);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
}
