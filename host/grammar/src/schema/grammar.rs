//! The grammar that a schema is compiled to, before llguidance gets it.

use std::collections::HashMap;

use llguidance::api::SkipSpec;
use llguidance::derivre::{ExprRef, RegexAst};
use llguidance::earley::lexerspec::{LexemeIdx, LexerSpec};
use llguidance::earley::{Grammar, SymIdx, SymbolProps};

use super::compile::{scalar, spelled};
use super::{ANY_SPACE, Whitespace};
use serde_json::Value;

/// Maximum number of symbols. llguidance counts them with 16 bits.
const MAX_SYMBOLS: usize = 50_000;

/// Maximum number of ways to write a symbol. All of them are followed at once.
const MAX_WAYS: usize = 1_500;

/// A symbol of a [`Builder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sym(usize);

#[derive(Debug)]
enum Symbol {
    Lexeme(LexemeIdx),
    /// The ways to write it. Without any, no text is one.
    Rules(Vec<Vec<Sym>>),
}

/// Builds a grammar.
pub(crate) struct Builder {
    lexer: LexerSpec,
    symbols: Vec<Symbol>,
    lexemes: HashMap<ExprRef, Sym>,
    controls: HashMap<u32, Sym>,
    whitespace: Whitespace,
}

impl Builder {
    pub(crate) fn new(whitespace: Whitespace) -> Result<Self, String> {
        let mut lexer = LexerSpec::new().map_err(failed)?;
        let skip = match whitespace {
            Whitespace::Any => RegexAst::Regex(ANY_SPACE.to_owned()),
            Whitespace::None | Whitespace::Space => RegexAst::NoMatch,
        };
        let skip = SkipSpec::once(skip);
        lexer.setup_lexeme_class_with_skip(skip).map_err(failed)?;
        Ok(Self::with(lexer, whitespace))
    }

    /// Adds to the lexemes of another grammar, in the class that is current there.
    pub(super) fn with(mut lexer: LexerSpec, whitespace: Whitespace) -> Self {
        lexer.regex_builder.unicode(true);
        lexer.regex_builder.utf8(true);
        Self {
            lexer,
            symbols: Vec::new(),
            lexemes: HashMap::new(),
            controls: HashMap::new(),
            whitespace,
        }
    }

    /// A symbol that has no rules yet.
    pub(crate) fn symbol(&mut self) -> Sym {
        self.symbols.push(Symbol::Rules(Vec::new()));
        Sym(self.symbols.len() - 1)
    }

    /// Adds a way to write a symbol, once.
    pub(crate) fn rule(&mut self, symbol: Sym, parts: Vec<Sym>) {
        if let Some(Symbol::Rules(rules)) = self.symbols.get_mut(symbol.0)
            && (rules.len() > MAX_WAYS || !rules.contains(&parts))
        {
            rules.push(parts);
        }
    }

