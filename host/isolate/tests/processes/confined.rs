//! What the process of a model can't do.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::{load, nothing_is_left};

crate::tests![
    a_confined_process_opens_no_file_no_socket_and_no_process,
    the_probe_tells_what_is_in_force,
    a_process_without_a_host_ends,
];

fn a_confined_process_opens_no_file_no_socket_and_no_process() {
    // The error of this model is the list of what it could do.
    let could = load("tries").unwrap_err().to_string();
    assert_eq!(could, "", "a confined process can {could}");
    nothing_is_left();
}

fn the_probe_tells_what_is_in_force() {
    let confinement = mynah_isolate::probe().unwrap();
    let all = confinement.in_force().len() + confinement.missing().len();
    assert!(all >= 3, "{confinement:?}");
    nothing_is_left();
}

fn a_process_without_a_host_ends() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg0("mynah").arg("__model-of-a-guest");
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}
