//! Checks the flags in `docs/migrating.md` against the command. The engine's tests check its keys.

use std::collections::BTreeSet;

use crate::support::command::run;

const PAGE: &str = include_str!("../../../docs/migrating.md");

#[test]
fn every_flag_of_ours_that_the_page_names_is_there() {
    // The second cell of a row has Mynah's spelling.
    let here = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').nth(1));
    let codes = here.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let words = codes.flat_map(str::split_whitespace);
    let flags: BTreeSet<&str> = words.filter(|word| word.starts_with("--")).collect();
    assert!(flags.len() > 20, "{flags:?}");
    let help = run(&["run", "--help"]).stdout;
    let known: BTreeSet<&str> = help
        .split(|c: char| c.is_whitespace() || "[=,`".contains(c))
        .filter(|word| word.starts_with("--"))
        .collect();
    let missing: Vec<_> = flags.difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?} are not among {known:?}");
}
