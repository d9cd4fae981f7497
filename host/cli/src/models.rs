//! Models on the command line: loading with a progress bar, and `mynah models inspect`.

use std::borrow::Cow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytesize::ByteSize;
use indicatif::{ProgressBar, ProgressStyle};
use mynah_core::{Feature, Model, ProgressFn, Registry, Source};
use mynah_engine::model::{capabilities_of, cpu_features, shown_by};
use mynah_engine::{GgufFile, GgufLoader};
use mynah_gguf::GgufHeader;
use mynah_gguf::kernels::speed_note;
use mynah_settings::ModelConfig;

use crate::args::NamedModel;
use crate::config::RunSettings;
use crate::output::{self, Table};

/// Number of steps of the progress bar.
const STEPS: u64 = 1000;

/// Loads all models into the registry, with a progress bar if stderr is a terminal.
pub(crate) fn load(registry: &Registry, settings: &RunSettings) -> Result<()> {
    for model in &settings.models {
        let NamedModel { name, .. } = model;
        // The registry would accept the same file twice under one name.
        if registry.get(name).is_ok() {
            return Err(mynah_core::Error::DuplicateModel { name: name.clone() }.into());
        }
        let bar = bar(format!("loading {name}"));
        let shown = bar.clone();
        let loaded = registry.load(name, source(model, settings), move |share| {
            advance(&shown, share);
        });
        bar.finish_and_clear();
        loaded?;
    }
    Ok(())
}

/// The source of a model. Only this function chooses the backend.
fn source(model: &NamedModel, settings: &RunSettings) -> Arc<dyn Source> {
    Arc::new(GgufFile {
        path: model.path.clone(),
        config: settings.model.clone(),
    })
}

/// Loads the model of a guest in the process that was started for it.
pub(crate) fn load_isolated(
    path: &Path,
    config: ModelConfig,
    progress: ProgressFn,
) -> mynah_core::Result<Model> {
    let loader = GgufLoader {
        config,
        observer: None,
    };
    loader.load_file(path, progress)
}

/// A progress bar, if stderr is a terminal.
pub(crate) fn bar(message: String) -> ProgressBar {
    let bar = ProgressBar::new(STEPS).with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {percent} %") {
        bar.set_style(style);
    }
    bar
}

/// Moves a progress bar to a share from 0.0 to 1.0.
pub(crate) fn advance(bar: &ProgressBar, share: f32) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a display, and `as` saturates"
    )]
    bar.set_position((share * STEPS as f32) as u64);
}

/// `mynah models inspect`.
pub(crate) fn inspect(path: &Path) -> Result<ExitCode> {
    let header = GgufHeader::read(path)?;
    let cpu = cpu_features();
    let mut table = Table::default();
    let unknown = || "unknown".to_owned();
    let number = |value: Option<u32>| value.map_or_else(unknown, |value| value.to_string());
    table.row("file", path.display().to_string());
    table.row("name", header.name().unwrap_or("unknown"));
    table.row("architecture", header.architecture().unwrap_or("unknown"));
    table.row("parameters", millions(header.parameters()));
    table.row("quantisation", header.file_type());
    let files = match header.parts.len() {
        0 => String::new(),
        count => format!(", in {count} files"),
    };
    table.row("size", format!("{}{files}", size(header.file_bytes)));
    table.row(
        "context",
        format!("{} tokens trained", number(header.context_length())),
    );
    table.row("layers", number(header.block_count()));
    table.row("vocabulary", number(header.vocab_size()));
    table.row("tokenizer", tokenizer(&header));
    table.row(
        "chat template",
        match (header.chat_template(), header.has_empty_template()) {
            (Some(_), _) => "yes",
            (None, true) => "empty: a built-in one is used",
            (None, false) => "none: a built-in one is used",
        },
    );
    if let Some(shown) = shown_by(&header) {
        table.row("thinking", shown.thinking);
        table.row("answers", shown.answers);
    }
    let weights: Vec<String> = header
        .weights_by_type()
        .into_iter()
        .map(|(ty, elements, bytes)| {
            format!("{ty}: {} weights, {}", millions(elements), size(bytes))
        })
        .collect();
    table.row("weights", weights.join("\n"));
    let features = capabilities_of(&header).features();
    let features: Vec<&str> = features.map(Feature::name).collect();
    table.row("can do", features.join(", "));
    table.row("kernels here", speed_note(&header, cpu).to_string());
    output::print(&table)
}

/// The kind of the tokenizer, and how it splits text.
fn tokenizer(header: &GgufHeader) -> String {
    let kind = header.tokenizer().unwrap_or("unknown");
    match header.pre_tokenizer() {
        Some(name) => format!("{kind}, {name}"),
        None if header.lacks_pre_tokenizer() => format!(
            "{kind}, without a pre-tokenizer (`tokenizer.ggml.pre`): text may be split into other \
             tokens than the model was trained on"
        ),
        None => kind.to_owned(),
    }
}

fn size(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", ByteSize(bytes).display().iec())
}

fn millions(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a display with one decimal")]
    let millions = count as f64 / 1e6;
    if millions >= 1000.0 {
        format!("{:.1} B", millions / 1000.0)
    } else {
        format!("{millions:.1} M")
    }
}

/// A spinner for a short task; it disappears on drop.
pub(crate) fn spinner(message: impl Into<Cow<'static, str>>) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(message);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
