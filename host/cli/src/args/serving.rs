//! The flags of how models are served, and of the settings that the component does not set.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::flags::SettingFlags;

/// How models are served, and the settings that the component does not set.
#[derive(Debug, Args)]
#[command(next_help_heading = "Models")]
pub(crate) struct ServingArgs {
    #[command(flatten)]
    pub(crate) flags: SettingFlags<false>,

    /// Keep what was computed for sessions here too, for the next run with the same --owner
    /// [default: in memory alone].
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,

    /// Set any setting, by any of its names, such as `top_p=0.9` or
    /// `sampling.samplers=["top_k","temperature"]`. Can be given more than once. `mynah config
    /// schema` shows what there is.
    #[arg(long = "set", value_name = "SETTING=VALUE")]
    pub(crate) set: Vec<String>,
}
