//! The flags that say how models are served, and how text is made where the component doesn't say.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueHint};
use mynah_engine::model::optimize::Target;
use mynah_engine::{ChatTemplateName, KvLayout, KvType, ModelConfig, Priority};

/// How models are served, and how text is made where the component doesn't say.
#[derive(Debug, Args)]
#[command(next_help_heading = "Models")]
pub(crate) struct ServingArgs {
    /// Tokens that one session holds, prompt and answer together [default: 2048, or what the model
    /// was trained on].
    #[arg(long, value_name = "TOKENS")]
    pub(crate) ctx_size: Option<u32>,

    #[arg(long, value_name = "TOKENS", help = or_default(
        "Tokens that one decode step computes at most",
        ModelConfig::default().batch_size,
    ))]
    pub(crate) batch_size: Option<u32>,

    #[arg(long, value_name = "COUNT", help = or_default(
        "Generations that run at once",
        ModelConfig::default().max_concurrent,
    ))]
    pub(crate) max_concurrent: Option<u32>,

    #[arg(long, value_name = "COUNT", help = or_default(
        "Requests that wait at most",
        ModelConfig::default().queue_size,
    ))]
    pub(crate) queue_size: Option<u32>,

    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, help = or_default(
        "Time that a request waits at most",
        humantime::format_duration(ModelConfig::default().default_task_timeout),
    ))]
    pub(crate) queue_timeout: Option<Duration>,

    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, help = or_default(
        "Time after which a request that waits counts as one priority higher, again and again",
        humantime::format_duration(ModelConfig::default().ageing),
    ))]
    pub(crate) ageing: Option<Duration>,

    #[arg(long, value_name = "COUNT", help = or_default(
        "Sessions that are open at once",
        ModelConfig::default().max_sessions,
    ))]
    pub(crate) max_sessions: Option<u32>,

    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, help = or_default(
        "Time after which a session that does nothing may be closed",
        humantime::format_duration(ModelConfig::default().idle_timeout),
    ))]
    pub(crate) idle_timeout: Option<Duration>,

    /// KV cells for all sequences together, one for each token [default: enough for all]. With
    /// fewer, sequences are parked in host memory when they run out, and resumed.
    #[arg(long, value_name = "COUNT")]
    pub(crate) kv_cells: Option<u32>,

    /// How the KV cells are laid out: auto, split (each sequence its own) or unified (one pool)
    /// [default: auto].
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) kv_layout: Option<KvLayout>,

    /// What keys and values are kept as: f16, or q8_0 (a little more than half the memory)
    /// [default: f16].
    #[arg(long, value_name = "TYPE")]
    pub(crate) kv_type: Option<KvType>,

    /// Let the oldest part of a conversation make room when its context is full, where the
    /// component doesn't say [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) context_shifting: Option<bool>,

    /// Let owners use what was computed for others: one may then learn what another has sent
    /// [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) share_prefixes: Option<bool>,

    #[arg(long, value_name = "SIZE", help = or_default(
        "Host memory for sequences that had to leave their KV cells; what has no room is computed again",
        ByteSize(ModelConfig::default().max_parked_bytes).display().iec(),
    ))]
    pub(crate) max_parked_bytes: Option<ByteSize>,

    /// Memory that the whole process may have, weights included. Near it less is remembered, then
    /// idle sessions are closed, and at last requests are refused [default: what the control group
    /// or the machine has].
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_process_bytes: Option<ByteSize>,

    /// Pack what is there, and with it what is on disk: less memory, and more time to put it aside
    /// and take it back [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) compress_parked: Option<bool>,

    /// Keep what was computed for sessions here too, for the next run with the same --owner
    /// [default: in memory alone].
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,

    #[arg(long, value_name = "SIZE", help = or_default(
        "Disk space for that; what has been of no use for longest makes way",
        ByteSize(ModelConfig::default().max_state_bytes).display().iec(),
    ))]
    pub(crate) max_state_bytes: Option<ByteSize>,

    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, help = or_default(
        "Time after which a session's state is written there if nobody asks for it",
        humantime::format_duration(ModelConfig::default().store_after),
    ))]
    pub(crate) store_after: Option<Duration>,

    /// Threads that compute [default: all cores].
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<u32>,

    /// Convert the models' weights first, to what is fast on this CPU or to TARGET (see `mynah
    /// models optimize`), and keep the result in the cache [default: run them as they are; auto
    /// without TARGET].
    #[arg(long, value_name = "TARGET", num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    pub(crate) optimize: Option<Target>,

    #[arg(long, value_name = "BYTES", help = or_default(
        "Bytes of a prompt at most, or of all messages together",
        ModelConfig::default().max_prompt_bytes,
    ))]
    pub(crate) max_prompt_bytes: Option<u32>,

    #[arg(long, value_name = "BYTES", help = or_default(
        "Bytes of text that wait unread; then the generation pauses",
        ModelConfig::default().max_unread_bytes,
    ))]
    pub(crate) max_unread_bytes: Option<u32>,

    #[arg(long, value_name = "TOKENS", help = or_default(
        "Tokens of an answer at most, where the component doesn't say",
        512,
    ))]
    pub(crate) max_tokens: Option<u32>,

    #[arg(long, value_name = "TEMPERATURE", allow_negative_numbers = true, help = or_default(
        "Randomness where the component doesn't say: 0 is greedy",
        0.8,
    ))]
    pub(crate) temperature: Option<f32>,

    /// String that ends an answer where the component doesn't say. Repeatable.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) stop: Vec<String>,

    /// Time of a request at most, in all, where the component doesn't say [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) max_time: Option<Duration>,

    /// Priority where the component doesn't say: low, normal, high or urgent [default: normal].
    #[arg(long, value_name = "PRIORITY")]
    pub(crate) priority: Option<Priority>,

    /// Compute each sequence apart from all others where the component doesn't say, so that its
    /// text depends on nothing else. Slower [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) deterministic: Option<bool>,

    /// Seed where the component doesn't say; -1 is random [default: random].
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    pub(crate) seed: Option<i64>,

    /// Take a model out of memory when nobody has used it for this long; the next request loads it
    /// again [default: it stays].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) keep_alive: Option<Duration>,

    /// Layers of the models that graphics cards compute, where there are any; -1 is all [default:
    /// as many as their free memory holds].
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    pub(crate) n_gpu_layers: Option<i64>,

    /// Use a built-in chat template in place of the model's own: chatml, llama3, gemma, mistral,
    /// zephyr or plain.
    #[arg(long, value_name = "NAME")]
    pub(crate) chat_template: Option<ChatTemplateName>,

    /// Set any setting, by any of its names, such as `top_p=0.9` or
    /// `sampling.samplers=["top_k","temperature"]`. Can be given more than once. `mynah config
    /// schema` shows what there is.
    #[arg(long = "set", value_name = "SETTING=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Help with the engine's default. A flag itself has none: one that isn't given leaves the choice
/// to the file.
fn or_default(help: &str, default: impl fmt::Display) -> String {
    format!("{help} [default: {default}]")
}
