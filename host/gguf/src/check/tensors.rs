//! The types of tensors, and tensors that llama.cpp takes for granted.

use std::collections::HashSet;

use super::super::error::GgufProblem;
use super::super::rules::{ABSENT, NEEDED, ONLY_F32};
use super::super::{GgufHeader, TensorInfo, TensorType};

/// Tensors that are lookup tables of numbers and not weights (`llama-arch.cpp`).
const TABLES: [&str; 2] = ["d2t", "ffn_gate_tid2eid"];
/// The table that llama.cpp uses as whole numbers without a look at its type.
const EXPERTS_OF_TOKENS: &str = "ffn_gate_tid2eid";
/// Tensors that are added, multiplied or scanned, and not multiplied as matrices: the kernels for
/// that only know F32 (`LLM_TENSOR_INFOS` in `llama-arch.cpp`). Norms and biases are no part of the
/// list.
const ELEMENTWISE: &[&str] = &[
    "altup_correct_scale",
    "attn_conv_base",
    "attn_res_score",
    "attn_sinks",
    "channel_mix_lerp_k",
    "channel_mix_lerp_r",
    "exp_probs_b",
    "exp_probs_b_vl",
    "ffn_conv_base",
    "ffn_res_score",
    "hc_attn_base",
    "hc_attn_scale",
    "hc_ffn_base",
    "hc_ffn_scale",
    "layer_output_scale",
    "output_hc_base",
    "output_hc_scale",
    "output_res_score",
    "ple_conv1d",
    "rope_factors_long",
    "rope_factors_short",
    "rope_freqs",
    "ssm_a",
    "ssm_conv1d",
    "ssm_conv1d_k",
    "ssm_conv1d_q",
    "ssm_conv1d_v",
    "ssm_d",
    "time_mix_a0",
    "time_mix_decay",
    "time_mix_first",
    "time_mix_k_a",
    "time_mix_k_k",
    "time_mix_lerp_fused",
    "time_mix_lerp_g",
    "time_mix_lerp_k",
    "time_mix_lerp_r",
    "time_mix_lerp_v",
    "time_mix_lerp_w",
    "time_mix_lerp_x",
    "time_mix_ln",
    "time_mix_r_k",
    "time_mix_v0",
    "time_mix_w0",
    "token_types",
    "z_l_init",
];

/// Matrices of several, for which the kernels of quantised types allocate too little.
const UNPACKED: [&str; 2] = ["altup_proj", "altup_unembd_proj"];

/// Checks a tensor's type. Weights of a type without kernels crash.
pub(super) fn kind(tensor: &TensorInfo, architecture: &str) -> Result<(), GgufProblem> {
    use TensorType as T;

    let TensorInfo { name, ty, .. } = tensor;
    let is_part = |list: &[&str]| name.split('.').any(|part| list.contains(&part));
    let is_weight = match ty {
        // Types of intermediate results.
        T::Q8_1 | T::Q8K | T::I8 | T::I16 | T::F64 => false,
        T::I32 | T::I64 => is_part(&TABLES),
        _ => true,
    };
    if !is_weight {
        return Err(GgufProblem::Unusable(format!(
            "tensor `{name}` has the type {ty}, which is not one for weights"
        )));
    }
    let needs = |needed: &str| {
        Err(GgufProblem::Unusable(format!(
            "tensor `{name}` has the type {ty}, llama.cpp needs {needed} for it"
        )))
    };
    if is_part(&[EXPERTS_OF_TOKENS]) && *ty != T::I32 {
        return needs("I32");
    }
    let is_norm = name.split('.').any(|part| part.contains("norm"));
    let is_ending = |ending| name.rsplit('.').next() == Some(ending);
    let is_own = ONLY_F32
        .iter()
        .any(|(architectures, part)| architectures.contains(&architecture) && is_part(&[part]));
    let is_elementwise = is_norm
        || ["bias", "scale", "input_scale", "scales"]
            .into_iter()
            .any(is_ending)
        || is_part(ELEMENTWISE)
        || is_own;
    if is_elementwise && *ty != T::F32 {
        return needs("F32");
    }
    if is_part(&UNPACKED) && ty.block().0 > 1 {
        return needs("F32, F16 or BF16");
    }
    Ok(())
}

/// Checks that the tensors which llama.cpp uses without a look are there, and that those which it
/// cannot use are not.
pub(super) fn present(header: &GgufHeader, architecture: &str) -> Result<(), GgufProblem> {
    let names: HashSet<&str> = header.tensors.iter().map(|one| one.name.as_str()).collect();
    for &(architectures, with, needed) in NEEDED {
        if !architectures.is_empty() && !architectures.contains(&architecture) {
            continue;
        }
        for name in &names {
            let Some(start) = name.strip_suffix(with).filter(|start| start.ends_with('.')) else {
                continue;
            };
            let has = |other: &&str| names.contains(format!("{start}{other}").as_str());
            if !needed.iter().any(has) {
                return Err(GgufProblem::Unusable(format!(
                    "it has the tensor `{name}` and lacks `{start}{}`, which llama.cpp uses with \
                     it",
                    needed.join("` or `")
                )));
            }
        }
    }
    for &(architectures, part) in ABSENT {
        let found = |name: &&&str| name.split('.').any(|one| one == part);
        if let (true, Some(name)) = (
            architectures.contains(&architecture),
            names.iter().find(found),
        ) {
            return Err(GgufProblem::Unusable(format!(
                "it has the tensor `{name}`, which llama.cpp can't use in a model of the \
                 architecture `{architecture}`"
            )));
        }
    }
    Ok(())
}
