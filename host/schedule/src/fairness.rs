//! What each owner has been served, and whose turn it is.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", 1996): each owner has a
//! virtual time, which is the tokens that it was charged divided by its weight; the owner whose
//! virtual time is lowest goes next. One that comes or comes back starts at the time of the last
//! that was served, so nobody saves up while idle and nobody is punished for having had the model
//! alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use mynah_core::{Owner, OwnerShare};

/// Owners that want nothing now but are remembered, at most: the operator's names and instances
/// that were charged more than others. Who is forgotten starts like somebody new.
const MAX_IDLE: usize = 1024;

/// What each owner has been served.
#[derive(Debug, Default)]
pub struct Fairness {
    /// Owners that want something now: as many as there are requests, at most.
    active: HashMap<Arc<str>, Account>,
    /// The others.
    idle: HashMap<Arc<str>, Account>,
    // Virtual time of the last owner that was served.
    now: f64,
}

#[derive(Debug, Default)]
struct Account {
    weight: u32,
    virtual_time: f64,
    // Tokens computed for it.
    served: u64,
    // The same, since the owners that want something last became more.
    window: u64,
    // Requests that wait, run or are parked.
    requests: usize,
}

impl Account {
    fn weight(&self) -> f64 {
        f64::from(self.weight.max(1))
    }
}

impl Fairness {
    /// A request of this owner arrives.
    pub fn join(&mut self, owner: &Owner) {
        if self.active.is_empty() {
            // Nobody competes: whatever was, nobody owes anybody.
            self.now = 0.0;
            for account in self.idle.values_mut() {
                account.virtual_time = 0.0;
            }
        }
        if !self.active.contains_key(owner.key()) {
            let mut account = self.idle.remove(owner.key()).unwrap_or_default();
            account.virtual_time = account.virtual_time.max(self.now);
            self.active.insert(Arc::clone(owner.key()), account);
            for account in self.active.values_mut() {
                account.window = 0;
            }
        }
        if let Some(account) = self.active.get_mut(owner.key()) {
            account.weight = owner.weight();
            account.requests += 1;
        }
    }

    /// A request of this owner has ended, however.
    pub fn leave(&mut self, owner: &Owner) {
        let Entry::Occupied(mut entry) = self.active.entry(Arc::clone(owner.key())) else {
            return;
        };
        entry.get_mut().requests -= 1;
        if entry.get().requests == 0 {
            let (name, account) = entry.remove_entry();
            self.idle.insert(name, account);
            self.forget();
        }
    }

    /// A request of this owner begins, and will compute so many tokens for its prompt: it is
    /// charged for them now, so that an owner can't take all places at once.
    pub fn begin(&mut self, owner: &Owner, prompt_tokens: u32) {
        if let Some(account) = self.account_mut(owner) {
            let begun = account.virtual_time;
            account.virtual_time += f64::from(prompt_tokens) / account.weight();
            self.now = self.now.max(begun);
        }
    }

    /// So many tokens of a prompt that it was charged for need not be computed.
    pub fn refund(&mut self, owner: &Owner, prompt_tokens: u32) {
        if let Some(account) = self.account_mut(owner) {
            account.virtual_time -= f64::from(prompt_tokens) / account.weight();
        }
    }

    /// So many tokens were computed for this owner: of prompts, which it was charged for when it
    /// began, and of answers.
    pub fn serve(&mut self, owner: &Owner, prompt_tokens: u32, answer_tokens: u32) {
        if let Some(account) = self.account_mut(owner) {
            let tokens = u64::from(prompt_tokens) + u64::from(answer_tokens);
            account.served += tokens;
            account.window += tokens;
            account.virtual_time += f64::from(answer_tokens) / account.weight();
        }
    }

    /// Tokens that this owner was charged, over its weight; the lowest goes next.
    pub fn virtual_time(&self, owner: &Owner) -> f64 {
        let account = self.active.get(owner.key());
        let account = account.or_else(|| self.idle.get(owner.key()));
        account.map_or(self.now, |account| account.virtual_time)
    }

