//! The command line's syntax and parsing. This module runs nothing.

mod command;
mod flags;
mod host;
mod logging;
mod preload;
mod serving;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytesize::ByteSize;
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use mynah_settings::Priority;
use mynah_settings::Target;

use crate::logging::LogFilter;

pub(crate) use command::{parse, run_options};
pub(crate) use host::{Control, DEFAULT_METRICS, HostAddress, HostArgs};
pub(crate) use logging::LogArgs;
pub(crate) use preload::{Compat, Preload, Target as PreloadTarget};
pub(crate) use serving::ServingArgs;
pub(crate) use values::{Address, Size, Span};

/// Runs WebAssembly components and core modules that use large language models.
#[derive(Debug, Parser)]
#[command(name = "mynah", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a component, or a core module for WASI preview 1.
    ///
    /// The exit code is the guest's own. A trap or a time-out gives 134, an error of the host or
    /// its configuration 1, a wrong command line 2. Stdout belongs to the guest; messages of the
    /// host go to stderr.
    Run(Box<RunArgs>),
    /// Show what a component or a core module imports and exports, and which grants it needs.
    Inspect {
        /// The guest, a .wasm file.
        #[arg(value_hint = ValueHint::FilePath)]
        guest: PathBuf,
    },
    /// Inspect and convert model files.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Check configuration files, and list all settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the status of the models of a running host.
    Status {
        #[command(flatten)]
        host: HostArgs,

        /// Print the status as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the status of the models of a running host live in the terminal: requests, sessions,
    /// speed and memory.
    Top {
        #[command(flatten)]
        host: HostArgs,

        /// Time between two updates, from 100ms to 1min.
        #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
        every: Duration,
    },
    /// Show or change the log filter of a running host.
    Log {
        /// The new filter, as for `mynah run --log`: such as `info` or `warn,mynah::task=info`
        /// [default: show the filter in force].
        filter: Option<LogFilter>,

        #[command(flatten)]
        host: HostArgs,
    },
    /// Show the capabilities of this build and this machine, and advise how to make models faster.
    Doctor,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Show the contents of a GGUF file, and whether its quantisation has fast kernels on this
    /// machine.
    Inspect {
        /// The model, a .gguf file.
        #[arg(value_hint = ValueHint::FilePath)]
        path: PathBuf,
    },
    /// Convert the weights of a GGUF file to a quantisation that is fast on this machine, and
    /// measure what the conversion gains and costs.
    Optimize(OptimizeArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a configuration, TOML or JSON in any dialect. Show what it sets, or every problem with
    /// its line. Files and folders that it names must exist.
    Check(CheckArgs),
    /// Print the JSON Schema of all settings, with every spelling.
    Schema,
    /// Print the table of all settings, as Markdown.
    Table,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The file; `-` reads stdin [default: mynah.toml in the current folder].
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,

    /// Show the defaults of all other settings too.
    #[arg(long)]
    pub(crate) all: bool,

    /// Treat warnings as errors.
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OptimizeArgs {
    /// The model, a .gguf file. It is not changed.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) path: PathBuf,

    /// Target quantisation: auto (chosen for this CPU; often no conversion helps), f16, q8_0, q6_k,
    /// q5_k_m, q4_k_m or q4_0.
    #[arg(long, value_name = "TARGET", default_value_t = Target::Auto)]
    pub(crate) to: Target,

    /// The file to write [default: beside PATH, with the quantisation in its name].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,

    /// Overwrite an existing file.
    #[arg(long)]
    pub(crate) force: bool,

    /// Only convert, without measuring both files. Measuring takes longer than converting.
    #[arg(long)]
    pub(crate) no_measure: bool,

    /// Number of compute threads [default: all cores].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) threads: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The component or core module, a .wasm file, and its arguments. Everything after the file is
    /// passed to the guest: options of `mynah run` stand before it.
    // One list, because clap would otherwise parse flags after the guest as its own.
    #[arg(
        value_names = ["GUEST", "ARGS"],
        required = true,
        trailing_var_arg = true,
        value_hint = ValueHint::FilePath
    )]
    guest_and_args: Vec<String>,

    /// Read settings from this TOML file [default: mynah.toml in the current folder, if there is
    /// one].
    ///
    /// The command line overrides the file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Do not read mynah.toml in the current folder.
    #[arg(long, conflicts_with = "config")]
    pub(crate) no_config: bool,

    /// Run this number of instances of the component at once, 1 to 1000 [default: 1].
    ///
    /// Each instance has its own memory, limits and time. If there are several, the variable
    /// MYNAH_INSTANCE contains the instance's number, from 0. All instances write to the same
    /// stdout. The exit code is that of the first failed instance, by number.
    #[arg(long, value_name = "COUNT")]
    pub(crate) instances: Option<u32>,

    /// Owner of the component's requests. Components with the same owner share a weight in fair
    /// scheduling and a prefix cache [default: each instance is its own owner].
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,

    /// Weight in fair scheduling when the model is busy, 1 to 1000: 2 gets twice as much as 1
    /// [default: 1].
    #[arg(long, value_name = "WEIGHT")]
    pub(crate) weight: Option<u32>,

    /// The highest priority that the component may ask for: low, normal, high or urgent [default:
    /// urgent].
    #[arg(long, value_name = "PRIORITY")]
    pub(crate) max_priority: Option<Priority>,

    /// Load a model and grant it to the component under NAME. Can be given more than once. A file
    /// with two names is loaded once.
    #[arg(long = "model", value_name = "NAME=PATH")]
    pub(crate) models: Vec<NamedModel>,

    /// Load a model and grant it, in the syntax of other hosts of core modules: a name, then GGML,
    /// then CPU, GPU or AUTO, and a file. Can be given more than once, and together with --model.
    ///
    /// --n-gpu-layers sets how many layers run on a graphics card.
    #[arg(long = "nn-preload", value_name = "NAME:ENCODING:TARGET:PATH")]
    pub(crate) nn_preloads: Vec<Preload>,

    /// Enable a workaround for core modules that need it. Can be given more than once.
    ///
    /// lenient-output-size: a buffer of length 0 counts as long as the answer, as guests of
    /// LlamaEdge expect. The write is then only limited by the end of the module's memory.
    #[arg(long, value_name = "QUIRK", value_parser = str::parse::<Compat>)]
    pub(crate) compat: Vec<Compat>,

    /// Grant a folder for reading and writing. Without GUEST the guest sees it under the same name.
    /// Can be given more than once.
    #[arg(long = "dir", value_name = "HOST::GUEST")]
    pub(crate) dirs: Vec<Preopen>,

    /// Set an environment variable of the component; without a value, copy the host's. Can be given
    /// more than once.
    #[arg(long = "env", value_name = "KEY=VALUE")]
    pub(crate) env: Vec<Variable>,

    /// End the component after this time, such as `30s` or `5m` [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) timeout: Option<Duration>,

    /// Time that open requests have to end after SIGTERM, before they are cancelled, such as `30s`
    /// [default: 8s].
    #[arg(long, value_name = "DURATION", value_parser = values::duration)]
    pub(crate) grace: Option<Duration>,

    /// Maximum memory of the component, such as `64MiB`. Growing beyond it is a trap [default:
    /// 1GiB].
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    pub(crate) max_memory: Option<ByteSize>,

    /// Allow the component to load its own models from bytes, up to SIZE each [default: not
    /// allowed; 64MiB without SIZE].
    ///
    /// C++ code parses and computes the model: see --isolate-guest-models.
    #[arg(
        long,
        value_name = "SIZE",
        value_parser = values::size,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "64MiB"
    )]
    pub(crate) allow_guest_models: Option<ByteSize>,

    /// Load each of the component's own models in a process of its own, which can open no files and
    /// no connections. If that process fails, the component gets an error, and the host goes on
    /// [default: true on Linux; not possible elsewhere].
    ///
    /// With false, the models are loaded in the host's process, where they may use graphics cards:
    /// only do this for components that you trust.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) isolate_guest_models: Option<bool>,

    /// Maximum number of processes of components' own models, for all instances together, 1 to 1000
    /// [default: 8].
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_guest_processes: Option<u32>,

    /// Let the component see figures that cover all components: queue, memory and performance of
    /// its models [default: not allowed].
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) allow_host_status: Option<bool>,

    /// Serve metrics over HTTP at this address while the component runs: /metrics (Prometheus),
    /// /status (JSON), /healthz and /readyz [default: not served].
    ///
    /// There is no authentication: prefer an address of this machine only, such as 127.0.0.1:9464.
    #[arg(long, value_name = "ADDRESS", value_parser = values::address)]
    pub(crate) metrics: Option<SocketAddr>,

    /// Path of the socket through which `mynah status`, `top` and `log` reach this host, or `off`
    /// for none [default: in a folder that only this user can enter].
    #[arg(long, value_name = "PATH|off", value_hint = ValueHint::FilePath)]
    pub(crate) control: Option<Control>,

    #[command(flatten)]
    pub(crate) serving: ServingArgs,
}

