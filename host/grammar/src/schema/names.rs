//! Names of properties that a schema does not list: `additionalProperties`, `patternProperties` and
//! `propertyNames`.
//!
//! Each name has one spelling in an answer, and no name is listed and free. Whether a free name is
//! there already is not for the grammar to say, but for [`Keys`](super::keys::Keys).

use std::collections::HashMap;

use llguidance::derivre::{Regex, RegexAst, StateID};

use super::compile::{Compiler, spelled};
use super::document::NodeId;
use super::expand::at;
use super::shape::{Shape, Type};
use super::text;
use super::valid::compiled;

/// Maximum number of patterns for names of one object, because they are compared with each other.
const MAX_PATTERNS: usize = 32;

/// Maximum number of patterns in all combinations of them that names may match.
const MAX_COMBINED: usize = 64;

/// Maximum number of names that are listed instead of followed by their expression.
const MAX_LISTED: u64 = 64;

/// Maximum number of states of an expression in which names are counted.
const MAX_STATES: usize = 2_000;

/// The names of an object that are not declared.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Few names, which count as declared.
    pub(super) listed: Vec<String>,
    pub(super) free: Vec<Language>,
}

/// Names that have the same schemas.
#[derive(Debug)]
pub(super) struct Language {
    /// The names in quotes, each in one spelling.
    pub(super) spelled: RegexAst,
    /// The schemas of their values.
    pub(super) nodes: Vec<NodeId>,
    /// How many names there are. `None`: without end.
    pub(super) count: Option<u64>,
    /// Whether a name that is begun may be one that is there already, with no way to go on.
    pub(super) runs_out: bool,
}

