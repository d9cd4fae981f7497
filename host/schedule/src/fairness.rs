//! Fair shares between owners: what each has been served, and whose turn is next.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", 1996): each owner has a
//! virtual time, which is the number of tokens charged to it divided by its weight. The owner with
//! the lowest virtual time goes next. An owner that arrives or returns starts at the virtual time
//! of the last served owner, so an owner can neither save up credit while idle nor be penalised for
//! having used the model alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use mynah_core::{Owner, OwnerShare};

/// Maximum number of accounts kept for idle owners. Named owners and those charged more than others
/// are kept first. An owner whose account was removed starts as a new one.
const MAX_IDLE: usize = 1024;

/// The accounts of all owners.
#[derive(Debug, Default)]
pub struct Fairness {
    /// Owners with requests, at most as many as there are requests.
    active: HashMap<Arc<str>, Account>,
    /// Owners without requests.
    idle: HashMap<Arc<str>, Account>,
    // Virtual time of the last served owner.
    now: f64,
}

#[derive(Debug, Default)]
struct Account {
    weight: u32,
    virtual_time: f64,
    // Tokens computed for the owner.
    served: u64,
    // Tokens computed since the number of active owners last increased.
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
    /// Counts a new request of this owner.
    pub fn join(&mut self, owner: &Owner) {
        if self.active.is_empty() {
            // No owner competes, so no owner has credit or debt.
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

    /// Counts the end of a request of this owner.
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

    /// Charges an owner whose request starts for all of its prompt tokens, so that the owner cannot
    /// take all sequences at once.
    pub fn begin(&mut self, owner: &Owner, prompt_tokens: u32) {
        if let Some(account) = self.account_mut(owner) {
            let begun = account.virtual_time;
            account.virtual_time += f64::from(prompt_tokens) / account.weight();
            self.now = self.now.max(begun);
        }
    }

    /// Takes back the charge for prompt tokens that need not be computed.
    pub fn refund(&mut self, owner: &Owner, prompt_tokens: u32) {
        if let Some(account) = self.account_mut(owner) {
            account.virtual_time -= f64::from(prompt_tokens) / account.weight();
        }
    }

    /// Counts computed tokens of this owner: prompt tokens, which were charged at the start, and
    /// answer tokens, which are charged now.
    pub fn serve(&mut self, owner: &Owner, prompt_tokens: u32, answer_tokens: u32) {
        if let Some(account) = self.account_mut(owner) {
            let tokens = u64::from(prompt_tokens) + u64::from(answer_tokens);
            account.served += tokens;
            account.window += tokens;
            account.virtual_time += f64::from(answer_tokens) / account.weight();
        }
    }

    /// The tokens charged to this owner, divided by its weight. The lowest goes next.
    pub fn virtual_time(&self, owner: &Owner) -> f64 {
        let account = self.active.get(owner.key());
        let account = account.or_else(|| self.idle.get(owner.key()));
        account.map_or(self.now, |account| account.virtual_time)
    }

    /// Jain's index over the weighted shares of the active owners since their number last
    /// increased: (sum x)^2 / (n * sum x^2). 1.0 is an even share, 1/n means that one owner got
    /// everything. 1.0 if fewer than two compete.
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
        // An owner alone has all of its share, whatever that is.
        if squares == 0.0 {
            1.0
        } else {
            sum * sum / (shares.len() as f64 * squares)
        }
    }

    /// The known owners by name.
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

    /// Removes accounts of idle owners beyond the limit, those with the lowest charge first. It
    /// runs once per `MAX_IDLE` owners, so its cost per owner is small.
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
    fn prompts_and_answers_are_charged_and_refunded_by_weight() {
        let owner = Owner::named("a").with_weight(4);
        let mut fairness = Fairness::default();
        fairness.join(&owner);
        fairness.begin(&owner, 400);
        assert_eq!(fairness.virtual_time(&owner), 100.0);
        // Its prompt was charged when it began.
        fairness.serve(&owner, 400, 40);
        assert_eq!(fairness.virtual_time(&owner), 110.0);
        fairness.refund(&owner, 200);
        assert_eq!(fairness.virtual_time(&owner), 60.0);
        assert_eq!(fairness.shares()[0].served_tokens, 440);
    }

    #[test]
    fn the_status_has_each_owner_by_name_with_its_weight_tokens_and_requests() {
        let (a, b) = (Owner::named("a").with_weight(4), Owner::named("b"));
        let mut fairness = Fairness::default();
        for owner in [&b, &a, &a] {
            fairness.join(owner);
        }
        fairness.serve(&a, 30, 4);
        fairness.leave(&b);
        let shares = fairness.shares();
        let told = shares.iter().map(|share| {
            let name = &*share.name;
            (name, share.weight, share.served_tokens, share.requests)
        });
        assert_eq!(told.collect::<Vec<_>>(), [("a", 4, 34, 2), ("b", 1, 0, 0)]);
    }

    #[test]
    fn an_owner_that_returns_keeps_its_debt_while_others_compete() {
        let (a, b) = (Owner::named("a"), Owner::named("b"));
        let mut fairness = Fairness::default();
        fairness.join(&a);
        fairness.join(&b);
        fairness.begin(&a, 100);
        fairness.begin(&b, 10);
        fairness.leave(&a);
        fairness.join(&a);
        assert_eq!(fairness.virtual_time(&a), 100.0);
        // One request of two is no end.
        fairness.join(&b);
        fairness.leave(&b);
        assert_eq!((fairness.active.len(), fairness.idle.len()), (2, 0));
        fairness.leave(&a);
        fairness.leave(&b);
        assert_eq!((fairness.active.len(), fairness.idle.len()), (0, 2));
        // An owner that is charged while idle owes that.
        fairness.begin(&a, 1);
        fairness.refund(&b, 5);
        fairness.serve(&b, 0, 2);
        assert_eq!(fairness.virtual_time(&a), 101.0);
        assert_eq!(fairness.virtual_time(&b), 7.0);
        // With nobody left, all begin anew.
        fairness.join(&b);
        assert_eq!(
            (fairness.virtual_time(&a), fairness.virtual_time(&b)),
            (0.0, 0.0)
        );
    }

    #[test]
    fn the_end_of_a_request_of_an_unknown_owner_changes_nothing() {
        let mut fairness = Fairness::default();
        fairness.join(&Owner::named("a"));
        fairness.leave(&Owner::named("b"));
        assert_eq!(fairness.shares().len(), 1);
    }

    #[test]
    fn one_owner_alone_or_nothing_computed_is_an_even_share() {
        let owners = [Owner::named("a"), Owner::named("b")];
        let mut fairness = Fairness::default();
        assert_eq!(fairness.index(), 1.0);
        fairness.join(&owners[0]);
        fairness.serve(&owners[0], 7, 0);
        assert_eq!(fairness.index(), 1.0);
        // The share of one that comes later counts from then on.
        fairness.join(&owners[1]);
        assert_eq!(fairness.index(), 1.0);
        fairness.serve(&owners[1], 7, 0);
        assert_eq!(fairness.index(), 0.5);
    }

    #[test]
    fn of_too_many_idle_owners_those_charged_the_most_are_kept() {
        let mut fairness = Fairness::default();
        let stays = Owner::named("stays");
        fairness.join(&stays);
        let idle = |fairness: &mut Fairness, number: usize| {
            let owner = Owner::named(format!("{number}"));
            fairness.join(&owner);
            // The later ones are charged less.
            fairness.begin(&owner, 10_000 - number as u32);
            fairness.leave(&owner);
        };
        for number in 0..2 * MAX_IDLE {
            idle(&mut fairness, number);
        }
        assert_eq!(fairness.idle.len(), 2 * MAX_IDLE);
        idle(&mut fairness, 2 * MAX_IDLE);
        assert_eq!(fairness.idle.len(), MAX_IDLE);
        assert!((0..MAX_IDLE).all(|number| fairness.idle.contains_key(&*format!("{number}"))));
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
        /// For any weights and request sizes: while all owners have requests waiting, no owner is
        /// ahead of another by more than the largest request of each.
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
