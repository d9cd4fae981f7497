//! Which value is in force: the command line's, else the file's, else the default. The one place that decides it.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use bytesize::ByteSize;
use mynah_engine::{Error, ModelConfig, Owner, Priority, Problem, Settings};
use toml::Spanned;

use super::file::{File, Key};
use super::source::Source;
use crate::args::{NamedModel, Preopen, RunArgs, Variable};
use crate::cache;

/// The variable that tells an instance its number where there are several.
pub(crate) const INSTANCE: &str = "MYNAH_INSTANCE";

/// Memory of an instance where nobody says.
const DEFAULT_MAX_MEMORY: ByteSize = ByteSize::gib(1);
/// Instances at most: each has a store, a stack and its memory.
const MAX_INSTANCES: u32 = 1000;

/// What a run is: what the component is granted, and how it and its models are run.
#[derive(Debug)]
pub(crate) struct RunSettings {
    pub(crate) models: Vec<NamedModel>,
    pub(crate) model: ModelConfig,
    pub(crate) dirs: Vec<Preopen>,
    pub(crate) env: Vec<Variable>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_memory: ByteSize,
    pub(crate) allow_guest_models: Option<ByteSize>,
    pub(crate) instances: u32,
    pub(crate) owner: Option<String>,
    pub(crate) weight: u32,
    pub(crate) max_priority: Priority,
}

/// The settings in force.
pub(super) fn merge(args: &RunArgs, file: File, source: &Source) -> Result<RunSettings> {
    let default = ModelConfig::default();
    let mut from = FromFile::default();
    let serving = &args.serving;
    let File {
        models,
        model,
        sampling,
        stopping,
        backend,
        run,
    } = file;
    let temperature = sampling.temp.or(sampling.temperature);
    let queue_timeout = backend.default_task_timeout_ms.map(millis);
    let optimize = serving.optimize.or(model.optimize.map(|target| target.0));
    let model = ModelConfig {
        optimize: optimize.map(cache::optimized_models).transpose()?,
        ctx_size: from.or("ctx_size", serving.ctx_size, model.ctx_size),
        batch_size: from
            .or("batch_size", serving.batch_size, model.batch_size)
            .unwrap_or(default.batch_size),
        max_concurrent: from
            .or(
                "max_concurrent",
                serving.max_concurrent,
                backend.max_concurrent,
            )
            .unwrap_or(default.max_concurrent),
        queue_size: from
            .or("queue_size", serving.queue_size, backend.queue_size)
            .unwrap_or(default.queue_size),
        max_sessions: from
            .or("max_sessions", serving.max_sessions, backend.max_sessions)
            .unwrap_or(default.max_sessions),
        default_task_timeout: from
            .or(
                "default_task_timeout_ms",
                serving.queue_timeout,
                queue_timeout,
            )
            .unwrap_or(default.default_task_timeout),
        ageing: from
            .or("ageing_ms", serving.ageing, backend.ageing_ms.map(millis))
            .unwrap_or(default.ageing),
        kv_cells: from.or("kv_cells", serving.kv_cells, model.kv_cells),
        kv_layout: serving
            .kv_layout
            .or(model.kv_layout.map(|layout| layout.0))
            .unwrap_or(default.kv_layout),
        max_parked_bytes: from
            .or(
                "max_parked_bytes",
                serving.max_parked_bytes.map(|size| size.as_u64()),
                backend.max_parked_bytes,
            )
            .unwrap_or(default.max_parked_bytes),
        threads: from.or("threads", serving.threads, model.threads),
        max_prompt_bytes: from
            .or(
                "max_prompt_bytes",
                serving.max_prompt_bytes,
                backend.max_prompt_bytes,
            )
            .unwrap_or(default.max_prompt_bytes),
        max_unread_bytes: from
            .or(
                "max_unread_bytes",
                serving.max_unread_bytes,
                backend.max_unread_bytes,
            )
            .unwrap_or(default.max_unread_bytes),
        defaults: Settings {
            max_tokens: from.or("max_tokens", serving.max_tokens, stopping.max_tokens),
            temperature: from.or("temperature", serving.temperature, temperature),
            seed: from.or("seed", serving.seed, sampling.seed),
            stop: from.or(
                "stop",
                (!serving.stop.is_empty()).then(|| serving.stop.clone()),
                stopping.stop,
            ),
            max_time: from.or(
                "max_time_ms",
                serving.max_time,
                stopping.max_time_ms.map(millis),
            ),
            // The model's own time-out is this one.
            queue_timeout: None,
            priority: serving
                .priority
                .or(backend.default_priority.map(|priority| priority.0)),
            deterministic: from.or(
                "deterministic",
                serving.deterministic,
                backend.deterministic,
            ),
        },
    };
    let models = models.into_iter().map(|(name, path)| NamedModel {
        name,
        path: source.path(&path),
    });
    let dirs = run.dirs.into_iter().map(|dir| Preopen {
        host: source.path(&dir.0.host),
        guest: dir.0.guest,
    });
    let env = run.env.into_iter().map(|variable| variable.0);
    let settings = RunSettings {
        models: named(models, &args.models, |model| &model.name),
        model,
        dirs: named(dirs, &args.dirs, |dir| &dir.guest),
        env: named(env, &args.env, |variable| &variable.key),
        timeout: args
            .timeout
            .or_else(|| run.timeout.map(|limit| limit.0.into())),
        max_memory: args
            .max_memory
            .or(run.max_memory.map(|size| size.0))
            .unwrap_or(DEFAULT_MAX_MEMORY),
        allow_guest_models: args
            .allow_guest_models
            .or(run.allow_guest_models.map(|size| size.0)),
        instances: from
            .or("instances", args.instances, run.instances)
            .unwrap_or(1),
        owner: from.or("owner", args.owner.clone(), run.owner),
        weight: from.or("weight", args.weight, run.weight).unwrap_or(1),
        max_priority: args
            .max_priority
            .or(run.max_priority.map(|priority| priority.0))
            .unwrap_or(Priority::Urgent),
    };
    check(&settings, &from, source)?;
    Ok(settings)
}

