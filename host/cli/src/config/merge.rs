//! Decides which value is in force: the command line wins over the file, which wins over the
//! default. No other code decides this.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use bytesize::ByteSize;
use mynah_core::{Observer, Owner};
use mynah_engine::SystemInfo;
use mynah_settings::{ModelConfig, Place, Priority, Problem, SettingsError};

use super::file::File;
use super::source::Source;
use crate::args::{
    Compat, Control, LogArgs, NamedModel, Preload, PreloadTarget, Preopen, RunArgs, Variable,
};
use crate::cache;
use crate::logging::LogSettings;

/// The variable with an instance's number, if there are several instances.
pub(crate) const INSTANCE: &str = "MYNAH_INSTANCE";

/// Default memory limit of an instance.
const DEFAULT_MAX_MEMORY: ByteSize = ByteSize::gib(1);
/// Time that requests have to end after SIGTERM. Supervisors wait for 10 s or more before they
/// kill.
const DEFAULT_GRACE: Duration = Duration::from_secs(8);
/// Maximum number of instances: each has a store, a stack and its memory.
const MAX_INSTANCES: u32 = 1000;

/// The settings of a run: the component's grants, and how it and its models are run.
#[derive(Debug)]
pub(crate) struct RunSettings {
    pub(crate) models: Vec<NamedModel>,
    pub(crate) model: ModelConfig,
    /// Called for every finished request; the run sets it.
    pub(crate) observer: Option<Observer>,
    pub(crate) compat: Vec<Compat>,
    pub(crate) dirs: Vec<Preopen>,
    pub(crate) env: Vec<Variable>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) max_memory: ByteSize,
    pub(crate) allow_guest_models: Option<ByteSize>,
    pub(crate) allow_host_status: bool,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) control: Option<Control>,
    pub(crate) instances: u32,
    pub(crate) owner: Option<String>,
    pub(crate) weight: u32,
    pub(crate) max_priority: Priority,
    pub(crate) log: LogSettings,
}

/// Merges flags, file and defaults into the settings in force.
pub(super) fn merge(
    args: &RunArgs,
    log: &LogArgs,
    file: File,
    source: &Source,
) -> Result<RunSettings> {
    let File {
        mut operator,
        places,
        own,
        ..
    } = file;
    let flags = log.operator()?.or(&args.serving.operator()?);
    let checked = flags.check();
    operator.logging.file = operator.logging.file.map(|file| source.text_path(&file));
    let log = LogSettings::new(log, flags.logging.clone(), &operator.logging)?;
    let operator = flags.or(&operator);
    let mut model = operator.config();
    model.optimize = operator
        .model
        .optimize
        .map(cache::optimized_models)
        .transpose()?;
    let run = own.run;
    model.state_dir = args
        .serving
        .state_dir
        .clone()
        .or_else(|| run.state_dir.map(|dir| source.path(&dir)));
    let models = own.models.into_iter().map(|(name, path)| NamedModel {
        name,
        path: source.path(&path),
    });
    let preloads = run.nn_preload.into_iter().map(|preload| {
        let mut model = preloaded(&preload.0);
        model.path = source.path(&model.path);
        model
    });
    let models = models.chain(preloads);
    let given: Vec<NamedModel> = args.nn_preloads.iter().map(preloaded).collect();
    let given = [&args.models[..], &given].concat();
    let dirs = run.dirs.into_iter().map(|dir| Preopen {
        host: source.path(&dir.0.host),
        guest: dir.0.guest,
    });
    let env = run.env.into_iter().map(|variable| variable.0);
    let settings = RunSettings {
        models: named(models, &given, |model| &model.name),
        model,
        observer: None,
        compat: match &args.compat[..] {
            [] => run.compat.into_iter().map(|compat| compat.0).collect(),
            given => given.to_vec(),
        },
        dirs: named(dirs, &args.dirs, |dir| &dir.guest),
        env: named(env, &args.env, |variable| &variable.key),
        timeout: args.timeout.or_else(|| run.timeout.map(|limit| limit.0.0)),
        grace: args
            .grace
            .or_else(|| run.grace.map(|grace| grace.0.0))
            .unwrap_or(DEFAULT_GRACE),
        max_memory: args
            .max_memory
            .or(run.max_memory.map(|size| size.0.0))
            .unwrap_or(DEFAULT_MAX_MEMORY),
        allow_guest_models: args
            .allow_guest_models
            .or(run.allow_guest_models.map(|size| size.0.0)),
        allow_host_status: args.allow_host_status.or(run.allow_host_status) == Some(true),
        metrics: args.metrics.or(run.metrics.map(|address| address.0.0)),
        control: args.control.clone().or_else(|| {
            run.control.map(|control| match control.0 {
                Control::Off => Control::Off,
                Control::At(path) => Control::At(source.path(&path)),
            })
        }),
        instances: args.instances.or(run.instances).unwrap_or(1),
        owner: args.owner.clone().or(run.owner),
        weight: args.weight.or(run.weight).unwrap_or(1),
        max_priority: args
            .max_priority
            .or(run.max_priority.map(|priority| priority.0))
            .unwrap_or(Priority::Urgent),
        log,
    };
    let is_flag = |key: &str| match key {
        "run.instances" => args.instances.is_some(),
        "run.weight" => args.weight.is_some(),
        _ => false,
    };
    check(&settings, checked, |key| {
        places.get(key).copied().filter(|_| !is_flag(key))
    })
    .map_err(|problems| source.refuse_settings(&problems))?;
    let instances = settings.instances;
    if instances > 1 && settings.env.iter().any(|variable| variable.key == INSTANCE) {
        bail!(
            "{INSTANCE} contains each instance's number if there are several: give your variable \
             another name"
        );
    }
    Ok(settings)
}

/// The model of a preload. The target only causes a warning here, because a setting decides how
/// many layers run on a graphics card.
fn preloaded(preload: &Preload) -> NamedModel {
    let name = &preload.model.name;
    if preload.target == PreloadTarget::Gpu && !SystemInfo::has_gpu() {
        tracing::warn!(
            name,
            "a model is preloaded for a GPU, but there is no GPU: the CPU computes it"
        );
    }
    preload.model.clone()
}

/// Checks the ranges of the flags and of this program's own settings, and settings that depend on
/// each other. The file's own settings were checked when it was read.
fn check(
    settings: &RunSettings,
    flags: Result<(), SettingsError>,
    place: impl Fn(&str) -> Option<Place>,
) -> Result<(), Vec<Problem>> {
    let mut problems = match flags.and_then(|()| settings.model.check()) {
        Err(SettingsError { problems }) => problems,
        Ok(()) => Vec::new(),
    };
    let mut own = |path: &str, value: u32, most: u32| {
        if !(1..=most).contains(&value) {
            problems.push(Problem {
                place: place(path),
                ..Problem::new(path, value, format!("a whole number from 1 to {most}"))
            });
        }
    };
    own("run.instances", settings.instances, MAX_INSTANCES);
    own("run.weight", settings.weight, Owner::MAX_WEIGHT);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Merges two lists by name: the items of the file that the command line does not override, then
/// those of the command line.
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

#[cfg(test)]
mod tests;