    /// The only spelling of a value, if it has no parts between which there may be any white space.
    pub(super) fn word(&self, value: &Value) -> Option<RegexAst> {
        let separator = |separator| RegexAst::Regex(self.separator(separator));
        let literal = |text: &str| RegexAst::Literal(text.to_owned());
        let mut parts = Vec::new();
        match value {
            Value::Array(_) | Value::Object(_) if self.whitespace == Whitespace::Any => {
                return None;
            }
            Value::Array(items) => {
                for item in items {
                    parts.push(match parts.is_empty() {
                        true => literal("["),
                        false => separator(","),
                    });
                    parts.push(self.word(item)?);
                }
                parts.push(literal(if items.is_empty() { "[]" } else { "]" }));
            }
            Value::Object(properties) => {
                for (name, item) in properties {
                    parts.push(match parts.is_empty() {
                        true => literal("{"),
                        false => separator(","),
                    });
                    parts.push(RegexAst::Literal(spelled(name)));
                    parts.push(separator(":"));
                    parts.push(self.word(item)?);
                }
                parts.push(literal(if properties.is_empty() { "{}" } else { "}" }));
            }
            Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) => {
                return Some(RegexAst::Literal(scalar(value)));
            }
        }
        Some(RegexAst::Concat(parts))
    }

    /// Whether there is any way to write a symbol.
    pub(super) fn has_rules(&self, symbol: Sym) -> bool {
        match self.symbols.get(symbol.0) {
            Some(Symbol::Lexeme(_)) => true,
            Some(Symbol::Rules(rules)) => !rules.is_empty(),
            None => false,
        }
    }

    /// A symbol with these ways to write it.
    pub(crate) fn one_of(&mut self, ways: Vec<Vec<Sym>>) -> Sym {
        self.symbols.push(Symbol::Rules(ways));
        Sym(self.symbols.len() - 1)
    }

    /// What an expression matches. Equal expressions are the same symbol.
    pub(crate) fn lexeme(&mut self, regex: RegexAst) -> Result<Sym, String> {
        let expr = self.lexer.regex_builder.mk(&regex).map_err(failed)?;
        if let Some(known) = self.lexemes.get(&expr) {
            return Ok(*known);
        }
        let lexeme = self
            .lexer
            .add_greedy_lexeme(
                String::new(),
                RegexAst::ExprRef(expr),
                false,
                None,
                usize::MAX,
            )
            .map_err(failed)?;
        self.symbols.push(Symbol::Lexeme(lexeme));
        let symbol = Sym(self.symbols.len() - 1);
        self.lexemes.insert(expr, symbol);
        Ok(symbol)
    }

    /// A control token of this name.
    pub(crate) fn control(&mut self, name: &str, id: u32) -> Result<Sym, String> {
        if let Some(known) = self.controls.get(&id) {
            return Ok(*known);
        }
        let lexeme = self
            .lexer
            .add_special_token(name.to_owned(), vec![id..=id])
            .map_err(failed)?;
        self.symbols.push(Symbol::Lexeme(lexeme));
        let symbol = Sym(self.symbols.len() - 1);
        self.controls.insert(id, symbol);
        Ok(symbol)
    }

    pub(crate) fn literal(&mut self, text: &str) -> Result<Sym, String> {
        self.lexeme(RegexAst::Literal(text.to_owned()))
    }

    /// A comma between parts.
    pub(super) fn comma(&mut self) -> Result<Sym, String> {
        self.lexeme(RegexAst::Regex(self.separator(",")))
    }

    /// The name of a property with its colon.
    pub(super) fn key(&mut self, name: RegexAst) -> Result<Vec<Sym>, String> {
        let colon = RegexAst::Regex(self.separator(":"));
        match self.whitespace {
            // One lexeme takes less work than two.
            Whitespace::None | Whitespace::Space => {
                Ok(vec![self.lexeme(RegexAst::Concat(vec![name, colon]))?])
            }
            Whitespace::Any => Ok(vec![self.lexeme(name)?, self.lexeme(colon)?]),
        }
    }

    fn separator(&self, separator: &str) -> String {
        match self.whitespace {
            Whitespace::Space => format!("{separator} ?"),
            Whitespace::None | Whitespace::Any => separator.to_owned(),
        }
    }

    /// Repeats a symbol. A number of repetitions takes a number of rules that grows with its
    /// logarithm.
    pub(crate) fn repeat(&mut self, symbol: Sym, min: u64, max: Option<u64>) -> Sym {
        let least = self.exactly(symbol, min);
        let more = match max {
            Some(max) => self.up_to(symbol, max.saturating_sub(min)),
            None => {
                let more = self.symbol();
                self.rule(more, Vec::new());
                self.rule(more, vec![more, symbol]);
                more
            }
        };
        self.one_of(vec![vec![least, more]])
    }

    fn exactly(&mut self, symbol: Sym, count: u64) -> Sym {
        match count {
            0 => self.one_of(vec![vec![]]),
            1 => symbol,
            _ => {
                let pair = self.one_of(vec![vec![symbol, symbol]]);
                let pairs = self.exactly(pair, count / 2);
                match count % 2 {
                    0 => pairs,
                    _ => self.one_of(vec![vec![pairs, symbol]]),
                }
            }
        }
    }

    /// Each number of repetitions in one way only: pairs, and for an odd number one more.
    fn up_to(&mut self, symbol: Sym, count: u64) -> Sym {
        match count {
            0 => self.one_of(vec![vec![]]),
            1 => self.one_of(vec![vec![], vec![symbol]]),
            _ => {
                let pair = self.one_of(vec![vec![symbol, symbol]]);
                let pairs = self.up_to(pair, (count - 1) / 2);
                let mut ways = vec![vec![pairs], vec![pairs, symbol]];
                if count.is_multiple_of(2) {
                    ways.push(vec![self.exactly(pair, count / 2)]);
                }
                self.one_of(ways)
            }
        }
    }

    /// Whether the grammar has become too large. Reported while it grows.
    pub(super) fn check_size(&self) -> Result<(), String> {
        if self.symbols.len() > MAX_SYMBOLS {
            return Err(format!(
                "it takes more than {MAX_SYMBOLS} rules: use a smaller schema, or share its parts \
                 through `$ref`"
            ));
        }
        Ok(())
    }

    /// Whether a symbol has too many ways to be written.
    fn check_ways(&self) -> Result<(), String> {
        let ways = self.symbols.iter().map(|symbol| match symbol {
            Symbol::Lexeme(_) => 1,
            Symbol::Rules(rules) => rules.len(),
        });
        if ways.max().is_some_and(|ways| ways > MAX_WAYS) {
            return Err(format!(
                "one value has more than {MAX_WAYS} alternatives: list fewer of them"
            ));
        }
        Ok(())
    }

    /// The grammar for llguidance. `None` if no finite text has the form of `start`.
    pub(crate) fn finish(self, start: Sym) -> Result<Option<(Grammar, LexerSpec)>, String> {
        let mut grammar = Grammar::new(None);
        let props = SymbolProps {
            grammar_id: self.lexer.current_class,
            is_start: true,
            ..SymbolProps::default()
        };
        let root = grammar.fresh_symbol_ext("start", props);
        let lexer = self.add_to(&mut grammar, root, start)?;
        Ok(lexer.map(|lexer| (grammar, lexer)))
    }

    /// Adds the symbols to a grammar, with `start` as a way to write its symbol `root`. `None` if
    /// no finite text has the form of `start`.
    pub(super) fn add_to(
        self,
        grammar: &mut Grammar,
        root: SymIdx,
        start: Sym,
    ) -> Result<Option<LexerSpec>, String> {
        self.check_size()?;
        self.check_ways()?;
        let possible = self.possible();
        let is_possible = |symbol: &Sym| possible.get(symbol.0).copied().unwrap_or(false);
        if !is_possible(&start) {
            return Ok(None);
        }
        let props = SymbolProps {
            grammar_id: self.lexer.current_class,
            ..SymbolProps::default()
        };
        let ids: Vec<SymIdx> = (0..self.symbols.len())
            .map(|_| grammar.fresh_symbol_ext("s", props.clone()))
            .collect();
        let id = |symbol: &Sym| ids.get(symbol.0).copied();
        grammar
            .add_rule(root, id(&start).into_iter().collect())
            .map_err(failed)?;
        for (symbol, own) in self.symbols.iter().zip(&ids) {
            match symbol {
                Symbol::Lexeme(lexeme) => {
                    let made = grammar.make_terminal(*own, *lexeme, &self.lexer);
                    made.map_err(failed)?;
                }
                Symbol::Rules(rules) => {
                    for rule in rules.iter().filter(|rule| rule.iter().all(is_possible)) {
                        let parts = rule.iter().filter_map(id).collect();
                        grammar.add_rule(*own, parts).map_err(failed)?;
                    }
                }
            }
        }
        Ok(Some(self.lexer))
    }

    /// Which symbols have a finite text.
    fn possible(&self) -> Vec<bool> {
        let mut possible: Vec<bool> = self
            .symbols
            .iter()
            .map(|symbol| matches!(symbol, Symbol::Lexeme(_)))
            .collect();
        // For each symbol, the rules that it is in; for each rule, the parts that it waits for.
        let mut uses: Vec<Vec<usize>> = vec![Vec::new(); self.symbols.len()];
        let mut rules: Vec<(usize, usize)> = Vec::new();
        let mut ready: Vec<usize> = Vec::new();
        for (own, symbol) in self.symbols.iter().enumerate() {
            let Symbol::Rules(ways) = symbol else {
                ready.push(own);
                continue;
            };
            for way in ways {
                for part in way {
                    if let Some(uses) = uses.get_mut(part.0) {
                        uses.push(rules.len());
                    }
                }
                rules.push((own, way.len()));
                if way.is_empty()
                    && let Some(possible) = possible.get_mut(own)
                    && !std::mem::replace(possible, true)
                {
                    ready.push(own);
                }
            }
        }
        while let Some(symbol) = ready.pop() {
            for rule in uses.get(symbol).into_iter().flatten() {
                let Some((own, waiting)) = rules.get_mut(*rule) else {
                    continue;
                };
                *waiting -= 1;
                if *waiting == 0
                    && let Some(possible) = possible.get_mut(*own)
                    && !std::mem::replace(possible, true)
                {
                    ready.push(*own);
                }
            }
        }
        possible
    }
}

fn failed(error: impl std::fmt::Display) -> String {
    crate::limits::summary(&error.to_string())
}