/// Checks the ranges; a value that is the file's is told with its place.
fn check(settings: &RunSettings, from: &FromFile, source: &Source) -> Result<()> {
    let mut problems = match settings.model.check() {
        Ok(()) => Vec::new(),
        Err(Error::Settings { problems }) => problems,
        Err(error) => return Err(error.into()),
    };
    let instances = settings.instances;
    if !(1..=MAX_INSTANCES).contains(&instances) {
        problems.push(Problem {
            key: "instances",
            value: instances.to_string(),
            range: format!("from 1 to {MAX_INSTANCES}"),
        });
    }
    let weight = settings.weight;
    if !(1..=Owner::MAX_WEIGHT).contains(&weight) {
        problems.push(Problem {
            key: "weight",
            value: weight.to_string(),
            range: format!("from 1 to {}", Owner::MAX_WEIGHT),
        });
    }
    if !problems.is_empty() {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| match from.place(problem.key) {
                Some(at) => format!("{}: {problem}", source.place(at)),
                None => problem.to_string(),
            })
            .collect();
        return Err(anyhow!("{}", lines.join("; ")));
    }
    if instances > 1 && settings.env.iter().any(|variable| variable.key == INSTANCE) {
        bail!("{INSTANCE} is each instance's number where there are several: name yours otherwise");
    }
    Ok(())
}

/// The file's, but for those whose name the command line uses; then the command line's.
fn named<T: Clone>(
    file: impl Iterator<Item = T>,
    flags: &[T],
    name: impl Fn(&T) -> &str,
) -> Vec<T> {
    let is_given = |item: &T| flags.iter().any(|flag| name(flag) == name(item));
    let mut all: Vec<T> = file.filter(|item| !is_given(item)).collect();
    all.extend_from_slice(flags);
    all
}

fn millis(value: Spanned<u64>) -> Spanned<Duration> {
    Spanned::new(value.span(), Duration::from_millis(value.into_inner()))
}