impl RunArgs {
    /// The guest's file.
    pub(crate) fn guest(&self) -> &Path {
        // clap guarantees that there is one.
        Path::new(self.guest_and_args.first().map_or("", String::as_str))
    }

    /// The arguments of the guest: its own name by convention, then the others.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.guest_and_args
    }
}

/// Parses the time between two updates.
fn interval(text: &str) -> Result<Duration, String> {
    let every = values::duration(text)?;
    if (Duration::from_millis(100)..=Duration::from_secs(60)).contains(&every) {
        Ok(every)
    } else {
        Err("give a time from 100ms to 1min".to_owned())
    }
}

/// `NAME=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedModel {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl FromStr for NamedModel {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Self {
                name: name.to_owned(),
                path: path.into(),
            }),
            _ => bail!("give a name and a file, such as `default=model.gguf`"),
        }
    }
}

/// `HOST::GUEST`, or one path for both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preopen {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
}

impl FromStr for Preopen {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (host, guest) = text.split_once("::").unwrap_or((text, text));
        if host.is_empty() || guest.is_empty() {
            bail!("give a folder and its name inside, such as `./data::/data`");
        }
        if !text.contains("::")
            && let Some((folder, inside)) = text.split_once(':')
            && !Path::new(host).exists()
        {
            bail!(
                "there is no folder `{text}`: two colons separate a folder from its name inside, \
                 such as `{folder}::{inside}`"
            );
        }
        Ok(Self {
            host: host.into(),
            guest: guest.to_owned(),
        })
    }
}

