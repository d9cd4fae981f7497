//! Holds GBNF grammars as Mynah reads them against llama.cpp's own reader.
//!
//! Random grammars, with odd ones and broken ones among them, and random texts: both readers take
//! the same grammars, and a grammar that both take allows the same texts. `DIFFERENCES` and
//! `NOT_TAKEN` list what differs on purpose, as `docs/supported.md` says.
//!
//! llama.cpp's reader ends the process on some grammars, and never ends on others. So it runs in
//! another process with little memory. `PROPTEST_CASES` and `PROPTEST_RNG_SEED` try others.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking; clippy.toml reaches only into `#[test]` functions"
)]

mod grammars;
mod peer;
mod words;

use std::cell::RefCell;
use std::sync::Arc;

use mynah_core::TokenId;
use mynah_grammar::{Constraint, ConstraintError, Grammars};
use mynah_settings::OutputForm;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use peer::{Peer, Read};
use words::{TINY, Words};

/// Why Mynah refuses a grammar that llama.cpp takes.
const NOT_TAKEN: [&str; 5] = [
    // `[z-a]`, `[]`.
    "has no character: it ends before it begins",
    "no character between",
    // Nothing can ever match.
    "no text has this",
    "this token ends the answer",
    "the vocabulary has no single token `<[",
];

/// Why llama.cpp refuses a grammar that Mynah takes.
const DIFFERENCES: [&str; 3] = [
    "left recursion detected",
    "exceeds sane defaults",
    // A group of a definition that another one replaced refers to it, or its rule is not used.
    "Undefined rule",
];

/// What the test has compared.
#[derive(Debug, Default)]
struct Count {
    grammars: usize,
    both_take: usize,
    both_refuse: usize,
    differ_on_purpose: usize,
    /// llama.cpp ended its process, or either ran into its bounds.
    lost: usize,
    texts: usize,
    accepted: usize,
}

#[test]
fn grammars_mean_what_they_mean_to_llama_cpp() {
    let from_env = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&from_env("PROPTEST_RNG_SEED").unwrap_or(1).to_le_bytes());
    let config = Config {
        cases: from_env("PROPTEST_CASES").map_or(600, |cases| cases.try_into().unwrap()),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let both = Both::new();
    let strategy = (grammars::grammars(), grammars::texts(), any::<u32>());
    let outcome = runner.run(&strategy, |(grammar, texts, seed)| {
        both.compare(&grammar, texts, seed)
            .map_err(TestCaseError::fail)
    });
    let count = both.count.borrow();
    if let Err(TestError::Fail(reason, (grammar, ..))) = outcome {
        panic!("{reason}\n{grammar:?}\n{grammar}\n{count:?}");
    }
    eprintln!("{count:?}");
    assert!(count.both_take > count.grammars / 4, "{count:?}");
    assert!(count.both_refuse > count.grammars / 20, "{count:?}");
    assert!(count.accepted > count.texts / 20, "{count:?}");
    assert!(count.lost < count.grammars / 10, "{count:?}");
}

/// The process of llama.cpp's reader.
#[test]
#[ignore = "the other process of the test above starts it"]
fn llama_cpp_reads() {
    peer::serve();
}

/// Both readers.
struct Both {
    mynah: Grammars,
    llama: RefCell<Peer>,
    count: RefCell<Count>,
}

impl Both {
    fn new() -> Self {
        Self {
            mynah: Grammars::new(Arc::new(Words)),
            llama: RefCell::new(Peer::start()),
            count: RefCell::default(),
        }
    }

    fn compare(&self, grammar: &str, texts: Vec<Vec<usize>>, seed: u32) -> Result<(), String> {
        let mut count = self.count.borrow_mut();
        count.grammars += 1;
        let ours = self.mynah.constraint(&OutputForm::Gbnf(grammar.to_owned()));
        let mut texts: Vec<Vec<u32>> = texts
            .into_iter()
            .map(|text| text.into_iter().map(words::character).collect())
            .collect();
        if ours.is_ok() {
            let walks = (0..4).map(|walk| self.walk(grammar, seed.wrapping_add(walk)));
            let Ok(walks) = walks.collect::<Result<Vec<_>, ConstraintError>>() else {
                count.lost += 1;
                return Ok(());
            };
            texts.extend(walks);
        }
        let theirs = self.llama.borrow_mut().read(grammar, &texts, seed);
        let Some(theirs) = theirs else {
            count.lost += 1;
            return Ok(());
        };
        let is_known = |list: &[&str], reason: &str| list.iter().any(|one| reason.contains(one));
        match (&ours, theirs) {
            (Ok(_), Read::Taken(theirs)) => {
                count.both_take += 1;
                // Mynah does not begin what can't be ended.
                let may_be_dead = ["\\x00", "\\u", "\\U"]
                    .iter()
                    .any(|one| grammar.contains(one));
                for text in theirs {
                    let Ok((length, may_end)) = self.follow(grammar, &text.ids) else {
                        count.lost += 1;
                        return Ok(());
                    };
                    let is_same = may_end == text.may_end
                        && (length == text.length || (length < text.length && may_be_dead));
                    if !is_same {
                        return Err(format!(
                            "{:?}: Mynah allows {length} tokens (end: {may_end}), llama.cpp {} \
                             (end: {})",
                            words::text(&text.ids),
                            text.length,
                            text.may_end
                        ));
                    }
                    count.texts += 1;
                    count.accepted += usize::from(may_end);
                }
            }
            (Err(_), Read::Refused(_)) => count.both_refuse += 1,
            (Err(reason), Read::Taken(_)) => {
                let reason = reason.to_string();
                if !is_known(&NOT_TAKEN, &reason) {
                    return Err(format!("llama.cpp takes it, but Mynah says: {reason}"));
                }
                count.differ_on_purpose += 1;
            }
            (Ok(_), Read::Refused(reason)) => {
                if !is_known(&DIFFERENCES, &reason) {
                    return Err(format!("Mynah takes it, but llama.cpp says: {reason}"));
                }
                count.differ_on_purpose += 1;
            }
        }
        Ok(())
    }

    fn constraint(&self, grammar: &str) -> Constraint {
        let form = OutputForm::Gbnf(grammar.to_owned());
        self.mynah.constraint(&form).expect("it was taken before")
    }

    /// How many of the tokens Mynah allows, and whether the answer may end after all of them.
    fn follow(&self, grammar: &str, ids: &[u32]) -> Result<(usize, bool), ConstraintError> {
        let mut constraint = self.constraint(grammar);
        for (length, &id) in ids.iter().enumerate() {
            let token = TokenId(id.cast_signed());
            if constraint.is_complete() || !constraint.allows(token)? {
                return Ok((length, false));
            }
            constraint.accept(token)?;
        }
        let end = TokenId(words::END.cast_signed());
        let may_end = constraint.is_complete() || constraint.allows(end)?;
        Ok((ids.len(), may_end))
    }

    /// A random text that Mynah allows.
    fn walk(&self, grammar: &str, seed: u32) -> Result<Vec<u32>, ConstraintError> {
        let mut constraint = self.constraint(grammar);
        let mut failed = None;
        let walked = words::walk(seed, |id| {
            let token = TokenId(id.cast_signed());
            let mut accept = || {
                let is_allowed = !constraint.is_complete() && constraint.allows(token)?;
                if is_allowed {
                    constraint.accept(token)?;
                }
                Ok(is_allowed)
            };
            accept().unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        });
        failed.map_or(Ok(walked), Err)
    }
}

#[test]
fn both_readers_know_the_same_tokens() {
    assert_eq!(words::all().len(), 3 + 256 + TINY.len());
}
