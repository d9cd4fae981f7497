//! `mynah models optimize`: converts a model file to a quantisation that is fast on this machine,
//! and measures what that gains and costs.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use bytesize::ByteSize;
use mynah_core::Error;
use mynah_engine::model::cpu_features;
use mynah_engine::model::optimize::{
    self, Advice, Comparison, DECODE_SEQUENCES, PREFILL_TOKENS, advise,
};
use mynah_gguf::GgufHeader;
use mynah_settings::{Quantisation, Target};

use crate::args::OptimizeArgs;
use crate::models::{advance, bar};
use crate::output::{self, Table};

/// Relative spread above which the measured speeds are unreliable.
const BUSY: f64 = 0.3;

/// Converts, measures, and prints a table.
pub(crate) fn optimize(args: &OptimizeArgs) -> Result<ExitCode> {
    let before = GgufHeader::read(&args.path)?;
    let to = match args.to {
        Target::To(to) => to,
        Target::Auto => match advise(&before, cpu_features()) {
            Advice::Convert(to) => to,
            advice @ (Advice::Fast | Advice::NothingBetter(_)) => {
                let shown = args.path.display();
                return output::print(&format!("{shown}: nothing converted, {advice}\n"));
            }
        },
    };
    let out = match &args.out {
        Some(out) => out.clone(),
        None => beside(&args.path, to),
    };
    if !args.force && out.exists() {
        bail!(
            "{} is there already: give another file with --out, or --force to overwrite it",
            out.display()
        );
    }
    let threads = args.threads.unwrap_or_else(cores);
    let converting = bar(format!("converting to {to}"));
    let converted = optimize::optimize(&args.path, &out, to, threads, &mut |share| {
        advance(&converting, share);
    });
    converting.finish_and_clear();
    let after = converted?;

    let mut table = Table::default();
    table.row("file", out.display().to_string());
    table.wide_row(["", "before", "after"].map(str::to_owned), "change");
    let quantisations = ["quantisation".into(), before.file_type(), after.file_type()];
    table.wide_row(quantisations, "-");
    let bytes = |header: &GgufHeader| ByteSize(header.file_bytes).display().iec().to_string();
    #[expect(clippy::cast_precision_loss, reason = "a ratio, to be shown")]
    let growth = after.file_bytes as f64 / before.file_bytes as f64;
    let sizes = ["size".into(), bytes(&before), bytes(&after)];
    table.wide_row(sizes, times(growth));
    if !args.no_measure {
        let measuring = bar("measuring both".to_owned());
        let compared = optimize::compare(&args.path, &out, threads, &mut |share| {
            advance(&measuring, share);
        });
        measuring.finish_and_clear();
        match compared {
            Err(Error::VectorsOnly { .. }) => {
                let reason = "a model that embeds texts predicts no words to compare";
                table.row("measured", format!("nothing: {reason}"));
            }
            compared => measured(&mut table, &compared?),
        }
    }
    output::print(&table)
}

/// Adds the rows of the measurement.
fn measured(table: &mut Table, comparison: &Comparison) {
    let Comparison {
        before,
        after,
        spread,
        divergence,
    } = comparison;
    let mut speed = |name: String, before: f64, after: f64| {
        let shown = |speed: f64| format!("{speed:.1} tokens/s");
        table.wide_row([name, shown(before), shown(after)], times(after / before));
    };
    speed(
        format!("prompt of {PREFILL_TOKENS} tokens"),
        before.prefill,
        after.prefill,
    );
    for ((sequences, before), after) in DECODE_SEQUENCES.iter().zip(before.decode).zip(after.decode)
    {
        let plural = if *sequences == 1 { "" } else { "s" };
        speed(
            format!("decode, {sequences} sequence{plural}"),
            before,
            after,
        );
    }
    let busy = if *spread < BUSY {
        ""
    } else {
        ": this machine is busy with something else, measure again when it is not"
    };
    table.row(
        "spread",
        format!("the rounds differ by up to {:.0} %{busy}", spread * 100.0),
    );
    table.row(
        "divergence",
        format!(
            "{:.5} nats a token (mean KL over {} tokens; the most likely one is the same for {:.1} \
             %)",
            divergence.mean_kl,
            divergence.tokens,
            divergence.same_top * 100.0
        ),
    );
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2} x")
}

fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // llama.cpp supports at most 512 threads.
    u32::try_from(cores).map_or(512, |cores| cores.min(512))
}

/// A path beside `path` with `to` in place of the quantisation in the file name. A name without a
/// quantisation gets `to` appended.
fn beside(path: &Path, to: Quantisation) -> PathBuf {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    path.with_file_name(format!("{}.gguf", renamed(&stem, to)))
}

/// `name-q4_1` becomes `name-q8_0`, `name` becomes `name.Q8_0`.
fn renamed(stem: &str, to: Quantisation) -> String {
    let parts: Vec<&str> = stem.split_inclusive(['.', '-']).collect();
    let Some(found) = parts.iter().rposition(|part| is_quantisation(part)) else {
        return format!("{stem}.{to}");
    };
    let renamed = parts.iter().enumerate().map(|(index, &part)| {
        if index != found {
            return part.to_owned();
        }
        let is_lower = !part.chars().any(|letter| letter.is_ascii_uppercase());
        let separator = part.strip_prefix(bare(part)).unwrap_or_default();
        if is_lower {
            format!("{}{separator}", to.name())
        } else {
            format!("{to}{separator}")
        }
    });
    renamed.collect()
}

/// A part of a name without its trailing separator.
fn bare(part: &str) -> &str {
    part.trim_end_matches(['.', '-'])
}

/// Whether a part of a name is a quantisation, such as `F16`, `Q4_1`, `IQ4_NL`, `TQ1_0` or `MXFP4`.
fn is_quantisation(part: &str) -> bool {
    let name = bare(part).to_ascii_uppercase();
    if matches!(name.as_str(), "F32" | "F16" | "BF16" | "MXFP4" | "NVFP4") {
        return true;
    }
    let digits = name.trim_start_matches(['I', 'T']).strip_prefix('Q');
    digits.is_some_and(|rest| {
        let mut letters = rest.chars();
        letters.next().is_some_and(|first| first.is_ascii_digit()) && letters.next() == Some('_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_name_says_the_new_quantisation() {
        let name = |stem| renamed(stem, Quantisation::Q8_0);
        assert_eq!(
            name("SmolLM2-135M-Instruct.Q4_1"),
            "SmolLM2-135M-Instruct.Q8_0"
        );
        assert_eq!(name("qwen2-7b-instruct-q4_k_m"), "qwen2-7b-instruct-q8_0");
        assert_eq!(name("model-IQ4_NL-v2"), "model-Q8_0-v2");
        assert_eq!(name("model.F16"), "model.Q8_0");
        assert_eq!(name("Qwen2.5-0.5B"), "Qwen2.5-0.5B.Q8_0");
        let path = beside(Path::new("a/b.Q4_1.gguf"), Quantisation::Q4KM);
        assert_eq!(path, Path::new("a/b.Q4_K_M.gguf"));
    }
}
