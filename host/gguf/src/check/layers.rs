//! Keys that differ by layer: heads, experts and attention windows.

use super::super::error::GgufProblem;
use super::super::rules::{GATED, Off, ROWS, Rows, SHARED_INDEXER, WINDOWS, Windows};
use super::super::{TensorInfo, Value};
use super::{Keys, MAX_LAYERS};

/// Architectures in which a layer with 0 key-value heads is one with linear attention, and has the
/// tensors of attention (`is_recr_impl` in `models/*.cpp`).
const LINEAR_WITHOUT_HEADS: [&str; 4] = ["bailingmoe3", "glm5-next", "kimi-k3", "kimi-linear"];
/// Tensors of a layer with attention.
const ATTENTION: [&str; 4] = ["attn_k", "attn_qkv", "attn_kv_a_mqa", "attn_kv"];

/// The layer of a tensor's name, and the rest of it.
fn layer_of(tensor: &TensorInfo) -> Option<(usize, &str)> {
    let (layer, rest) = tensor.name.strip_prefix("blk.")?.split_once('.')?;
    Some((layer.parse().ok()?, rest))
}

impl Keys<'_> {
    /// Checks what depends on the layer. The model has `count` layers.
    pub(super) fn layers(&self, count: u64) -> Result<(), GgufProblem> {
        let heads = ["attention.head_count", "attention.head_count_kv"];
        let is_linear = LINEAR_WITHOUT_HEADS.contains(&self.architecture);
        for key in heads {
            // A list tells linear attention from other.
            if is_linear && matches!(self.value(key), Some(Value::Array(_))) {
                continue;
            }
            self.none_of("attention", key, |part| ATTENTION.contains(&part))?;
        }
        if self.number("expert_used_count").is_none() {
            self.none_of("experts", "expert_used_count", |part| {
                part.ends_with("_exps")
            })?;
        }
        // Read into an array of this length (`models/deepseek4.cpp`).
        let key = "attention.compress_ratios";
        if let Some(Value::Array(length)) = self.value(key)
            && *length > MAX_LAYERS
        {
            let expected = format!("a list of at most {MAX_LAYERS}");
            return Err(self.wrong(key, &format!("a list of {length}"), &expected));
        }
        self.gating()?;
        self.indexers()?;
        self.rows()?;
        self.windows(count)
    }

    /// Refuses a list of numbers in which a layer has 0 although it has the tensors.
    fn none_of(
        &self,
        what: &str,
        key: &str,
        is_one: impl Fn(&str) -> bool,
    ) -> Result<(), GgufProblem> {
        let numbers = self.per_layer(key);
        let is_list = matches!(self.value(key), Some(Value::Array(_)));
        let of_layer = |layer: usize| match is_list {
            true => numbers.get(layer),
            false => numbers.first(),
        };
        for tensor in &self.header.tensors {
            let Some((layer, rest)) = layer_of(tensor) else {
                continue;
            };
            let part = rest.split('.').next().unwrap_or_default();
            if is_one(part) && of_layer(layer) == Some(&0) {
                let expected = format!("1 or more, because it has {what} (`{}`)", tensor.name);
                return Err(self.wrong(key, &format!("0 for layer {layer}"), &expected));
            }
        }
        Ok(())
    }

    /// The function that chooses experts: `llm_expert_gating_func_type`.
    fn gating(&self) -> Result<(), GgufProblem> {
        let key = "expert_gating_func";
        let Some(number) = self.number(key) else {
            return Ok(());
        };
        let has_default = GATED.contains(&self.architecture);
        // Without experts, nothing is chosen.
        let is_used = self.number("expert_count").is_some_and(|count| count > 0);
        if is_used && (number > 4 || (number == 0 && !has_default)) {
            return Err(self.wrong(key, &number.to_string(), "1 to 4"));
        }
        Ok(())
    }

    /// Tensors of which llama.cpp asserts the number of rows.
    fn rows(&self) -> Result<(), GgufProblem> {
        let is_own = |row: &&(&str, &str, &str, Rows)| row.0 == self.architecture;
        let Some((_, name, key, other)) = ROWS.iter().find(is_own) else {
            return Ok(());
        };
        let numbers = self.per_layer(key);
        for tensor in &self.header.tensors {
            let Some((layer, _)) = layer_of(tensor).filter(|(_, rest)| rest == name) else {
                continue;
            };
            let Some(&once) = numbers.get(layer).or(numbers.first()) else {
                continue;
            };
            let more = match other {
                Rows::Twice => once.checked_mul(2),
                Rows::EachOfHead => self
                    .head_length("attention.key_length")
                    .and_then(|length| length.checked_mul(once)),
            };
            let rows = tensor.dimensions.get(1).copied().unwrap_or(1);
            if rows != once && Some(rows) != more {
                return Err(GgufProblem::Unusable(format!(
                    "tensor `{}` has {rows} rows, which don't follow from `{}.{key}`, {once}",
                    tensor.name, self.architecture
                )));
            }
        }
        Ok(())
    }

    /// The first layer with attention has an indexer of its own.
    fn indexers(&self) -> Result<(), GgufProblem> {
        let key = "attention.indexer.types";
        if !SHARED_INDEXER.contains(&self.architecture) || self.value(key).is_none() {
            return Ok(());
        }
        let heads = self.per_layer("attention.head_count_kv");
        let has_heads = |layer: usize| heads.get(layer).or(heads.first()) != Some(&0);
        let mut own = self.per_layer(key).into_iter().enumerate();
        match own.find(|&(layer, _)| has_heads(layer)) {
            Some((layer, 0)) => {
                let expected = "1, because no layer before it has an indexer";
                Err(self.wrong(key, &format!("0 for layer {layer}"), expected))
            }
            _ => Ok(()),
        }
    }

    /// Whether each layer attends to a window, in architectures that mix such layers with others.
    fn windowed(&self, windows: &Windows, count: u64) -> Vec<bool> {
        let key = "attention.sliding_window_pattern";
        if matches!(self.value(key), Some(Value::Array(_))) {
            let list = self.per_layer(key);
            let at = |layer: usize| list.get(layer).is_some_and(|&number| number > 0);
            return (0..usize::try_from(count).unwrap_or(0)).map(at).collect();
        }
        let each = self.number(key).unwrap_or(windows.each);
        let is_windowed = |layer: u64| match (each, windows.is_first_whole) {
            (0, _) => true,
            (each, true) => !layer.is_multiple_of(each),
            (each, false) => layer % each < each - 1,
        };
        (0..count).map(is_windowed).collect()
    }

    /// The layers with and without a window: llama.cpp makes cells for both kinds.
    fn windows(&self, count: u64) -> Result<(), GgufProblem> {
        let is_own = |windows: &&Windows| windows.architecture == self.architecture;
        let Some(windows) = WINDOWS.iter().find(is_own) else {
            return Ok(());
        };
        let key = "attention.sliding_window";
        match self.number(key) {
            None | Some(0) if windows.is_needed => {
                let value = self.number(key).map_or("missing", |_| "0");
                return Err(self.wrong(key, value, "1 or more"));
            }
            Some(0) if windows.off != Off::Never => return Ok(()),
            None if windows.off == Off::ZeroOrMissing => return Ok(()),
            _ => {}
        }
        let layers = self.windowed(windows, self.own_layers(count));
        let key = "attention.sliding_window_pattern";
        let shown = || {
            let windowed = layers.iter().filter(|&&windowed| windowed).count();
            format!("a window for {windowed} of {} layers", layers.len())
        };
        if !layers.contains(&true) {
            return Err(self.wrong(key, &shown(), "one layer with a window"));
        }
        if windows.is_mixed && !layers.contains(&false) {
            return Err(self.wrong(key, &shown(), "one layer without a window"));
        }
        self.shared_cells(&layers)
    }

    /// The layers of the model itself, without those that predict further tokens.
    fn own_layers(&self, count: u64) -> u64 {
        count.saturating_sub(self.number("nextn_predict_layers").unwrap_or(0))
    }

    /// The last layers of some models use the cells of the last two before them, of which one has a
    /// window and the other has none (`llama_model::create_memory`).
    fn shared_cells(&self, layers: &[bool]) -> Result<(), GgufProblem> {
        let first = match self.architecture {
            // Fixed in `models/gemma3n.cpp`.
            "gemma3n" => 20,
            "gemma4" => {
                let key = "attention.shared_kv_layers";
                let shared = self.number(key).unwrap_or(0);
                let shared = usize::try_from(shared).unwrap_or(usize::MAX);
                match layers.len().checked_sub(shared) {
                    Some(first) if first >= 2 => first,
                    _ => {
                        let most = layers.len().saturating_sub(2);
                        return Err(self.wrong(
                            key,
                            &shared.to_string(),
                            &format!("at most {most}"),
                        ));
                    }
                }
            }
            _ => return Ok(()),
        };
        let Some(sharing) = layers.get(first..).filter(|sharing| !sharing.is_empty()) else {
            return Ok(());
        };
        for (windowed, back) in [(true, 2), (false, 1)] {
            let is_own = first.checked_sub(back).and_then(|layer| layers.get(layer));
            if sharing.contains(&windowed) && is_own != Some(&windowed) {
                let expected = "a window for the layer before the last that has cells, and none \
                                for the last";
                let key = "attention.sliding_window_pattern";
                return Err(self.wrong(key, "another order", expected));
            }
        }
        Ok(())
    }
}
