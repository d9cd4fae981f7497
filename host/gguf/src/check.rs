//! Checks for what llama.cpp assumes about a model and aborts the process over.
//!
//! Each rule corresponds to a `GGML_ASSERT`, `GGML_ABORT` or crash in the pinned llama.cpp
//! (llama-cpp-sys-2 0.1.161) that a well-formed file can reach. Files that llama.cpp itself refuses
//! with a reason are left to it. The rules here hold for every architecture; what single ones
//! assume is the table in `rules.rs`.

use super::error::GgufProblem;
use super::reader::Lists;
use super::rules::{Bound, EQUAL_HEADS, NOT_SERVED, RULES, SECTIONS, WHOLE_ROTATION};
use super::{GgufHeader, TensorInfo, TensorType, Value};

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
/// Tensors that are lookup tables and not weights (`llama-arch.cpp`).
const TABLES: [&str; 2] = ["d2t", "ffn_gate_tid2eid"];

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
    // Without `block_count`, llama.cpp refuses the file earlier.
    keys.at_most("nextn_predict_layers", layers.unwrap_or(MAX_LAYERS))?;
    keys.experts()?;
    keys.rope_scaling()?;
    keys.heads()?;
    keys.rotation()?;
    keys.rules()?;
    for epsilon in EPSILONS {
        keys.not_negative(epsilon)?;
    }
    words(header)?;
    header.tensors.iter().try_for_each(tensor)
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
        // For this architecture, llama.cpp treats a single expert as none.
        if self.architecture.starts_with("hunyuan") && experts <= 1 {
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
        if experts > 0 && used == Some(0) {
            return Err(self.wrong("expert_used_count", "0", &format!("1 to {experts}")));
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

    /// Each key-value head serves equally many heads.
    fn heads(&self) -> Result<(), GgufProblem> {
        let heads = self.per_layer("attention.head_count");
        let key = "attention.head_count_kv";
        let shared = self.per_layer(key);
        for layer in 0..heads.len().max(shared.len()) {
            // A single number holds for all layers.
            let at = |list: &[u64]| list.get(layer).or(list.first()).copied();
            let (Some(heads), Some(shared)) = (at(&heads), at(&shared)) else {
                continue;
            };
            // Hybrids have layers without attention; a number for all layers is never 0.
            let is_none = shared == 0 && matches!(self.value(key), Some(Value::Array(_)));
            if heads > 0 && !is_none && (shared == 0 || !heads.is_multiple_of(shared)) {
                let divisor = format!("a divisor of the {heads} heads");
                return Err(self.wrong(key, &shared.to_string(), &divisor));
            }
        }
        let heads = self.number("attention.head_count").unwrap_or(0);
        let has_length = self.value("attention.key_length").is_some();
        if let (false, Some(width), 1..) = (has_length, self.number("embedding_length"), heads)
            && !width.is_multiple_of(heads)
        {
            let multiple = format!("a multiple of the {heads} heads");
            return Err(self.wrong("embedding_length", &width.to_string(), &multiple));
        }
        Ok(())
    }

    /// The length of a head's keys or values.
    fn head_length(&self, key: &str) -> Option<u64> {
        let of_width = || {
            let heads = self.per_layer("attention.head_count").first().copied()?;
            self.number("embedding_length")?.checked_div(heads)
        };
        self.number(key).or_else(of_width)
    }

    /// Positions rotate pairs of numbers of a head.
    fn rotation(&self) -> Result<(), GgufProblem> {
        let is = |list: &[&str]| list.contains(&self.architecture);
        let keys = self.head_length("attention.key_length");
        let values = self.head_length("attention.value_length");
        if let (true, Some(keys), Some(values)) = (is(EQUAL_HEADS), keys, values)
            && keys != values
        {
            let expected = format!("as `attention.key_length`, {keys}");
            return Err(self.wrong("attention.value_length", &values.to_string(), &expected));
        }
        let key = "rope.dimension_count";
        if let (Some(rotated), Some(length)) = (self.number(key), keys) {
            let is_wrong = match is(WHOLE_ROTATION) {
                true => rotated != length,
                false => rotated > length || !rotated.is_multiple_of(2),
            };
            if is_wrong {
                let expected = format!("an even number of the {length} of a head, mostly all");
                return Err(self.wrong(key, &rotated.to_string(), &expected));
            }
        }
        let key = "rope.dimension_sections";
        let sections = self.per_layer(key);
        let used = sections.iter().take(3).any(|&section| section > 0);
        if is(SECTIONS) && !sections.is_empty() && !used {
            return Err(self.wrong(key, "0", "one of the first three above 0"));
        }
        Ok(())
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
                Bound::Exactly(only) => (number == only, only.to_string()),
                Bound::MultipleOf(name) => (
                    other(name).is_none_or(|other| other > 0 && number.is_multiple_of(other)),
                    format!("a multiple of `{name}`, which is not 0"),
                ),
                Bound::TwiceOf(name) => (
                    other(name).is_none_or(|other| other.checked_mul(2) == Some(number)),
                    format!("twice `{name}`"),
                ),
            };
            if !fits {
                return Err(self.wrong(key, &number.to_string(), &expected));
            }
        }
        Ok(())
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

/// Using weights of a type without kernels crashes. Norms and biases need no kernel, because they
/// are only added and multiplied.
fn tensor(tensor: &TensorInfo) -> Result<(), GgufProblem> {
    use TensorType as T;

    let TensorInfo { name, ty, .. } = tensor;
    let is_table = || name.split('.').any(|part| TABLES.contains(&part));
    let is_weight = match ty {
        // Types of intermediate results.
        T::Q8_1 | T::Q8K | T::I8 | T::I16 | T::F64 => false,
        T::I32 | T::I64 => is_table(),
        _ => true,
    };
    if !is_weight {
        return Err(GgufProblem::Unusable(format!(
            "tensor `{name}` has the type {ty}, which is not one for weights"
        )));
    }
    let is_vector = tensor
        .dimensions
        .iter()
        .skip(1)
        .all(|&dimension| dimension == 1);
    let is_elementwise = name.ends_with("norm.weight") || (name.ends_with(".bias") && is_vector);
    if is_elementwise && *ty != T::F32 {
        return Err(GgufProblem::Unusable(format!(
            "tensor `{name}` has the type {ty}, llama.cpp needs F32 for it"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