impl Compiler<'_> {
    /// The names of an object beside those that are declared.
    pub(super) fn names(
        &mut self,
        shape: &Shape<'_>,
        declared: &[String],
    ) -> Result<Names, String> {
        let mut names = Names::default();
        let rule = match self.name_rule(shape)? {
            NameRule::Listed(listed) => {
                let mut listed = listed;
                listed.retain(|name| !declared.contains(name));
                names.listed = listed;
                return Ok(names);
            }
            NameRule::Any => None,
            NameRule::Expression(regex) => Some(regex),
        };
        let patterns = self.name_patterns(shape);
        if patterns.len() > MAX_PATTERNS {
            let place = patterns.last().map_or("", |(_, place)| place);
            return Err(at(
                place,
                &format!(
                    "an object has {} patterns for names, the maximum is {MAX_PATTERNS}",
                    patterns.len()
                ),
            ));
        }
        let place = match patterns.first() {
            Some((_, place)) => place.clone(),
            None => self.place(shape).to_owned(),
        };
        let placed = |reason: String| at(&place, &reason);
        // Each combination of patterns that a name may match: those that it does, and the others.
        let mut combinations = vec![(Vec::new(), Vec::new())];
        for (pattern, place) in &patterns {
            let regex = RegexAst::SearchRegex(self.pattern(pattern, place)?);
            let mut split = Vec::new();
            for (with, without) in combinations {
                let (mut also, mut neither) = (with.clone(), without.clone());
                also.push((pattern.clone(), regex.clone()));
                neither.push(regex.clone());
                for (with, without) in [(also, without), (with, neither)] {
                    let own = of_combination(rule.as_ref(), &with, &without);
                    if !text::is_empty(&own).map_err(&placed)? {
                        split.push((with, without));
                    }
                }
            }
            combinations = split;
            if combinations
                .iter()
                .map(|(with, _)| with.len())
                .sum::<usize>()
                > MAX_COMBINED
            {
                return Err(placed(
                    "the patterns for names overlap in too many ways: use patterns that exclude \
                     each other"
                        .to_owned(),
                ));
            }
        }
        for (with, without) in combinations {
            let matching: Vec<String> = with.iter().map(|(pattern, _)| pattern.clone()).collect();
            let nodes = self.applying(shape, None, &matching);
            if nodes.iter().any(|node| self.document.is_false(*node)) {
                continue;
            }
            let own = of_combination(rule.as_ref(), &with, &without);
            let is_free = rule.is_none() && with.is_empty() && without.is_empty();
            self.add_language(&mut names, own, nodes, declared, is_free)
                .map_err(&placed)?;
        }
        Ok(names)
    }

    /// Adds the names that an expression matches, without the declared ones.
    fn add_language(
        &mut self,
        names: &mut Names,
        own: RegexAst,
        nodes: Vec<NodeId>,
        declared: &[String],
        is_free: bool,
    ) -> Result<(), String> {
        let excluded = declared.iter().map(|name| RegexAst::Literal(spelled(name)));
        let excluded: Vec<RegexAst> = excluded.collect();
        let mut spelled = text::quoted_once(own);
        if !excluded.is_empty() {
            let excluded = RegexAst::Not(Box::new(RegexAst::Or(excluded)));
            spelled = RegexAst::And(vec![spelled, excluded]);
        }
        let (count, runs_out) = if is_free {
            (None, false)
        } else {
            if text::is_empty(&spelled)? {
                return Ok(());
            }
            let mut regex = compiled(&spelled)?;
            match Paths::of(&mut regex) {
                Some(paths) => {
                    let count = paths.count();
                    if count.is_some_and(|count| count <= MAX_LISTED)
                        && let Some(words) = paths.words()
                    {
                        names.listed.extend(words);
                        return Ok(());
                    }
                    (count, paths.has_ends())
                }
                None => (None, true),
            }
        };
        names.free.push(Language {
            spelled,
            nodes,
            count,
            runs_out,
        });
        Ok(())
    }

    /// What `propertyNames` allows.
    fn name_rule(&mut self, shape: &Shape<'_>) -> Result<NameRule, String> {
        let nodes = self.name_schemas(shape);
        if nodes.is_empty() {
            return Ok(NameRule::Any);
        }
        let mut listed = Some(Vec::new());
        let mut ways = Vec::new();
        for alternative in self.expand(&nodes)? {
            let names = self.shape(&alternative)?;
            if !names.types.contains(&Type::String) {
                continue;
            }
            if let Some(values) = &names.values {
                let texts = values.iter().filter_map(|value| value.as_str());
                let texts: Vec<String> = texts.map(str::to_owned).collect();
                ways.extend(texts.iter().cloned().map(RegexAst::Literal));
                if let Some(listed) = &mut listed {
                    listed.extend(texts);
                }
                continue;
            }
            listed = None;
            let place = nodes
                .first()
                .map_or("", |node| self.document.pointer(*node))
                .to_owned();
            ways.extend(names.text.regex().map_err(|reason| at(&place, &reason))?);
        }
        Ok(match listed {
            Some(mut names) => {
                names.sort_unstable();
                names.dedup();
                NameRule::Listed(names)
            }
            None => NameRule::Expression(RegexAst::Or(ways)),
        })
    }

    /// Whether a name matches a pattern.
    pub(super) fn name_matches(
        &mut self,
        pattern: &str,
        place: &str,
        name: &str,
    ) -> Result<bool, String> {
        if let Some(regex) = self.matchers.get_mut(pattern) {
            return Ok(regex.is_match(name));
        }
        let translated = self.pattern(pattern, place)?;
        let regex = compiled(&RegexAst::SearchRegex(translated));
        let mut regex = regex.map_err(|reason| at(place, &reason))?;
        let is_match = regex.is_match(name);
        self.matchers.insert(pattern.to_owned(), regex);
        Ok(is_match)
    }
}

enum NameRule {
    Any,
    Listed(Vec<String>),
    Expression(RegexAst),
}

/// The names that match some expressions and do not match others.
fn of_combination(
    rule: Option<&RegexAst>,
    with: &[(String, RegexAst)],
    without: &[RegexAst],
) -> RegexAst {
    let mut parts: Vec<RegexAst> = rule.into_iter().cloned().collect();
    parts.extend(with.iter().map(|(_, regex)| regex.clone()));
    if parts.is_empty() {
        parts.push(text::any());
    }
    if !without.is_empty() {
        parts.push(RegexAst::Not(Box::new(RegexAst::Or(without.to_vec()))));
    }
    RegexAst::And(parts)
}

