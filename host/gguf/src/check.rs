//! Checks for what llama.cpp assumes about a model and aborts the process over.
//!
//! Each rule corresponds to a `GGML_ASSERT`, `GGML_ABORT` or crash in the pinned llama.cpp
//! (llama-cpp-sys-2 0.1.161) that a well-formed file can reach. Files that llama.cpp itself refuses
//! with a reason are left to it. The checks cover what the header says about any architecture; an
//! architecture's own graph may have further requirements.

use super::error::GgufProblem;
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
pub(super) fn check(header: &GgufHeader) -> Result<(), GgufProblem> {
    let Some(architecture) = header.architecture() else {
        // llama.cpp refuses a missing architecture with a reason.
        return Ok(());
    };
    let keys = Keys {
        header,
        architecture,
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
    for epsilon in EPSILONS {
        keys.not_negative(epsilon)?;
    }
    words(header)?;
    header.tensors.iter().try_for_each(tensor)
}

/// The words of the pre-tokenizer `whitespace` have spaces unless the tokenizer drops them, and a
/// space in a word fails an assertion in `llama_vocab::find_bpe_rank`.
fn words(header: &GgufHeader) -> Result<(), GgufProblem> {
    match header.tokenizer() {
        (model, "whitespace") if model != "whitespace" => Err(GgufProblem::Unusable(format!(
            "`tokenizer.ggml.pre` is whitespace, which the tokenizer `{model}` \
             (`tokenizer.ggml.model`) can't use"
        ))),
        _ => Ok(()),
    }
}

/// The keys of the file's architecture.
struct Keys<'a> {
    header: &'a GgufHeader,
    architecture: &'a str,
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
            // One number per layer; the reader does not keep it.
            Some(Value::Array(_)) => None,
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
mod tests {
    use super::*;

    fn header(keys: &[(&str, Value)], tensors: &[(&str, TensorType)]) -> GgufHeader {
        let named = |(key, value): &(&str, Value)| (format!("llama.{key}"), value.clone());
        let mut metadata: std::collections::BTreeMap<_, _> = keys.iter().map(named).collect();
        let architecture = Value::String("llama".to_owned());
        metadata.insert("general.architecture".to_owned(), architecture);
        let tensor = |&(name, ty): &(&str, TensorType)| TensorInfo {
            name: name.to_owned(),
            dimensions: vec![256],
            ty,
            elements: 256,
            bytes: 256,
        };
        GgufHeader {
            version: 3,
            metadata,
            tensors: tensors.iter().map(tensor).collect(),
            file_bytes: 0,
        }
    }

    #[test]
    fn values_that_llama_cpp_would_abort_on_are_refused_by_name() {
        use Value::{Float, String, Unsigned};
        let bad: &[&[(&str, Value)]] = &[
            &[("block_count", Unsigned(0))],
            &[("block_count", Unsigned(513))],
            &[("context_length", Unsigned(1 << 31))],
            &[
                ("nextn_predict_layers", Unsigned(3)),
                ("block_count", Unsigned(2)),
            ],
            &[
                ("expert_used_count", Unsigned(0)),
                ("expert_count", Unsigned(8)),
            ],
            &[("expert_used_count", Unsigned(1))],
            &[("expert_count", Unsigned(1025))],
            &[("expert_group_count", Unsigned(1))],
            &[
                ("expert_group_count", Unsigned(3)),
                ("expert_count", Unsigned(8)),
                ("expert_used_count", Unsigned(2)),
            ],
            &[
                ("expert_group_used_count", Unsigned(4)),
                ("expert_group_count", Unsigned(4)),
                ("expert_count", Unsigned(8)),
                ("expert_used_count", Unsigned(2)),
            ],
            &[("rope.scaling.type", String("bogus".to_owned()))],
            &[("attention.layer_norm_rms_epsilon", Float(-1.0))],
            &[("attention.layer_norm_rms_epsilon", Float(f64::NAN))],
        ];
        for keys in bad {
            let problem = check(&header(keys, &[])).unwrap_err().to_string();
            let (culprit, _) = &keys[0];
            assert!(problem.contains(culprit), "{keys:?}: {problem}");
        }
    }

    #[test]
    fn what_real_models_have_passes() {
        use Value::{Array, Float, String, Unsigned};
        let good: &[&[(&str, Value)]] = &[
            &[("block_count", Unsigned(512))],
            &[
                ("expert_count", Unsigned(8)),
                ("expert_used_count", Unsigned(2)),
            ],
            &[
                ("expert_count", Unsigned(256)),
                ("expert_used_count", Unsigned(8)),
                ("expert_group_count", Unsigned(8)),
                ("expert_group_used_count", Unsigned(4)),
            ],
            &[
                ("expert_count", Unsigned(8)),
                ("expert_used_count", Array(32)),
            ],
            &[("rope.scaling.type", String("yarn".to_owned()))],
            &[("attention.layer_norm_rms_epsilon", Float(1e-5))],
        ];
        for keys in good {
            check(&header(keys, &[])).unwrap();
        }
    }

    #[test]
    fn words_with_spaces_need_a_tokenizer_that_drops_them() {
        let with = |model: &str| {
            let mut header = header(&[], &[]);
            for (key, value) in [("model", model), ("pre", "whitespace")] {
                let key = format!("tokenizer.ggml.{key}");
                let value = Value::String(value.to_owned());
                header.metadata.insert(key, value);
            }
            check(&header)
        };
        with("whitespace").unwrap();
        let problem = with("gpt2").unwrap_err().to_string();
        assert!(problem.contains("`gpt2`"), "{problem}");
    }

    #[test]
    fn only_types_with_kernels_are_weights() {
        for ty in [
            TensorType::Q8_1,
            TensorType::I32,
            TensorType::F64,
            TensorType::Q8K,
        ] {
            let problem = check(&header(&[], &[("output.weight", ty)])).unwrap_err();
            assert!(problem.to_string().contains("output.weight"), "{problem}");
        }
        let norm = header(&[], &[("blk.0.attn_norm.weight", TensorType::F16)]);
        assert!(check(&norm).unwrap_err().to_string().contains("F32"));
        check(&header(
            &[],
            &[
                ("output.weight", TensorType::Q4_1),
                ("blk.0.attn_norm.weight", TensorType::F32),
                ("d2t", TensorType::I64),
                ("blk.0.ffn_gate_tid2eid.weight", TensorType::I32),
            ],
        ))
        .unwrap();
    }
}
