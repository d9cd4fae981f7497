//! Checks for what llama.cpp assumes about a model and aborts the process over.
//!
//! Each rule corresponds to a `GGML_ASSERT`, `GGML_ABORT` or crash in the pinned llama.cpp
//! (llama-cpp-sys-2 0.1.161) that a well-formed file can reach. Files that llama.cpp itself refuses
//! with a reason are left to it. The rules here hold for every architecture; what single ones
//! assume is the table in `rules.rs`.

use super::error::GgufProblem;
use super::reader::Lists;
use super::rules::{Bound, FRACTIONS, NOT_SERVED, REQUIRED, RULES, SET};
use super::{GgufHeader, Value};

mod heads;
mod layers;
mod tensors;

/// Maximum number of layers (`LLAMA_MAX_LAYERS`, asserted in `llama-model.cpp`).
const MAX_LAYERS: u64 = 512;
/// Maximum number of experts (`LLAMA_MAX_EXPERTS`, asserted in `llama-model.cpp`).
const MAX_EXPERTS: u64 = 1024;
/// Maximum context: llama.cpp returns it as an `int32_t`, and llama-cpp-2 panics if that is
/// negative.
const MAX_CONTEXT: u64 = i32::MAX as u64;
/// Names of `LLAMA_ROPE_SCALING_TYPES` in `llama-model.cpp`; any other fails an assertion.
const ROPE_SCALINGS: [&str; 4] = ["none", "linear", "yarn", "longrope"];
/// Normalisation constants; a negative value or NaN fails an assertion in `ggml-cpu/ops.cpp`.
const EPSILONS: [&str; 3] = [
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "attention.group_norm_epsilon",
];

/// Checks a header for what llama.cpp would abort the process over.
pub(super) fn check(header: &GgufHeader, lists: &Lists) -> Result<(), GgufProblem> {
    let Some(architecture) = header.architecture() else {
        // llama.cpp refuses a missing architecture with a reason.
        return Ok(());
    };
    if let Some((_, what)) = NOT_SERVED.iter().find(|(name, _)| *name == architecture) {
        return Err(GgufProblem::Unusable(format!(
            "its architecture `{architecture}` is {what}"
        )));
    }
    let keys = Keys {
        header,
        architecture,
        lists,
    };
    let layers = keys.at_most("block_count", MAX_LAYERS)?;
    if layers == Some(0) {
        return Err(keys.wrong("block_count", "0", "1 to 512"));
    }
    keys.at_most("context_length", MAX_CONTEXT)?;
    // Without `block_count`, llama.cpp refuses the file earlier. Layers that predict further tokens
    // come after those of the model, of which at least one is needed.
    let layers = layers.unwrap_or(MAX_LAYERS);
    keys.at_most("nextn_predict_layers", layers.saturating_sub(1))?;
    keys.experts()?;
    keys.rope_scaling()?;
    keys.heads()?;
    keys.rotation()?;
    keys.latent()?;
    keys.vectors()?;
    keys.rules()?;
    keys.further_rules()?;
    keys.layers(layers)?;
    for epsilon in EPSILONS {
        keys.not_negative(epsilon)?;
    }
    words(header)?;
    let mut tensors = header.tensors.iter();
    tensors.try_for_each(|tensor| tensors::kind(tensor, architecture))?;
    tensors::present(header, architecture)
}

/// The words of the pre-tokenizer `whitespace` have spaces unless the tokenizer drops them, and a
/// space in a word fails an assertion in `llama_vocab::find_bpe_rank`.
fn words(header: &GgufHeader) -> Result<(), GgufProblem> {
    let model = header.tokenizer().unwrap_or_default();
    if header.pre_tokenizer() == Some("whitespace") && model != "whitespace" {
        return Err(GgufProblem::Unusable(format!(
            "`tokenizer.ggml.pre` is whitespace, which the tokenizer `{model}` \
             (`tokenizer.ggml.model`) can't use"
        )));
    }
    Ok(())
}

/// The keys of the file's architecture.
struct Keys<'a> {
    header: &'a GgufHeader,
    architecture: &'a str,
    lists: &'a Lists,
}

