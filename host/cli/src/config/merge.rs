//! Decides which value is in force: the command line wins over the file, which wins over the
//! default. No other code decides this.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use bytesize::ByteSize;
use mynah_core::{Observer, Owner};
use mynah_engine::SystemInfo;
use mynah_isolate::Processes;
use mynah_settings::{Level, ModelConfig, Place, Priority, Problem, SettingInForce, SettingsError};

use super::file::File;
use super::own::Run;
use super::source::Source;
use crate::args::{
    Compat, Control, LogArgs, NamedModel, Preload, PreloadTarget, Preopen, RunArgs, Variable,
};
use crate::cache;
use crate::logging::LogSettings;
use crate::mistakes::{Mistakes, usage};

/// The variable with an instance's number, if there are several instances.
pub(crate) const INSTANCE: &str = "MYNAH_INSTANCE";

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
    /// The places for processes of guests' own models. `None`: this process loads them.
    pub(crate) guest_processes: Option<Processes>,
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
    let by_flags: Vec<SettingInForce> = flags.in_force();
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
        let mut model = preloaded(&preload);
        model.path = source.path(&model.path);
        model
    });
    let models = models.chain(preloads);
    let given: Vec<NamedModel> = args.nn_preloads.iter().map(preloaded).collect();
    let given = [&args.models[..], &given].concat();
    check_names(&given)?;
    let dirs = run.dirs.into_iter().map(|dir| Preopen {
        host: source.path(&dir.host),
        guest: dir.guest,
    });
    let max_guest_processes = args.max_guest_processes.or(run.max_guest_processes);
    let max_guest_processes = max_guest_processes.unwrap_or(Processes::DEFAULT_MAX);
    let settings = RunSettings {
        models: named(models, &given, |model| &model.name),
        model,
        observer: None,
        compat: match &args.compat[..] {
            [] => run.compat,
            given => given.to_vec(),
        },
        dirs: named(dirs, &args.dirs, |dir| &dir.guest),
        env: named(run.env.into_iter(), &args.env, |variable| &variable.key),
        timeout: args.timeout.or(run.timeout),
        grace: args.grace.or(run.grace).unwrap_or(Run::GRACE),
        max_memory: args
            .max_memory
            .or(run.max_memory)
            .unwrap_or(Run::MAX_MEMORY),
        allow_guest_models: args.allow_guest_models.or(run.allow_guest_models),
        guest_processes: args
            .isolate_guest_models
            .or(run.isolate_guest_models)
            .unwrap_or(mynah_isolate::IS_AVAILABLE)
            .then(|| Processes::new(max_guest_processes)),
        allow_host_status: args.allow_host_status.or(run.allow_host_status) == Some(true),
        metrics: args.metrics.or(run.metrics),
        control: args.control.clone().or_else(|| {
            run.control.map(|control| match control {
                Control::Off => Control::Off,
                Control::At(path) => Control::At(source.path(&path)),
            })
        }),
        instances: args.instances.or(run.instances).unwrap_or(Run::INSTANCES),
        owner: args.owner.clone().or(run.owner),
        weight: args.weight.or(run.weight).unwrap_or(Run::WEIGHT),
        max_priority: args
            .max_priority
            .or(run.max_priority)
            .unwrap_or(Run::MAX_PRIORITY),
        log,
    };
    let is_flag = |key: &str| {
        let is_given = |one: &SettingInForce| one.path == key && one.level != Level::Default;
        by_flags.iter().any(is_given)
    };
    check(&settings, max_guest_processes, checked, |key| {
        places.get(key).copied().filter(|_| !is_flag(key))
    })
    .map_err(|problems| source.refuse_settings(&problems))?;
    let instances = settings.instances;
    if instances > 1 && settings.env.iter().any(|variable| variable.key == INSTANCE) {
        return Err(usage(format_args!(
            "{INSTANCE} contains each instance's number if there are several: give your variable \
             another name"
        )));
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

/// Checks that no two models of the command line have the same name.
fn check_names(given: &[NamedModel]) -> Result<()> {
    let twice = |(at, model): (usize, &NamedModel)| {
        let before = given.get(..at)?.iter();
        let is_there = before
            .map(|other| &other.name)
            .any(|name| *name == model.name);
        is_there.then(|| format!("the model name `{}` is given twice", model.name))
    };
    let twice: Vec<String> = given.iter().enumerate().filter_map(twice).collect();
    if twice.is_empty() {
        Ok(())
    } else {
        Err(Mistakes::in_usage(twice))
    }
}

/// Checks the ranges of the flags and of this program's own settings, and settings that depend on
/// each other. The file's own settings were checked when it was read.
fn check(
    settings: &RunSettings,
    max_guest_processes: u32,
    flags: Result<(), SettingsError>,
    place: impl Fn(&str) -> Option<Place>,
) -> Result<(), Vec<Problem>> {
    let mut problems = match flags.and_then(|()| settings.model.check()) {
        Err(SettingsError { problems }) => problems,
        Ok(()) => Vec::new(),
    };
    for problem in &mut problems {
        problem.place = place(&problem.path);
    }
    let mut own = |path: &str, value: u32, most: u32| {
        if !(1..=most).contains(&value) {
            let allowed = format!("a whole number from 1 to {most}");
            problems.push(Problem::new(path, value, allowed));
        }
    };
    // The file's own were checked when it was read.
    own("run.instances", settings.instances, Run::MAX_INSTANCES);
    own("run.weight", settings.weight, Owner::MAX_WEIGHT);
    own(
        "run.max_guest_processes",
        max_guest_processes,
        Run::MAX_GUEST_PROCESSES,
    );
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