/// The ways through the states of an expression.
struct Paths {
    /// Whether a text may end in a state, and the next states by byte. State 0 is the first.
    states: Vec<(bool, Vec<(u8, usize)>)>,
    /// Whether there are texts without end from a state.
    is_endless: Vec<bool>,
}

impl Paths {
    /// All states, or `None` if there are too many.
    fn of(regex: &mut Regex) -> Option<Self> {
        let first = regex.initial_state();
        let mut ids: Vec<StateID> = vec![first];
        let mut indexes = HashMap::from([(first, 0usize)]);
        let mut states: Vec<(bool, Vec<(u8, usize)>)> = Vec::new();
        while let Some(id) = ids.get(states.len()).copied() {
            let mut next = Vec::new();
            for byte in 0..=u8::MAX {
                let target = regex.transition(id, byte);
                if target.is_dead() {
                    continue;
                }
                let index = *indexes.entry(target).or_insert(ids.len());
                if index == ids.len() {
                    ids.push(target);
                }
                next.push((byte, index));
            }
            states.push((regex.is_accepting(id), next));
            if ids.len() > MAX_STATES {
                return None;
            }
        }
        let mut paths = Self {
            is_endless: vec![false; states.len()],
            states,
        };
        paths.find_endless();
        Some(paths)
    }

    /// A state has texts without end if it lies on a circle, or leads to one.
    fn find_endless(&mut self) {
        // States are taken away as long as all that they lead to is taken away: those that are left
        // lead to a circle.
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); self.states.len()];
        let mut left: Vec<usize> = Vec::new();
        for (index, (_, next)) in self.states.iter().enumerate() {
            let mut targets: Vec<usize> = next.iter().map(|(_, target)| *target).collect();
            targets.sort_unstable();
            targets.dedup();
            left.push(targets.len());
            for target in targets {
                if let Some(before) = before.get_mut(target) {
                    before.push(index);
                }
            }
        }
        self.is_endless.fill(true);
        let mut ready: Vec<usize> = Vec::new();
        for (index, left) in left.iter().enumerate() {
            if *left == 0 {
                ready.push(index);
            }
        }
        while let Some(state) = ready.pop() {
            if let Some(is_endless) = self.is_endless.get_mut(state) {
                *is_endless = false;
            }
            for index in before.get(state).into_iter().flatten() {
                if let Some(left) = left.get_mut(*index) {
                    *left -= 1;
                    if *left == 0 {
                        ready.push(*index);
                    }
                }
            }
        }
    }

    /// Whether a name can be begun that has only so many ends. What follows the closing quote is
    /// the end.
    fn has_ends(&self) -> bool {
        let mut all = self.states.iter().zip(&self.is_endless);
        all.any(|((_, next), is_endless)| !is_endless && !next.is_empty())
    }

    /// The number of texts. `None`: without end.
    fn count(&self) -> Option<u64> {
        if *self.is_endless.first()? {
            return None;
        }
        let mut counts: Vec<Option<u64>> = vec![None; self.states.len()];
        let mut pending = vec![0usize];
        while let Some(state) = pending.last().copied() {
            let (is_end, next) = self.states.get(state)?;
            let missing = next
                .iter()
                .find(|(_, target)| counts.get(*target).is_some_and(Option::is_none));
            if let Some((_, target)) = missing {
                pending.push(*target);
                continue;
            }
            let mut count = u64::from(*is_end);
            for (_, target) in next {
                count = count.saturating_add(counts.get(*target).copied().flatten().unwrap_or(0));
            }
            *counts.get_mut(state)? = Some(count);
            pending.pop();
        }
        counts.first().copied().flatten()
    }

    /// All names, if there are few and they are finite: the JSON strings, read.
    fn words(&self) -> Option<Vec<String>> {
        let mut words = Vec::new();
        let mut pending = vec![(0usize, Vec::new())];
        while let Some((state, text)) = pending.pop() {
            let (is_end, next) = self.states.get(state)?;
            if *is_end {
                words.push(serde_json::from_slice(&text).ok()?);
            }
            for (byte, target) in next {
                let mut longer: Vec<u8> = text.clone();
                longer.push(*byte);
                pending.push((*target, longer));
            }
        }
        words.sort_unstable();
        Some(words)
    }
}
