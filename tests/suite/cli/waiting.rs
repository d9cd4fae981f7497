//! How long the compute threads of `mynah run` spin: the command starts itself again with the
//! variable of libgomp.

use std::fs;
use std::process::Command;

use crate::support::process::Running;

/// The variables of a running host that say how threads wait, and its name.
fn waiting(change: impl FnOnce(&mut Command)) -> (Vec<String>, String) {
    let host = Running::long_answers("60000", |command| {
        command.env_remove("GOMP_SPINCOUNT");
        command.env_remove("OMP_WAIT_POLICY");
        change(command);
    });
    let of_host = |file| fs::read(format!("/proc/{}/{file}", host.child.id())).unwrap();
    let variables = String::from_utf8(of_host("environ")).unwrap();
    let is_it = |name: &&str| name.starts_with("GOMP_") || name.starts_with("OMP_");
    let variables = variables.split('\0').filter(is_it).map(str::to_owned);
    let name = String::from_utf8(of_host("comm")).unwrap();
    (variables.collect(), name.trim().to_owned())
}

#[test]
fn threads_spin_for_a_short_time_if_the_user_says_nothing_else() {
    let (variables, name) = waiting(|_| {});
    assert_eq!(variables, ["GOMP_SPINCOUNT=1000"]);
    assert_eq!(name, "mynah");
    for chosen in [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "passive")] {
        let (variables, _) = waiting(|command| {
            command.env(chosen.0, chosen.1);
        });
        assert_eq!(variables, [format!("{}={}", chosen.0, chosen.1)]);
    }
}
