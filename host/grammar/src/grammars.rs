//! Compiles output forms into a [`Constraint`] for one model.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use llguidance::api::{GrammarInit, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokEnv};
use llguidance::{Logger, Matcher, ParserFactory};
use mynah_core::{Shape, TokenId};
use mynah_settings::OutputForm;

use super::limits::{self, MadeOf, parser_limits, summary};
use super::schema::FreeNames;
use super::shape::{self, ControlTokens};
use super::vocabulary::{Vocabulary, Words, word};
use super::{Constraint, ConstraintError, GrammarError, embedded, gbnf, lark, schema};

/// Compiles the constraints of a model's requests. The first one also builds the shared data, which
/// takes about 0.1 s and 15 MB for a vocabulary of 50,000 tokens, and in proportion for others.
pub struct Grammars {
    vocabulary: Arc<dyn Vocabulary>,
    shared: OnceLock<Result<ParserFactory, String>>,
    controls: OnceLock<ControlTokens>,
}

impl Grammars {
    /// For the model that has this vocabulary.
    #[must_use]
    pub fn new(vocabulary: Arc<dyn Vocabulary>) -> Self {
        Self {
            vocabulary,
            shared: OnceLock::new(),
            controls: OnceLock::new(),
        }
    }

    /// The state at the beginning of an answer in this form. Takes milliseconds, or tenths of a
    /// second for a form that is made to be slow.
    pub fn constraint(&self, form: &OutputForm) -> Result<Constraint, GrammarError> {
        self.compile(name(form), || self.build(form))
    }

    /// The state at the beginning of an answer of this shape. Otherwise like
    /// [`constraint`](Self::constraint).
    pub fn shape(&self, shape: &Shape) -> Result<Constraint, GrammarError> {
        self.compile("tools", || {
            let controls = || ControlTokens::of(&*self.vocabulary);
            let controls = self.controls.get_or_init(controls);
            let compiled = shape::compile(shape, controls)?;
            self.constrain(Prepared {
                grammar: GrammarInit::Internal(compiled.grammar, compiled.lexer),
                names: None,
                notes: compiled.notes,
                made_of: MadeOf::Schemas,
            })
        })
    }

