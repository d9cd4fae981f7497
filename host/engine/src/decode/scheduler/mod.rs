//! Which requests run: admission, parking, and the plan of each step.
//!
//! [`Scheduler`] owns the running and the parked sequences, and takes requests out of the queue. It
//! asks the [`CacheManager`] for cells; `mynah_schedule` has the rules, which are pure.

mod admission;
mod context_shift;
mod parked;
mod prefix_reuse;
mod running;

use std::time::{Duration, Instant};

use mynah_core::{Error, RequestOutcome, SessionState, Status};
use mynah_llama::ContextParams;
use mynah_schedule::{Need, Planner, StepBudget, Turn, Want};
use parked::Parked;
use running::Running;

use super::WorkerParams;
use super::cache::{CacheManager, SequenceId};
use super::executor::Executor;
use super::request_queue::{RequestQueue, SessionPosition};
use super::sequence::Sequence;

/// Owns the sequences that run and those that are parked, and plans their steps.
pub(super) struct Scheduler<'a> {
    queue: &'a RequestQueue,
    pub(super) running: Running,
    parked: Vec<Parked>,
    planner: Planner,
    step_budget: StepBudget,
    context: ContextParams,
    ageing: Duration,
    counters: Counters,
}

/// Counters since the model was loaded.
#[derive(Debug, Default)]
struct Counters {
    preempted: u64,
    exhausted: u64,
    resumed: u64,
    /// Sequences that are computed again because their state was not kept.
    recomputed: u64,
}

/// Tokens that each running sequence computes in a step.
pub(super) type StepPlan = Vec<(SequenceId, u32)>;

impl<'a> Scheduler<'a> {
    pub(super) fn new(params: &WorkerParams, queue: &'a RequestQueue) -> Self {
        Self {
            queue,
            running: Running::default(),
            parked: Vec::new(),
            planner: Planner::new(params.context.batch, params.context.split),
            step_budget: StepBudget::default(),
            context: params.context,
            ageing: params.config.ageing,
            counters: Counters::default(),
        }
    }

    /// Tokens of a prompt in one step of a deterministic sequence.
    pub(super) fn chunk(&self) -> u32 {
        self.planner.chunk()
    }

    /// Sequences that are parked.
    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// The running sequences that were cancelled or have had their time.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(SequenceId, RequestOutcome<Error>)> {
        let all = self.running.iter_mut();
        all.filter_map(|sequence| {
            sequence.note_pause(now);
            Some((sequence.id, sequence.must_end(now)?))
        })
        .collect()
    }

    /// Takes out the parked sequences that were cancelled or have had their time.
    pub(super) fn take_due_parked(
        &mut self,
        now: Instant,
    ) -> Vec<(Sequence, RequestOutcome<Error>)> {
        let due = self
            .parked
            .extract_if(.., |parked| parked.sequence.must_end(now).is_some());
        due.filter_map(|parked| {
            let outcome = parked.sequence.must_end(now)?;
            Some((parked.sequence, outcome))
        })
        .collect()
    }

    /// Takes out all parked sequences.
    pub(super) fn take_parked(&mut self) -> impl Iterator<Item = Sequence> + use<> {
        let parked = std::mem::take(&mut self.parked);
        parked.into_iter().map(|parked| parked.sequence)
    }

    /// The next time at which a sequence has had its time.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let parked = self.parked.iter().map(|parked| &parked.sequence);
        let all = self.running.iter().chain(parked);
        all.filter_map(Sequence::deadline).min()
    }

    /// The plan of the next step; `None` if no sequence needs one.
    pub(super) fn plan(&mut self, cache: &CacheManager<impl Executor>) -> Option<StepPlan> {
        let wants = self.wants();
        let decodes = |want: &&Want| !want.alone && want.need == Need::Decode;
        let decoding = wants.iter().filter(decodes).count();
        let prompts = wants.iter().filter_map(|want| match want.need {
            Need::Prefill(tokens) if !want.alone => Some(tokens),
            Need::Prefill(_) | Need::Decode | Need::Nothing => None,
        });
        let budget = self.step_budget.tokens(decoding, prompts);
        let turn = self.planner.next(&wants, budget, cache.free_cells())?;
        let ids = wants.iter().map(|want| want.id);
        Some(match turn {
            Turn::Shared(shares) => ids.zip(shares).collect(),
            Turn::Alone { index, tokens } => ids
                .enumerate()
                .map(|(other, id)| (id, if other == index { tokens } else { 0 }))
                .collect(),
        })
    }

    /// Records the duration of a step with prompts, and its number of tokens.
    pub(super) fn note_step(&mut self, tokens: usize, took: Duration) {
        self.step_budget.note(tokens, took);
    }

    fn wants(&self) -> Vec<Want> {
        self.running.iter().map(Sequence::want).collect()
    }

    /// Drops all sequences: their readers get an error.
    pub(super) fn abandon(&mut self) {
        self.running.clear();
        self.parked.clear();
    }

    /// Adds the scheduler's state to a status.
    pub(super) fn report(&self, status: &mut Status) {
        status.running += self.running.len();
        status.parked = self.parked.len();
        status.preempted = self.counters.preempted;
        status.exhausted = self.counters.exhausted;
        status.resumed = self.counters.resumed;
        status.recomputed += self.counters.recomputed;
    }

    /// The sessions that have a sequence.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionPosition> {
        let position = |one: &Sequence, state| SessionPosition {
            session: one.session,
            state,
            tokens: one.len(),
        };
        let running = self.running.iter();
        let running = running.map(move |one| position(one, SessionState::Running));
        let parked = self.parked.iter();
        running.chain(parked.map(move |one| position(&one.sequence, SessionState::Preempted)))
    }
}