    /// Jain's index over what the owners that want something were served, by weight, since they
    /// last became more: (sum x)^2 / (n * sum x^2). 1.0 is an even share, 1/n is all for one; 1.0
    /// where fewer than two compete.
    ///
    /// Source: Jain, Chiu, Hawe: "A Quantitative Measure of Fairness" (1984).
    #[expect(
        clippy::cast_precision_loss,
        reason = "token counts are far below 2^52"
    )]
    pub fn index(&self) -> f64 {
        let shares: Vec<f64> = self
            .active
            .values()
            .map(|account| account.window as f64 / account.weight())
            .collect();
        let sum: f64 = shares.iter().sum();
        let squares: f64 = shares.iter().map(|share| share * share).sum();
        if shares.len() < 2 || squares == 0.0 {
            1.0
        } else {
            sum * sum / (shares.len() as f64 * squares)
        }
    }

    /// The owners that are known, by name.
    pub fn shares(&self) -> Vec<OwnerShare> {
        let mut shares: Vec<OwnerShare> = self
            .active
            .iter()
            .chain(&self.idle)
            .map(|(name, account)| OwnerShare {
                name: Arc::clone(name),
                weight: account.weight,
                served_tokens: account.served,
                requests: account.requests,
            })
            .collect();
        shares.sort_by(|a, b| a.name.cmp(&b.name));
        shares
    }

    fn account_mut(&mut self, owner: &Owner) -> Option<&mut Account> {
        let account = self.active.get_mut(owner.key());
        account.or_else(|| self.idle.get_mut(owner.key()))
    }

    /// Forgets owners that want nothing, beyond those that may be remembered; who was charged least
    /// goes first. Once for as many as may be remembered, so that it costs each that leaves little.
    fn forget(&mut self) {
        if self.idle.len() <= 2 * MAX_IDLE {
            return;
        }
        let idle = self.idle.iter();
        let mut idle: Vec<(f64, Arc<str>)> = idle
            .map(|(name, account)| (account.virtual_time, Arc::clone(name)))
            .collect();
        idle.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, name) in idle.iter().take(idle.len() - MAX_IDLE) {
            self.idle.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_comes_late_neither_owes_nor_is_owed() {
        let (old, new) = (Owner::named("old"), Owner::named("new"));
        let mut fairness = Fairness::default();
        fairness.join(&old);
        fairness.begin(&old, 1000);
        fairness.serve(&old, 1000, 500);
        fairness.begin(&old, 10);
        fairness.join(&new);
        assert_eq!(fairness.virtual_time(&new), 1500.0);
        assert!(fairness.virtual_time(&old) > fairness.virtual_time(&new));
    }

    #[test]
    fn the_index_is_one_for_even_shares_and_low_for_uneven_ones() {
        let owners = [Owner::named("a"), Owner::named("b").with_weight(3)];
        let mut fairness = Fairness::default();
        owners.iter().for_each(|owner| fairness.join(owner));
        fairness.serve(&owners[0], 0, 100);
        assert!((fairness.index() - 0.5).abs() < 1e-9);
        fairness.serve(&owners[1], 0, 300);
        assert!((fairness.index() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn idle_owners_are_remembered_up_to_a_bound() {
        let mut fairness = Fairness::default();
        let stays = Owner::named("stays");
        fairness.join(&stays);
        for _ in 0..5 * MAX_IDLE {
            let owner = Owner::unique();
            fairness.join(&owner);
            fairness.leave(&owner);
        }
        assert!(fairness.idle.len() <= 2 * MAX_IDLE);
        assert!(fairness.active.contains_key("stays"));
    }

    proptest! {
        /// Whatever the owners' weights and the sizes of their requests: while all of them want
        /// more than there is, no owner is ahead of another by more than its largest request and
        /// the other's.
        #[test]
        fn nobody_gets_ahead_by_more_than_a_request(
            weights in prop::collection::vec(1u32..5, 2..6),
            sizes in prop::collection::vec((1u32..100, 1u32..100), 1..200),
        ) {
            let owners: Vec<Owner> = (0..)
                .zip(&weights)
                .map(|(n, &weight)| Owner::named(format!("{n}")).with_weight(weight))
                .collect();
            let mut fairness = Fairness::default();
            owners.iter().for_each(|owner| fairness.join(owner));
            for (prompt, answer) in sizes {
                let next = owners
                    .iter()
                    .min_by(|a, b| fairness.virtual_time(a).total_cmp(&fairness.virtual_time(b)))
                    .unwrap();
                fairness.begin(next, prompt);
                fairness.serve(next, prompt, answer);
                let times: Vec<f64> = owners.iter().map(|o| fairness.virtual_time(o)).collect();
                let most = times.iter().copied().fold(f64::MIN, f64::max);
                let least = times.iter().copied().fold(f64::MAX, f64::min);
                prop_assert!(most - least <= 200.0, "{times:?}");
            }
        }
    }
}
