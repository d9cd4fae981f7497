//! The heads of attention: their numbers, their lengths, and how positions rotate them.

use super::super::Value;
use super::super::error::GgufProblem;
use super::super::rules::WINDOWS;
use super::super::rules::attention::{
    ALSO_WINDOWS, EQUAL_HEADS, LATENT, LATENT_ONLY, OWN_WINDOW_HEADS, SECTIONS, UNROTATED,
    WHOLE_ROTATION, WIDTH_HEADS,
};
use super::Keys;

impl Keys<'_> {
    /// Each key-value head serves equally many heads.
    pub(super) fn heads(&self) -> Result<(), GgufProblem> {
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
    pub(super) fn head_length(&self, key: &str) -> Option<u64> {
        let of_width = || {
            let heads = self.per_layer("attention.head_count").first().copied()?;
            self.number("embedding_length")?.checked_div(heads)
        };
        self.number(key).or_else(of_width)
    }

    /// Positions rotate pairs of numbers of a head.
    pub(super) fn rotation(&self) -> Result<(), GgufProblem> {
        let is = |list: &[&str]| list.contains(&self.architecture);
        let keys = self.head_length("attention.key_length");
        let values = self.head_length("attention.value_length");
        if let (true, Some(keys), Some(values)) = (is(EQUAL_HEADS), keys, values)
            && keys != values
        {
            let expected = format!("as `attention.key_length`, {keys}");
            return Err(self.wrong("attention.value_length", &values.to_string(), &expected));
        }
        if let (true, Some(keys), Some(width), Some(heads)) = (
            is(WIDTH_HEADS),
            keys,
            self.number("embedding_length"),
            self.per_layer("attention.head_count").first(),
        ) && width
            .checked_div(*heads)
            .is_some_and(|of_width| of_width != keys)
        {
            let expected = "`embedding_length` divided by `attention.head_count`";
            return Err(self.wrong("attention.key_length", &keys.to_string(), expected));
        }
        let key = "rope.dimension_count";
        if let (Some(rotated), Some(length)) = (self.number(key), keys) {
            let is_wrong = match is(WHOLE_ROTATION) {
                true => rotated != length,
                false => !self.can_rotate(rotated, length),
            };
            if is_wrong {
                let expected = format!("an even number of the {length} of a head, mostly all");
                return Err(self.wrong(key, &rotated.to_string(), &expected));
            }
        }
        self.window_heads()?;
        self.sections(keys)
    }

    /// Whether this many numbers of a head can be rotated. llama.cpp computes without an end for 0,
    /// in architectures that rotate.
    fn can_rotate(&self, rotated: u64, length: u64) -> bool {
        let least = match UNROTATED.contains(&self.architecture) {
            true => 0,
            false => 2,
        };
        (least..=length).contains(&rotated) && rotated.is_multiple_of(2)
    }

    /// The lengths of heads in layers with a window, which most architectures don't tell apart from
    /// those of other layers.
    fn window_heads(&self) -> Result<(), GgufProblem> {
        let has_windows = WINDOWS
            .iter()
            .any(|windows| windows.architecture == self.architecture);
        if !has_windows && !ALSO_WINDOWS.contains(&self.architecture) {
            return Ok(());
        }
        let is_own = OWN_WINDOW_HEADS.contains(&self.architecture);
        for key in ["attention.key_length", "attention.value_length"] {
            let of_window = format!("{key}_swa");
            if let (Some(length), Some(other)) = (self.number(&of_window), self.head_length(key))
                && !is_own
                && length != other
            {
                let expected = format!("as `{key}`, {other}");
                return Err(self.wrong(&of_window, &length.to_string(), &expected));
            }
        }
        let length = match self.number("attention.key_length_swa") {
            Some(length) => Some(length),
            None => self.head_length("attention.key_length"),
        };
        let is_whole = WHOLE_ROTATION.contains(&self.architecture);
        let key = "rope.dimension_count_swa";
        if let (Some(rotated), Some(length)) = (self.number(key), length)
            && (!self.can_rotate(rotated, length) || (is_whole && rotated != length))
        {
            let expected = format!("an even number of the {length} of a head, mostly all");
            return Err(self.wrong(key, &rotated.to_string(), &expected));
        }
        Ok(())
    }

    /// Sections of the rotation, which are pairs of a head's numbers.
    fn sections(&self, length: Option<u64>) -> Result<(), GgufProblem> {
        let key = "rope.dimension_sections";
        let sections = self.per_layer(key);
        if sections.is_empty() {
            return Ok(());
        }
        if SECTIONS.contains(&self.architecture)
            && !sections.iter().take(3).any(|&section| section > 0)
        {
            return Err(self.wrong(key, "0", "one of the first three above 0"));
        }
        // A single number holds for all four.
        let repeated = match sections.len() {
            1 => 4,
            _ => 1,
        };
        let sum = sections.iter().take(4).try_fold(0_u64, |sum, &section| {
            sum.checked_add(section.checked_mul(repeated)?)
        });
        // The rotated part of a shared key is a tensor of its own.
        let length = match LATENT.contains(&self.architecture) {
            true => self.number("rope.dimension_count").or(length),
            false => length,
        };
        match length {
            Some(length) if sum.is_none_or(|sum| sum > length) => {
                Err(self.wrong(key, "more", &format!("at most {length} together")))
            }
            _ => Ok(()),
        }
    }

    /// Latent attention, in which all heads share one compressed key.
    pub(super) fn latent(&self) -> Result<(), GgufProblem> {
        if !LATENT.contains(&self.architecture) {
            return Ok(());
        }
        let (key, other) = ("attention.key_length_mla", "attention.value_length_mla");
        let is_needed = LATENT_ONLY.contains(&self.architecture);
        if !is_needed && self.value(key).is_none() && self.value(other).is_none() {
            return Ok(());
        }
        let length = self.number(key).unwrap_or(0);
        let values = self.number(other).unwrap_or(0);
        let is_latent = length > 0;
        if is_latent != (values > 0) || (is_needed && !is_latent) {
            let expected = match is_needed {
                true => format!("1 or more, and `{other}` also"),
                false => format!("1 or more if `{other}` is"),
            };
            return Err(self.wrong(key, &length.to_string(), &expected));
        }
        if !is_latent {
            return Ok(());
        }
        let shared = "attention.head_count_kv";
        let heads = match self.value(shared) {
            Some(_) => self.per_layer(shared),
            None => self.per_layer("attention.head_count"),
        };
        if let Some(&more) = heads.iter().find(|&&heads| heads > 1) {
            return Err(self.wrong(
                shared,
                &more.to_string(),
                "1, because all heads share a key",
            ));
        }
        let whole = self.head_length("attention.key_length");
        let rotated = self.number("rope.dimension_count").or(whole);
        let (Some(whole), Some(rotated)) = (whole, rotated) else {
            return Ok(());
        };
        self.latent_length(
            "attention.key_length",
            whole,
            "attention.kv_lora_rank",
            rotated,
        )?;
        if let Some(windowed) = self.number("attention.kv_lora_rank_swa").map(|_| {
            let own = self.number("attention.key_length_swa");
            own.unwrap_or(whole)
        }) {
            let rotated = self.number("rope.dimension_count_swa").unwrap_or(rotated);
            let key = "attention.key_length_swa";
            self.latent_length(key, windowed, "attention.kv_lora_rank_swa", rotated)?;
        }
        if length <= rotated {
            let expected = format!("more than the {rotated} that positions rotate");
            return Err(self.wrong(key, &length.to_string(), &expected));
        }
        Ok(())
    }

    /// A shared key has the compressed part and the rotated one.
    fn latent_length(
        &self,
        key: &str,
        length: u64,
        rank: &str,
        rotated: u64,
    ) -> Result<(), GgufProblem> {
        match self.number(rank).map(|rank| rank.checked_add(rotated)) {
            Some(sum) if sum != Some(length) => {
                let expected = format!("`{rank}` and the {rotated} that positions rotate");
                Err(self.wrong(key, &length.to_string(), &expected))
            }
            _ => Ok(()),
        }
    }

    /// The length of vectors, which llama.cpp reads from the last layer's numbers unless the model
    /// has a projection.
    pub(super) fn vectors(&self) -> Result<(), GgufProblem> {
        let key = "embedding_length_out";
        let (Some(length), Some(width)) = (self.number(key), self.number("embedding_length"))
        else {
            return Ok(());
        };
        let mut tensors = self.header.tensors.iter();
        let is_projected = matches!(self.architecture, "lfm2" | "lfm2moe")
            && tensors.any(|tensor| tensor.name == "dense_2.weight");
        if length != 0 && length != width && !is_projected {
            let expected = format!("as `embedding_length`, {width}");
            return Err(self.wrong(key, &length.to_string(), &expected));
        }
        Ok(())
    }
}
