//! Writes a grammar in llguidance's variant of Lark.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use super::check;
use super::rules::{Characters, Grammar, Item, Mistake};
use super::tokens::Tokens;

/// Translates the grammar. Leaves out what the root does not reach, and sequences that no text
/// matches.
pub(super) fn translate(
    text: &str,
    grammar: &Grammar,
    tokens: &dyn Tokens,
) -> Result<String, Mistake> {
    let never = check::never(grammar);
    if never.first() == Some(&true) {
        let what = "no text has this character, and without it no text has the form of `root`";
        return Err(Mistake::new(text, grammar.never_at.unwrap_or(0), what));
    }
    let reachable = grammar.reachable([0]);
    let others = Others::of(grammar, &reachable);
    let mut writer = Writer {
        grammar,
        never,
        text: "start: r0\n".to_owned(),
        classes: HashMap::new(),
    };
    for rule in reachable {
        if writer.never.get(rule) == Some(&false) {
            write(&mut writer.text, format_args!("r{rule}: "));
            writer.choice(rule);
            writer.text.push('\n');
        }
    }
    let Writer {
        mut text, classes, ..
    } = writer;
    let mut classes: Vec<(&Characters, usize)> = classes.into_iter().collect();
    classes.sort_unstable_by_key(|(_, number)| *number);
    for (class, number) in classes {
        write(&mut text, format_args!("C{number}: /{}/\n", regex(class)));
    }
    others.write(&mut text, tokens);
    Ok(text)
}

struct Writer<'a> {
    grammar: &'a Grammar,
    /// The rules that no text matches.
    never: Vec<bool>,
    text: String,
    /// Each set of characters is a separate terminal, with a number.
    classes: HashMap<&'a Characters, usize>,
}

impl<'a> Writer<'a> {
    /// Writes the sequences of a rule that some text may match.
    fn choice(&mut self, rule: usize) {
        let grammar = self.grammar;
        let mut is_first = true;
        for sequence in grammar.sequences(rule) {
            if self.is_never(sequence) {
                continue;
            }
            if !is_first {
                self.text.push_str(" | ");
            }
            is_first = false;
            self.sequence(sequence);
        }
    }

    fn is_never(&self, sequence: &[Item]) -> bool {
        let is_never = |rule: &usize| self.never.get(*rule) == Some(&true);
        sequence.iter().any(|item| match item {
            Item::Character(set) => set.is_empty(),
            Item::Rule(rule) | Item::Repeat { rule, min: 1.., .. } => is_never(rule),
            Item::Token(_) | Item::OtherToken(_) | Item::End { .. } | Item::Repeat { .. } => false,
        })
    }

    fn sequence(&mut self, items: &'a [Item]) {
        let begin = self.text.len();
        for item in items {
            let before = self.text.len();
            if before > begin {
                self.text.push(' ');
            }
            let item_begin = self.text.len();
            self.item(item);
            if self.text.len() == item_begin {
                self.text.truncate(before);
            }
        }
        if self.text.len() == begin {
            self.text.push_str("\"\"");
        }
    }

    /// Writes the item, or nothing if it is always empty.
    fn item(&mut self, item: &'a Item) {
        match *item {
            Item::Character(ref class) => {
                let next = self.classes.len();
                let number = *self.classes.entry(class).or_insert(next);
                write(&mut self.text, format_args!("C{number}"));
            }
            Item::Token(id) => write(&mut self.text, format_args!("<[{id}]>")),
            Item::OtherToken(id) => write(&mut self.text, format_args!("o{id}")),
            // What comes after it is nothing, and there the answer may end.
            Item::End { .. } => {}
            Item::Rule(rule) => write(&mut self.text, format_args!("r{rule}")),
            Item::Repeat { rule, min, max } => {
                if self.never.get(rule) == Some(&true) {
                    return;
                }
                if self.is_short(rule) {
                    self.text.push('(');
                    self.choice(rule);
                    self.text.push(')');
                } else {
                    write(&mut self.text, format_args!("r{rule}"));
                }
                match (min, max) {
                    (0, None) => self.text.push('*'),
                    (1, None) => self.text.push('+'),
                    (0, Some(1)) => self.text.push('?'),
                    (min, None) => write(&mut self.text, format_args!("{{{min},}}")),
                    (min, Some(max)) => write(&mut self.text, format_args!("{{{min},{max}}}")),
                }
            }
        }
    }

    /// Whether the rule is a group of one item that is not a repetition.
    fn is_short(&self, rule: usize) -> bool {
        let is_repeat = |item: &Item| matches!(item, Item::Repeat { .. });
        match self.grammar.sequences(rule) {
            [sequence] if self.grammar.is_group(rule) => {
                sequence.len() == 1 && !sequence.iter().any(is_repeat)
            }
            _ => false,
        }
    }
}

/// The tokens in a grammar with `!<token>`.
///
/// llguidance follows one of the items that a token fits, not all. So no two items may share a
/// token: `!<a>` is written as a choice between each other token of the grammar and the rest.
#[derive(Default)]
struct Others {
    /// All tokens of the grammar.
    named: BTreeSet<u32>,
    /// Those of the items `!<token>`.
    negated: BTreeSet<u32>,
}

impl Others {
    fn of(grammar: &Grammar, reachable: &BTreeSet<usize>) -> Self {
        let mut others = Self::default();
        for &rule in reachable {
            for item in grammar.sequences(rule).iter().flatten() {
                match *item {
                    Item::Token(id) => {
                        others.named.insert(id);
                    }
                    Item::OtherToken(id) => {
                        others.named.insert(id);
                        others.negated.insert(id);
                    }
                    Item::Character(_) | Item::End { .. } | Item::Rule(_) | Item::Repeat { .. } => {
                    }
                }
            }
        }
        others
    }

    fn write(&self, text: &mut String, tokens: &dyn Tokens) {
        if self.negated.is_empty() {
            return;
        }
        let is_part = |id: &u32| tokens.is_usable(*id) && !tokens.is_end(*id);
        let mut rest: Vec<(u32, u32)> = Vec::new();
        for id in (0..tokens.count()).filter(|id| is_part(id) && !self.named.contains(id)) {
            match rest.last_mut() {
                Some((_, last)) if *last + 1 == id => *last = id,
                Some(_) | None => rest.push((id, id)),
            }
        }
        let rest: Vec<String> = rest.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        for negated in &self.negated {
            let named = self.named.iter().filter(|&id| id != negated && is_part(id));
            let mut choices: Vec<String> = named.map(|id| format!("<[{id}]>")).collect();
            if !rest.is_empty() {
                choices.push(format!("<[{}]>", rest.join(",")));
            }
            write(text, format_args!("o{negated}: {}\n", choices.join(" | ")));
        }
    }
}

/// The regular expression of one character.
fn regex(class: &Characters) -> String {
    let mut regex = String::from("[");
    for &(first, last) in class.ranges() {
        write(&mut regex, format_args!("\\x{{{first:X}}}"));
        if last > first {
            write(&mut regex, format_args!("-\\x{{{last:X}}}"));
        }
    }
    regex.push(']');
    regex
}

/// Writing to a string cannot fail.
fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}