impl Keys<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.header
            .metadata
            .get(&format!("{}.{key}", self.architecture))
    }

    /// A whole number. llama.cpp itself refuses other types.
    fn number(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    fn at_most(&self, key: &str, most: u64) -> Result<Option<u64>, GgufProblem> {
        match self.number(key) {
            Some(number) if number > most => {
                Err(self.wrong(key, &number.to_string(), &format!("at most {most}")))
            }
            number => Ok(number),
        }
    }

    fn experts(&self) -> Result<(), GgufProblem> {
        let experts = self.at_most("expert_count", MAX_EXPERTS)?.unwrap_or(0);
        // For these architectures, llama.cpp treats a single expert as none.
        let merges = matches!(self.architecture, "hunyuan-dense" | "hunyuan_vl");
        if merges && experts <= 1 {
            return Ok(());
        }
        let used = match self.value("expert_used_count") {
            Some(Value::Array(_)) => match self.per_layer("expert_used_count").into_iter().max() {
                Some(used) if used > experts => {
                    let expected = format!("at most {experts}");
                    return Err(self.wrong("expert_used_count", &used.to_string(), &expected));
                }
                used => used,
            },
            _ => Some(self.at_most("expert_used_count", experts)?.unwrap_or(0)),
        };
        // Most architectures use the first layer's number for all.
        let first = self.per_layer("expert_used_count").first().copied();
        if experts > 0 && (used == Some(0) || first == Some(0)) {
            return Err(self.wrong("expert_used_count", "0", &format!("1 to {experts}")));
        }
        let each = self.number("experts_per_group").unwrap_or(1).max(1);
        let of_groups = experts / each;
        if let (Some(used), "grovemoe") = (used, self.architecture)
            && used > of_groups
        {
            let expected = format!("at most {of_groups}, a number of `experts_per_group`");
            return Err(self.wrong("expert_used_count", &used.to_string(), &expected));
        }
        let groups = self
            .at_most("expert_group_count", experts.saturating_sub(1))?
            .unwrap_or(0);
        if groups > 1 {
            if !experts.is_multiple_of(groups) {
                let divisor = format!("a divisor of {experts}");
                return Err(self.wrong("expert_group_count", &groups.to_string(), &divisor));
            }
            let key = "expert_group_used_count";
            if self.at_most(key, groups - 1)?.unwrap_or(0) == 0 {
                return Err(self.wrong(key, "0", &format!("1 to {}", groups - 1)));
            }
        }
        Ok(())
    }

    /// The numbers of a key that has one for each layer, or one for all. A negative number is as
    /// large as llama.cpp makes it.
    fn per_layer(&self, key: &str) -> Vec<u64> {
        match self.number(key) {
            Some(number) => vec![number],
            None => {
                let list = self.lists.get(&format!("{}.{key}", self.architecture));
                let list = list.map(Vec::as_slice).unwrap_or_default();
                let unsigned = |&number: &i64| u64::try_from(number).unwrap_or(u64::MAX);
                list.iter().map(unsigned).collect()
            }
        }
    }

    /// The table of what single architectures assume.
    fn rules(&self) -> Result<(), GgufProblem> {
        for &(architectures, key, bound) in RULES {
            if !architectures.contains(&self.architecture) {
                continue;
            }
            let Some(number) = self.number(key) else {
                continue;
            };
            let other = |name: &str| self.number(name);
            let (fits, expected) = match bound {
                Bound::AtLeast(least) => (number >= least, format!("{least} or more")),
                Bound::Range(least, most) => (
                    (least..=most).contains(&number),
                    format!("{least} to {most}"),
                ),
                Bound::Exactly(only) => (number == only, only.to_string()),
                Bound::MultipleOf(name) => (
                    other(name).is_none_or(|other| other > 0 && number.is_multiple_of(other)),
                    format!("a multiple of `{name}`, which is not 0"),
                ),
                Bound::Product(one, two) => {
                    let product = other(one).zip(other(two));
                    let product = product.map(|(one, two)| one.checked_mul(two));
                    (
                        product.is_none_or(|product| product == Some(number)),
                        format!("`{one}` times `{two}`"),
                    )
                }
                Bound::TwiceOf(name) => (
                    other(name).is_none_or(|other| other.checked_mul(2) == Some(number)),
                    format!("twice `{name}`"),
                ),
                Bound::LessThan(name) => (
                    other(name).is_none_or(|other| number < other),
                    format!("less than `{name}`"),
                ),
                Bound::SameAs(name) => (
                    other(name).is_none_or(|other| other == number),
                    format!("as `{name}`"),
                ),
                Bound::OtherThan(name) => (
                    other(name) != Some(number),
                    format!("another number than `{name}`"),
                ),
            };
            if !fits {
                return Err(self.wrong(key, &number.to_string(), &expected));
            }
        }
        Ok(())
    }

    /// The layers that are computed more than once: those of `nanbeige` in each loop, those of the
    /// stacks of `hrm_text` in each cycle.
    fn stacks(&self) -> Result<(), GgufProblem> {
        let key = "num_loops";
        if let (Some(loops), Some(count), "nanbeige") = (
            self.number(key),
            self.number("block_count"),
            self.architecture,
        ) && loops.checked_mul(count).is_none_or(|all| all > MAX_LAYERS)
        {
            let expected = format!("with `block_count` at most {MAX_LAYERS} layers");
            return Err(self.wrong(key, &loops.to_string(), &expected));
        }
        let of = |key: &str| self.number(&format!("hrm.{key}"));
        let (Some(layers), Some(outer), Some(inner)) =
            (of("layers_per_stack"), of("h_cycles"), of("l_cycles"))
        else {
            return Ok(());
        };
        let key = "block_count";
        let (Some(count), "hrm_text") = (self.number(key), self.architecture) else {
            return Ok(());
        };
        let own = count.checked_sub(self.number("nextn_predict_layers").unwrap_or(0));
        let passes = inner
            .checked_add(1)
            .and_then(|each| each.checked_mul(outer));
        let needed = passes.and_then(|passes| passes.checked_mul(layers));
        if needed.is_none() || own != needed {
            let expected = "`hrm.layers_per_stack` for each cycle";
            return Err(self.wrong(key, &count.to_string(), expected));
        }
        Ok(())
    }

    /// Embeddings of n-grams, which together are as wide as the model (`models/qwen4exp.cpp`).
    fn ngrams(&self) -> Result<(), GgufProblem> {
        let of = |key: &str| self.number(&format!("ple.{key}"));
        let (Some(size), Some(heads), Some(length), Some(width), "qwen4exp") = (
            of("ngram_size"),
            of("heads_per_ngram"),
            self.number("embedding_length_per_layer_input"),
            self.number("embedding_length"),
            self.architecture,
        ) else {
            return Ok(());
        };
        let heads = size.checked_sub(1).and_then(|each| each.checked_mul(heads));
        let all = heads.and_then(|heads| heads.checked_mul(length));
        if all != Some(width) {
            let key = "embedding_length_per_layer_input";
            let expected = "`embedding_length` divided by the heads of n-grams (`ple`)";
            return Err(self.wrong(key, &length.to_string(), expected));
        }
        Ok(())
    }

    /// The tables of fractions, and of keys that are needed.
    fn further_rules(&self) -> Result<(), GgufProblem> {
        for &(architectures, key, above, below) in FRACTIONS {
            if let (true, Some(Value::Float(number))) =
                (architectures.contains(&self.architecture), self.value(key))
                && !(*number > above && *number < below)
            {
                let expected = format!("a number between {above} and {below}");
                return Err(self.wrong(key, &number.to_string(), &expected));
            }
        }
        for &(architectures, key) in REQUIRED {
            if architectures.contains(&self.architecture) && self.value(key).is_none() {
                return Err(self.wrong(key, "missing", "it"));
            }
        }
        self.stacks()?;
        self.ngrams()?;
        for &(architectures, key) in SET {
            if architectures.contains(&self.architecture)
                && matches!(self.value(key), Some(Value::Bool(false)))
            {
                return Err(self.wrong(key, "false", "true"));
            }
        }
        let (key, length) = (
            "attention.temperature_scale",
            "attention.temperature_length",
        );
        let is_own = matches!(self.architecture, "deepseek2" | "mistral4");
        match self.value(key).filter(|_| is_own) {
            Some(Value::Float(scale)) if *scale != 0.0 && self.number(length).unwrap_or(0) == 0 => {
                Err(self.wrong(key, &scale.to_string(), &format!("`{length}` with it")))
            }
            _ => Ok(()),
        }
    }

    fn rope_scaling(&self) -> Result<(), GgufProblem> {
        let key = "rope.scaling.type";
        match self.value(key) {
            Some(Value::String(name)) if !ROPE_SCALINGS.contains(&name.as_str()) => {
                Err(self.wrong(key, &format!("{name:?}"), &ROPE_SCALINGS.join(", ")))
            }
            _ => Ok(()),
        }
    }

    fn not_negative(&self, key: &str) -> Result<(), GgufProblem> {
        match self.value(key) {
            Some(Value::Float(number)) if number.is_nan() || *number < 0.0 => {
                Err(self.wrong(key, &number.to_string(), "0 or more"))
            }
            _ => Ok(()),
        }
    }

    fn wrong(&self, key: &str, value: &str, expected: &str) -> GgufProblem {
        GgufProblem::Unusable(format!(
            "`{}.{key}` is {value}, llama.cpp needs {expected}",
            self.architecture
        ))
    }
}

#[cfg(test)]
mod tests;
