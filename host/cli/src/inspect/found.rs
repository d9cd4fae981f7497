//! The report on a guest, and the grants that it may name.

use std::collections::BTreeSet;

/// The report on a guest of either kind.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Each import, with a note on whether the host serves it.
    pub(super) imports: BTreeSet<String>,
    pub(super) exports: BTreeSet<String>,
    /// Whether the host can run the guest, and why.
    pub(super) runs: &'static str,
    /// Flags of `mynah run` that the guest needs.
    pub(super) grants: Vec<&'static str>,
}

/// For guests that load a model by name.
pub(super) const MODEL: &str = "--model NAME=PATH for each model that it loads by name";
pub(super) const DIR: &str = "--dir HOST::GUEST for each folder that it opens, if any";
pub(super) const ENV: &str = "--env KEY=VALUE for each variable that it reads, if any";