/// `KEY=VALUE`, or `KEY` for the host's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Variable {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, value.to_owned()),
            None => (
                text,
                std::env::var(text).with_context(|| {
                    format!("`{text}` has no value here; give one, such as `{text}=value`")
                })?,
            ),
        };
        if key.is_empty() {
            bail!("give a name and a value, such as `LANG=en`");
        }
        Ok(Self {
            key: key.to_owned(),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use mynah_settings::Quantisation;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_after_the_component_are_its_own() {
        let line = [
            "mynah", "run", "--model", "a=b=c", "x.wasm", "--model", "-v",
        ];
        let Command::Run(run) = Cli::parse_from(line).command else {
            panic!("not run");
        };
        assert_eq!(run.guest(), Path::new("x.wasm"));
        assert_eq!(run.arguments(), ["x.wasm", "--model", "-v"]);
        let model = NamedModel {
            name: "a".into(),
            path: "b=c".into(),
        };
        assert_eq!(run.models, [model]);
    }

    #[test]
    fn a_folder_without_a_guest_name_keeps_its_own() {
        let same: Preopen = "/data".parse().unwrap();
        assert_eq!((same.host, same.guest), ("/data".into(), "/data".into()));
        let other: Preopen = "./a::/b".parse().unwrap();
        assert_eq!((other.host, other.guest), ("./a".into(), "/b".into()));
    }

    #[test]
    fn incomplete_values_are_refused() {
        assert!("model.gguf".parse::<NamedModel>().is_err());
        assert!("=model.gguf".parse::<NamedModel>().is_err());
        assert!("name=".parse::<NamedModel>().is_err());
        assert!("::/data".parse::<Preopen>().is_err());
        assert!("=x".parse::<Variable>().is_err());
        assert!("MYNAH_SURELY_NOT_SET".parse::<Variable>().is_err());
    }

    #[test]
    fn a_conversion_is_only_done_when_asked_for() {
        let optimize = |flags: &[&str]| {
            let line = [&["mynah", "run"], flags, &["x.wasm"]].concat();
            let Command::Run(run) = Cli::parse_from(line).command else {
                panic!("not run");
            };
            run.serving.operator().unwrap().model.optimize
        };
        assert_eq!(optimize(&[]), None);
        assert_eq!(optimize(&["--optimize"]), Some(Target::Auto));
        assert_eq!(
            optimize(&["--optimize=q8_0"]),
            Some(Target::To(Quantisation::Q8_0))
        );
    }
}