    /// Compiles what a request calls `form`, on a thread of its own.
    fn compile(
        &self,
        form: &'static str,
        build: impl FnOnce() -> Result<Constraint, String> + Send,
    ) -> Result<Constraint, GrammarError> {
        let refused = |reason| GrammarError::Form { form, reason };
        // Forms nest, and llguidance follows them recursively, in places deeper than any limit that
        // could be checked before. The stack must be large enough for the deepest possible form,
        // because a stack overflow aborts the process.
        let build = || {
            // llguidance catches most of its own panics, but not all.
            let built = catch_unwind(AssertUnwindSafe(build));
            built.unwrap_or_else(|_| Err("the grammar engine failed".to_owned()))
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new()
                .name("mynah-grammar".to_owned())
                .stack_size(limits::STACK_BYTES)
                .spawn_scoped(scope, build)
                .map_err(GrammarError::Thread)?;
            let built = thread.join();
            let built = built.unwrap_or_else(|_| Err("the grammar engine failed".to_owned()));
            built.map_err(refused)
        })
    }

    fn build(&self, form: &OutputForm) -> Result<Constraint, String> {
        let shared = self.shared.get_or_init(|| self.share()).as_ref()?;
        self.constrain(self.prepared(form, shared.tok_env())?)
    }

    fn constrain(&self, prepared: Prepared) -> Result<Constraint, String> {
        let Prepared {
            grammar,
            names,
            notes,
            made_of,
        } = prepared;
        let shared = self.shared.get_or_init(|| self.share()).as_ref()?;
        let env = shared.tok_env();
        let parser = shared.create_parser_from_init_ext(
            grammar,
            Logger::new(0, 0),
            InferenceCapabilities::default(),
            parser_limits(made_of, env.tok_trie().vocab_size()),
        );
        let parser = parser.map_err(|error| summary(&error.to_string()))?;
        let matcher = Matcher::new(Ok(parser));
        let too_many_ways = match made_of {
            MadeOf::Characters => Some(gbnf::FEWER_WAYS),
            MadeOf::Schemas | MadeOf::Words => None,
        };
        let constraint = Constraint::new(matcher, env.clone(), names, notes, too_many_ways);
        constraint.map_err(|error| match error {
            ConstraintError::DeadEnd => "no text has this form".to_owned(),
            ConstraintError::Failed(reason) => reason,
        })
    }

    /// Converts a form to llguidance's type, after the checks for safety.
    fn prepared(&self, form: &OutputForm, env: &TokEnv) -> Result<Prepared, String> {
        let grammar = match form {
            OutputForm::JsonSchema(text) => {
                let compiled = schema::compile(&schema::read(text)?)?;
                return Ok(Prepared {
                    grammar: GrammarInit::Internal(compiled.grammar, compiled.lexer),
                    names: Some(compiled.names),
                    notes: compiled.notes,
                    made_of: MadeOf::of(form),
                });
            }
            OutputForm::Regex(text) => {
                limits::check_regex(text)?;
                TopLevelGrammar::from_regex(text)
            }
            OutputForm::Lark(text) => {
                limits::check_bytes(text, limits::MAX_LARK_BYTES)?;
                let lark = lark::read(text)?;
                if !lark.before.is_empty() {
                    let made_of = MadeOf::Schemas;
                    let limits = parser_limits(made_of, env.tok_trie().vocab_size());
                    let (grammar, notes) = embedded::compile(&lark, env.clone(), limits)?;
                    return Ok(Prepared {
                        grammar,
                        names: None,
                        notes,
                        made_of,
                    });
                }
                TopLevelGrammar::from_lark(text.clone())
            }
            OutputForm::Gbnf(text) => {
                let read = gbnf::to_lark(text, &Named(&*self.vocabulary));
                let read = read.map_err(|error| error.to_string())?;
                return Ok(Prepared {
                    grammar: GrammarInit::Serialized(TopLevelGrammar::from_lark(read.lark)),
                    names: None,
                    notes: read.notes,
                    made_of: MadeOf::of(form),
                });
            }
        };
        Ok(Prepared {
            grammar: GrammarInit::Serialized(grammar),
            names: None,
            notes: Vec::new(),
            made_of: MadeOf::of(form),
        })
    }

    fn share(&self) -> Result<ParserFactory, String> {
        let words = Words::of(&*self.vocabulary);
        let slices = SlicedBiasComputer::general_slices();
        let made = catch_unwind(AssertUnwindSafe(|| {
            ParserFactory::new(&words.env(), InferenceCapabilities::default(), &slices)
        }));
        match made {
            Ok(Ok(factory)) => Ok(factory),
            Ok(Err(error)) => Err(summary(&error.to_string())),
            Err(_) => Err("the grammar engine can't use this model's vocabulary".to_owned()),
        }
    }
}

/// The tokens of a vocabulary, as a GBNF grammar names them.
struct Named<'a>(&'a dyn Vocabulary);

impl gbnf::Tokens for Named<'_> {
    fn count(&self) -> u32 {
        self.0.token_count()
    }

    fn find(&self, name: &str) -> Option<u32> {
        u32::try_from(self.0.find(name)?.0).ok()
    }

    fn is_end(&self, id: u32) -> bool {
        id < self.count() && self.0.is_end(TokenId(id.cast_signed()))
    }

    fn is_usable(&self, id: u32) -> bool {
        id < self.count() && !word(self.0, TokenId(id.cast_signed())).is_empty()
    }

    fn text(&self, id: u32) -> Vec<u8> {
        match id < self.count() {
            true => self.0.text(TokenId(id.cast_signed())),
            false => Vec::new(),
        }
    }
}

/// A form as llguidance takes it.
struct Prepared {
    grammar: GrammarInit,
    /// For a JSON Schema, how the names of properties are kept apart.
    names: Option<FreeNames>,
    /// What is followed with less than its meaning.
    notes: Vec<String>,
    made_of: MadeOf,
}

/// The name of the setting for the form.
fn name(form: &OutputForm) -> &'static str {
    match form {
        OutputForm::JsonSchema(_) => "json_schema",
        OutputForm::Regex(_) => "regex",
        OutputForm::Lark(_) => "lark",
        OutputForm::Gbnf(_) => "grammar",
    }
}

impl fmt::Debug for Grammars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammars")
            .field("is_shared", &self.shared.get().is_some())
            .finish_non_exhaustive()
    }
}