/// Chooses between flag and file, and remembers what is the file's, with its place.
#[derive(Debug, Default)]
struct FromFile(Vec<(&'static str, usize)>);

impl FromFile {
    /// The flag's value, else the file's. `key` is the setting's name in [`Problem`].
    fn or<T>(&mut self, key: &'static str, flag: Option<T>, file: Key<T>) -> Option<T> {
        flag.or_else(|| {
            let value = file?;
            self.0.push((key, value.span().start));
            Some(value.into_inner())
        })
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.0
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;
    use mynah_engine::KvLayout;
    use mynah_engine::model::optimize::{Quantisation, Target};

    use super::*;
    use crate::args::{Cli, Command};
    use crate::config::file;

    fn merged(flags: &[&str], text: &str) -> Result<RunSettings, String> {
        let line = [&["mynah", "run"], flags, &["x.wasm"]].concat();
        let Command::Run(args) = Cli::parse_from(line).command else {
            panic!("not run");
        };
        let source = Source::new(Path::new("conf/mynah.toml"), text.to_owned());
        let told = |error: anyhow::Error| format!("{error:#}");
        merge(&args, file::parse(&source).map_err(told)?, &source).map_err(told)
    }

    #[test]
    fn without_flags_and_file_the_defaults_are_in_force() {
        let settings = merged(&[], "").unwrap();
        assert_eq!(settings.model, ModelConfig::default());
        assert_eq!(settings.instances, 1);
        assert_eq!(settings.timeout, None);
        assert_eq!(settings.max_memory, ByteSize::gib(1));
        assert_eq!(settings.allow_guest_models, None);
        assert_eq!((settings.owner, settings.weight), (None, 1));
        assert_eq!(settings.max_priority, Priority::Urgent);
        assert!(settings.models.is_empty());
    }

    const FILE: &str = "
        [model]
        ctx_size = 100
        batch_size = 64
        threads = 3
        kv_cells = 150
        kv_layout = 'unified'
        optimize = 'auto'
        [sampling]
        temp = 0.5
        seed = 1
        [stopping]
        max_tokens = 5
        max_time_ms = 9000
        stop = ['Question:', 'User:']
        [backend]
        max_concurrent = 2
        queue_size = 3
        default_task_timeout_ms = 1500
        max_sessions = 30
        ageing_ms = 700
        default_priority = 'low'
        deterministic = true
        max_parked_bytes = 4000
        max_prompt_bytes = 1000
        max_unread_bytes = 2000
        [run]
        timeout = '3s'
        max_memory = '2MiB'
        allow_guest_models = '3MiB'
        instances = 4
        owner = 'file'
        weight = 2
        max_priority = 'high'
    ";

    #[test]
    fn the_file_wins_over_the_defaults_in_every_setting() {
        let settings = merged(&[], FILE).unwrap();
        let optimize = settings.model.optimize.as_ref().unwrap();
        assert_eq!(optimize.target, Target::Auto);
        let model = ModelConfig {
            optimize: settings.model.optimize.clone(),
            ctx_size: Some(100),
            batch_size: 64,
            max_concurrent: 2,
            queue_size: 3,
            default_task_timeout: Duration::from_millis(1500),
            max_sessions: 30,
            ageing: Duration::from_millis(700),
            kv_cells: Some(150),
            kv_layout: KvLayout::Unified,
            max_parked_bytes: 4000,
            threads: Some(3),
            max_prompt_bytes: 1000,
            max_unread_bytes: 2000,
            defaults: Settings {
                max_tokens: Some(5),
                temperature: Some(0.5),
                seed: Some(1),
                stop: Some(vec!["Question:".to_owned(), "User:".to_owned()]),
                max_time: Some(Duration::from_secs(9)),
                queue_timeout: None,
                priority: Some(Priority::Low),
                deterministic: Some(true),
            },
        };
        assert_eq!(settings.model, model);
        let owner = (settings.owner.as_deref(), settings.weight);
        assert_eq!(owner, (Some("file"), 2));
        assert_eq!(settings.max_priority, Priority::High);
        assert_eq!(settings.timeout, Some(Duration::from_secs(3)));
        assert_eq!(settings.max_memory, ByteSize::mib(2));
        assert_eq!(settings.allow_guest_models, Some(ByteSize::mib(3)));
        assert_eq!(settings.instances, 4);
    }

    #[test]
    fn the_command_line_wins_over_the_file_in_every_setting() {
        let line = "--ctx-size 200 --batch-size 32 --threads 1 --temperature 0 --seed 9 --max-tokens 7 --stop End \
            --max-concurrent 1 --queue-size 9 --queue-timeout 2s --max-sessions 31 --ageing 8s --kv-cells 160 \
            --kv-layout split --optimize=q8_0 --max-parked-bytes 5B --max-time 10s --priority high --deterministic=false --owner flag \
            --weight 3 --max-priority normal --max-prompt-bytes 10 --max-unread-bytes 1024 \
            --timeout 1s --max-memory 1MiB --allow-guest-models=1MiB --instances 2";
        let flags: Vec<&str> = line.split_whitespace().collect();
        let settings = merged(&flags, FILE).unwrap();
        let optimize = settings.model.optimize.as_ref().unwrap();
        assert_eq!(optimize.target, Target::To(Quantisation::Q8_0));
        let model = ModelConfig {
            optimize: settings.model.optimize.clone(),
            ctx_size: Some(200),
            batch_size: 32,
            max_concurrent: 1,
            queue_size: 9,
            default_task_timeout: Duration::from_secs(2),
            max_sessions: 31,
            ageing: Duration::from_secs(8),
            kv_cells: Some(160),
            kv_layout: KvLayout::Split,
            max_parked_bytes: 5,
            threads: Some(1),
            max_prompt_bytes: 10,
            max_unread_bytes: 1024,
            defaults: Settings {
                max_tokens: Some(7),
                temperature: Some(0.0),
                seed: Some(9),
                stop: Some(vec!["End".to_owned()]),
                max_time: Some(Duration::from_secs(10)),
                queue_timeout: None,
                priority: Some(Priority::High),
                deterministic: Some(false),
            },
        };
        assert_eq!(settings.model, model);
        let owner = (settings.owner.as_deref(), settings.weight);
        assert_eq!(owner, (Some("flag"), 3));
        assert_eq!(settings.max_priority, Priority::Normal);
        assert_eq!(settings.timeout, Some(Duration::from_secs(1)));
        assert_eq!(settings.max_memory, ByteSize::mib(1));
        assert_eq!(settings.allow_guest_models, Some(ByteSize::mib(1)));
        assert_eq!(settings.instances, 2);
    }

    #[test]
    fn lists_are_merged_by_name() {
        let text = "
            [models]
            a = 'a.gguf'
            b = '/b.gguf'
            [run]
            dirs = ['data::/data', 'same']
            env = ['K=file', 'L=file']
        ";
        let flags = [
            "--model",
            "b=flag.gguf",
            "--dir",
            "flag::/data",
            "--env",
            "K=flag",
        ];
        let settings = merged(&flags, text).unwrap();
        let models: Vec<_> = settings
            .models
            .iter()
            .map(|model| (model.name.as_str(), model.path.to_str().unwrap()))
            .collect();
        assert_eq!(models, [("a", "conf/a.gguf"), ("b", "flag.gguf")]);
        let dirs: Vec<_> = settings
            .dirs
            .iter()
            .map(|dir| (dir.host.to_str().unwrap(), dir.guest.as_str()))
            .collect();
        assert_eq!(dirs, [("conf/same", "same"), ("flag", "/data")]);
        let env: Vec<_> = settings
            .env
            .iter()
            .map(|variable| format!("{}={}", variable.key, variable.value))
            .collect();
        assert_eq!(env, ["L=file", "K=flag"]);
    }

    #[test]
    fn what_is_out_of_range_is_told_with_the_files_place_where_it_is_the_files() {
        let text = "[backend]\nqueue_size = 0\ndefault_task_timeout_ms = 0\nmax_concurrent = 0\n";
        let told = merged(&["--max-concurrent", "999"], text).unwrap_err();
        for words in [
            "conf/mynah.toml:2:14: `queue_size` is 0",
            "conf/mynah.toml:3:27: `default_task_timeout_ms` is 0",
            "; `max_concurrent` is 999",
        ] {
            assert!(format!("; {told}").contains(words), "`{words}` in: {told}");
        }
    }

    #[test]
    fn the_number_of_instances_has_a_range() {
        for count in ["0", "1001", "5000"] {
            let told = merged(&["--instances", count], "").unwrap_err();
            assert!(told.contains("from 1 to 1000"), "{told}");
        }
        let told = merged(&[], "[run]\ninstances = 0\n").unwrap_err();
        assert!(
            told.contains("conf/mynah.toml:2:13: `instances` is 0"),
            "{told}"
        );
        assert_eq!(
            merged(&["--instances", "1000"], "").unwrap().instances,
            1000
        );
    }

    #[test]
    fn an_instances_number_is_the_hosts_to_give() {
        let flags = ["--env", "MYNAH_INSTANCE=7", "--instances", "2"];
        assert!(merged(&flags, "").unwrap_err().contains(INSTANCE));
        assert!(merged(&flags[..2], "").is_ok());
    }
}
