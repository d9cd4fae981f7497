//! Gives a request a number, and the cells of its session's entry if they serve it.

use mynah_core::{Owner, TokenId};
use mynah_schedule::{Alignment, Location, align, common};

use super::entry::{CacheEntry, SequenceId, Wanted};
use super::manager::CacheManager;
use crate::decode::executor::Executor;

/// Tokens that a piece must have to be worth moving. Each piece costs a rotation of its keys, and
/// shorter ones are alike by chance.
const LEAST_PIECE: usize = 64;

/// A request that is to run.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct Arrival<'a> {
    pub(in crate::decode) owner: &'a Owner,
    pub(in crate::decode) session: u64,
    pub(in crate::decode) prompt: &'a [TokenId],
    pub(in crate::decode) uses_cache: bool,
    pub(in crate::decode) context_shifting: bool,
    pub(in crate::decode) deterministic: bool,
}

/// Where a request begins.
#[derive(Debug)]
pub(in crate::decode) struct Admitted {
    pub(in crate::decode) id: SequenceId,
    pub(in crate::decode) reused: Reused,
    /// Set if more of the session's entry could be reused with a context that can be shifted: the
    /// number of tokens that are reused now.
    pub(in crate::decode) cannot_shift: Option<u32>,
}

/// The part of its session's entry that a request has in its cells.
#[derive(Debug)]
pub(in crate::decode) enum Reused {
    Nothing,
    /// This number of tokens at the beginning.
    Prefix(u32),
    /// Pieces, which are yet to be moved.
    Pieces(Alignment),
}

/// The entry of a request's session, and the part that the request can reuse.
#[derive(Debug)]
struct OwnEntry {
    /// Its index in the prefix cache.
    index: usize,
    /// The number whose cells hold it; `None` if it is in host memory.
    resident: Option<SequenceId>,
    found: Alignment,
    /// Whether more than half of it can be reused.
    is_most: bool,
    /// Whether more of it could be reused if it could be moved.
    is_stuck: bool,
}

impl OwnEntry {
    /// Whether pieces of it need to be moved.
    fn moves(&self) -> bool {
        !self.found.gaps.is_empty()
    }

    /// Whether it is in host memory, and is to be brought back as a whole so that pieces can be
    /// moved. Its prefix alone is found like that of any other entry.
    fn is_worth_it(&self) -> bool {
        self.resident.is_none() && self.is_most && self.moves()
    }
}

impl<C: Executor> CacheManager<C> {
    /// Gives a request the cells of its session's entry if they serve, else a free number. `None`
    /// if there is neither ([`available_sequences`](Self::available_sequences)).
    pub(in crate::decode) fn admit(&mut self, arrival: Arrival<'_>) -> Option<Admitted> {
        let own = self.own_entry(arrival);
        let cells = own.as_ref().and_then(|own| self.take_cells(own));
        let id = cells.or_else(|| self.number())?;
        let Some(own) = own else {
            return Some(Admitted {
                id,
                reused: Reused::Nothing,
                cannot_shift: None,
            });
        };
        if own.is_stuck {
            self.counters.shifts += 1;
            self.counters.reevaluated += 1;
        }
        let cannot_shift = own.is_stuck.then_some(own.found.kept);
        let is_there =
            cells.is_some() || (own.is_worth_it() && self.bring_back(id, arrival.session));
        let reused = if is_there && own.moves() {
            Reused::Pieces(own.found)
        } else if is_there {
            Reused::Prefix(self.kv.truncate(id, own.found.prefix))
        } else {
            Reused::Nothing
        };
        Some(Admitted {
            id,
            reused,
            cannot_shift,
        })
    }

    fn own_entry(&self, arrival: Arrival<'_>) -> Option<OwnEntry> {
        if !arrival.uses_cache {
            return None;
        }
        let index = self.entries.of_session(arrival.session)?;
        let entry = self.entries.get(index)?;
        let deterministic = arrival.deterministic;
        let wanted = Wanted::new(arrival.owner, arrival.prompt, deterministic).tokens;
        let alike = common(&entry.tokens, wanted);
        let prefix = self.reusable_tokens(deterministic, alike, entry.exact);
        let executor = self.kv.executor();
        let usable = match &entry.location {
            Location::Resident(id) => executor.usable(*id, prefix),
            Location::Saved(state) => state.usable(prefix),
        };
        let mut found = Alignment::prefix(usable);
        let mut is_stuck = false;
        let pieces = arrival
            .context_shifting
            .then(|| align(&entry.tokens, wanted, LEAST_PIECE));
        if let Some(pieces) = pieces
            && let Some((first, last)) = pieces.gaps.first().zip(pieces.last_piece())
        {
            let may_move = match &entry.location {
                Location::Resident(id) => {
                    executor.may_move(*id, last) && !self.kv.is_shared(*id, first.start)
                }
                Location::Saved(state) => executor.can_shift() && state.may_move(last),
            };
            if may_move && !deterministic && executor.cuts_anywhere() {
                found = pieces;
            } else {
                is_stuck = true;
            }
        }
        Some(OwnEntry {
            index,
            resident: entry.resident(),
            is_most: u64::from(found.kept) * 2 > u64::from(entry.len()),
            found,
            is_stuck,
        })
    }

    /// Takes the cells of an entry if more than half of its tokens can be reused. Otherwise the
    /// entry stays, because another request may need it.
    fn take_cells(&mut self, own: &OwnEntry) -> Option<SequenceId> {
        let id = own.resident?;
        if own.is_most || (self.is_full() && own.found.kept > 0) {
            self.entries.take(own.index);
            return Some(id);
        }
        None
    }

    /// Puts the session's entry from host memory into the cells of this number, as a whole. Returns
    /// whether it could.
    fn bring_back(&mut self, id: SequenceId, session: u64) -> bool {
        // Finding the number may have evicted entries, which changes their indices.
        let Some(index) = self.entries.of_session(session) else {
            return false;
        };
        let tokens = self.entries.get(index).map_or(0, CacheEntry::len);
        // With one pool, no sequence is parked for tokens that are removed again before the next
        // step.
        let headroom = self.active().len() as u64;
        let has_room = self
            .available_cells()
            .is_none_or(|cells| cells >= u64::from(tokens) + headroom);
        has_room && tokens > 0 && self.restore_entry(index, id, session, tokens) == tokens
    }
}
