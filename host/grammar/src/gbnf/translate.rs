//! Writes a grammar in llguidance's variant of Lark.

use std::collections::HashMap;
use std::fmt::Write;

use super::rules::{Choice, Grammar, Item};

/// Translates the grammar.
pub(super) fn translate(grammar: &Grammar) -> String {
    let mut writer = Writer::default();
    writer.text.push_str("start: r0\n");
    for (number, rule) in grammar.rules.iter().enumerate() {
        write(&mut writer.text, format_args!("r{number}: "));
        writer.choice(rule);
        writer.text.push('\n');
    }
    let Writer { mut text, classes } = writer;
    let mut classes: Vec<(String, usize)> = classes.into_iter().collect();
    classes.sort_unstable_by_key(|(_, number)| *number);
    for (class, number) in classes {
        write(&mut text, format_args!("C{number}: /{class}/\n"));
    }
    text
}

#[derive(Default)]
struct Writer {
    text: String,
    // Each character class is a separate terminal: its regular expression, and its number.
    classes: HashMap<String, usize>,
}

impl Writer {
    // Recursive, to the depth that the parser allows.
    fn choice(&mut self, choice: &Choice) {
        for (index, sequence) in choice.iter().enumerate() {
            if index > 0 {
                self.text.push_str(" | ");
            }
            self.sequence(sequence);
        }
    }

    fn sequence(&mut self, items: &[Item]) {
        if items.is_empty() {
            self.text.push_str("\"\"");
        }
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text.push(' ');
            }
            self.item(item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Character { ranges, is_negated } => {
                let next = self.classes.len();
                let class = class(ranges, *is_negated);
                let number = *self.classes.entry(class).or_insert(next);
                write(&mut self.text, format_args!("C{number}"));
            }
            Item::Token { id, is_negated } => {
                let not = if *is_negated { "^" } else { "" };
                write(&mut self.text, format_args!("<[{not}{id}]>"));
            }
            Item::Rule(number) => write(&mut self.text, format_args!("r{number}")),
            Item::Group(choice) => {
                self.text.push('(');
                self.choice(choice);
                self.text.push(')');
            }
            Item::Repeat { items, min, max } => {
                self.text.push('(');
                self.sequence(items);
                self.text.push(')');
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
}

/// The regular expression of one character.
fn class(ranges: &[(char, char)], is_negated: bool) -> String {
    if ranges.is_empty() {
        return "(?s:.)".to_owned();
    }
    let mut class = String::from(if is_negated { "[^" } else { "[" });
    for &(first, last) in ranges {
        write(&mut class, format_args!("\\x{{{:X}}}", u32::from(first)));
        if last > first {
            write(&mut class, format_args!("-\\x{{{:X}}}", u32::from(last)));
        }
    }
    class.push(']');
    class
}

/// Writing to a string cannot fail.
fn write(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}
