//! That the file and the command line set every setting, and who of them wins.

use std::path::Path;

use clap::Parser;
use mynah_settings::{
    ChatTemplateName, KvLayout, KvType, Memory, Sampling, Scheduling, Seed, Settings, Stopping,
};
use mynah_settings::{Quantisation, Target};

use super::*;
use crate::args::{Cli, Command};
use crate::config::file;
use crate::mistakes;

fn merged(flags: &[&str], text: &str) -> Result<RunSettings, String> {
    let line = [&["mynah", "run"], flags, &["x.wasm"]].concat();
    let Cli { command, log } = Cli::parse_from(line);
    let Command::Run(args) = command else {
        panic!("not run");
    };
    let source = Source::new(Path::new("conf/mynah.toml"), text.to_owned());
    let told = |error: anyhow::Error| mistakes::lines(&error).join("\n");
    let file = file::parse(&source, false).map_err(told)?;
    merge(&args, &log, file, &source).map_err(told)
}

#[test]
fn without_flags_and_file_the_defaults_are_in_force() {
    let settings = merged(&[], "").unwrap();
    assert_eq!(settings.model, ModelConfig::default());
    assert_eq!(settings.instances, 1);
    assert_eq!(settings.timeout, None);
    assert_eq!(settings.grace, Duration::from_secs(8));
    assert_eq!(settings.max_memory, ByteSize::gib(1));
    assert_eq!(settings.allow_guest_models, None);
    let isolated = settings.guest_processes.map(|processes| processes.max());
    let expected = mynah_isolate::IS_AVAILABLE.then_some(Processes::DEFAULT_MAX);
    assert_eq!(isolated, expected, "isolated where that is possible");
    assert_eq!((settings.owner, settings.weight), (None, 1));
    assert_eq!(settings.max_priority, Priority::Urgent);
    assert!(settings.models.is_empty() && settings.compat.is_empty());
}

const FILE: &str = "
    [model]
    ctx_size = 100
    batch_size = 64
    threads = 3
    n_gpu_layers = 4
    chat_template = 'gemma'
    kv_cells = 150
    kv_layout = 'unified'
    kv_type = 'q8_0'
    swa_full = false
    check_memory = false
    keep_alive_ms = 600
    optimize = 'auto'
    [memory]
    context_shifting = true
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
    idle_timeout_ms = 60000
    auto_cleanup = true
    resume_closed = false
    share_prefixes = true
    ageing_ms = 700
    max_parked_bytes = 4000
    max_process_bytes = 7000
    pressure_threshold = 0.5
    compress_parked = true
    max_state_bytes = 5000
    store_after_ms = 800
    max_prompt_bytes = 1000
    max_unread_bytes = 2000
    [scheduling]
    priority = 'low'
    deterministic = true
    [run]
    compat = ['lenient-output-size']
    state_dir = 'states'
    timeout = '3s'
    grace = '4s'
    max_memory = '2MiB'
    allow_guest_models = '3MiB'
    isolate_guest_models = true
    max_guest_processes = 3
    allow_host_status = true
metrics = '127.0.0.1:1'
control = 'host.sock'
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
        ctx_size: Some(100),
        batch_size: 64,
        max_concurrent: 2,
        queue_size: 3,
        default_task_timeout: Duration::from_millis(1500),
        max_sessions: 30,
        idle_timeout: Duration::from_secs(60),
        auto_cleanup: true,
        resume_closed: false,
        ageing: Duration::from_millis(700),
        kv_cells: Some(150),
        kv_layout: KvLayout::Unified,
        kv_type: KvType::Q8_0,
        swa_full: false,
        check_memory: false,
        max_parked_bytes: 4000,
        max_process_bytes: Some(7000),
        pressure_threshold: 0.5,
        compress_parked: true,
        state_dir: Some("conf/states".into()),
        max_state_bytes: 5000,
        store_after: Duration::from_millis(800),
        share_prefixes: true,
        chat_template: Some(ChatTemplateName::Gemma),
        n_gpu_layers: Some(4),
        keep_alive: Some(Duration::from_millis(600)),
        threads: Some(3),
        max_prompt_bytes: 1000,
        max_unread_bytes: 2000,
        defaults: Settings {
            sampling: Sampling {
                temperature: Some(0.5),
                seed: Some(Seed::Fixed(1)),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_tokens: Some(5),
                max_time: Some(Duration::from_secs(9)),
                stop: Some(vec!["Question:".to_owned(), "User:".to_owned()]),
                ..Stopping::default()
            },
            scheduling: Scheduling {
                priority: Some(Priority::Low),
                deterministic: Some(true),
                ..Scheduling::default()
            },
            memory: Memory {
                context_shifting: Some(true),
                ..Memory::default()
            },
            ..Settings::default()
        },
        // The cache's folder is the machine's.
        ..ModelConfig {
            optimize: settings.model.optimize.clone(),
            ..ModelConfig::default()
        }
    };
    assert_eq!(settings.model, model);
    let owner = (settings.owner.as_deref(), settings.weight);
    assert_eq!(owner, (Some("file"), 2));
    assert_eq!(settings.max_priority, Priority::High);
    assert_eq!(settings.timeout, Some(Duration::from_secs(3)));
    assert_eq!(settings.grace, Duration::from_secs(4));
    assert_eq!(settings.max_memory, ByteSize::mib(2));
    assert_eq!(settings.allow_guest_models, Some(ByteSize::mib(3)));
    let isolated = settings.guest_processes.map(|processes| processes.max());
    assert_eq!(isolated, Some(3));
    assert_eq!((settings.instances, settings.allow_host_status), (4, true));
    assert_eq!(settings.metrics.unwrap().port(), 1);
    assert_eq!(settings.control, Some(Control::At("conf/host.sock".into())));
    assert_eq!(settings.compat, [Compat::LenientOutputSize]);
}

#[test]
fn the_command_line_wins_over_the_file_in_every_setting() {
    let line = "--ctx-size 200 --batch-size 32 --threads 1 --keep-alive 2s --n-gpu-layers 5 \
        --chat-template plain --temperature 0 --seed 9 --max-tokens 7 --stop End --max-concurrent \
        1 --queue-size 9 --queue-timeout 2s --max-sessions 31 --idle-timeout 61s --kv-type f16 \
        --context-shifting=false --share-prefixes=false --ageing 8s --kv-cells 160 --kv-layout \
        split --optimize=q8_0 --max-parked-bytes 5B --max-process-bytes 8B --compress-parked=false \
        --state-dir flags --max-state-bytes 6B --store-after 9ms --max-time 10s --priority high \
        --deterministic=false --owner flag --weight 3 --max-priority normal --max-prompt-bytes 10 \
        --max-unread-bytes 1024 --grace 5s \
        --timeout 1s --max-memory 1MiB --allow-guest-models=1MiB --isolate-guest-models=false \
        --allow-host-status=false --metrics [::1]:2 --control off --instances 2";
    let flags: Vec<&str> = line.split_whitespace().collect();
    let settings = merged(&flags, FILE).unwrap();
    let optimize = settings.model.optimize.as_ref().unwrap();
    assert_eq!(optimize.target, Target::To(Quantisation::Q8_0));
    let model = ModelConfig {
        ctx_size: Some(200),
        batch_size: 32,
        max_concurrent: 1,
        queue_size: 9,
        default_task_timeout: Duration::from_secs(2),
        max_sessions: 31,
        idle_timeout: Duration::from_secs(61),
        auto_cleanup: true,
        resume_closed: false,
        ageing: Duration::from_secs(8),
        kv_cells: Some(160),
        kv_layout: KvLayout::Split,
        kv_type: KvType::F16,
        swa_full: false,
        check_memory: false,
        max_parked_bytes: 5,
        max_process_bytes: Some(8),
        pressure_threshold: 0.5,
        compress_parked: false,
        state_dir: Some("flags".into()),
        max_state_bytes: 6,
        store_after: Duration::from_millis(9),
        share_prefixes: false,
        chat_template: Some(ChatTemplateName::Plain),
        n_gpu_layers: Some(5),
        keep_alive: Some(Duration::from_secs(2)),
        threads: Some(1),
        max_prompt_bytes: 10,
        max_unread_bytes: 1024,
        defaults: Settings {
            sampling: Sampling {
                temperature: Some(0.0),
                seed: Some(Seed::Fixed(9)),
                ..Sampling::default()
            },
            stopping: Stopping {
                max_tokens: Some(7),
                max_time: Some(Duration::from_secs(10)),
                stop: Some(vec!["End".to_owned()]),
                ..Stopping::default()
            },
            scheduling: Scheduling {
                priority: Some(Priority::High),
                deterministic: Some(false),
                ..Scheduling::default()
            },
            memory: Memory {
                context_shifting: Some(false),
                ..Memory::default()
            },
            ..Settings::default()
        },
        // The cache's folder is the machine's.
        ..ModelConfig {
            optimize: settings.model.optimize.clone(),
            ..ModelConfig::default()
        }
    };
    assert_eq!(settings.model, model);
    let owner = (settings.owner.as_deref(), settings.weight);
    assert_eq!(owner, (Some("flag"), 3));
    assert_eq!(settings.max_priority, Priority::Normal);
    assert_eq!(settings.timeout, Some(Duration::from_secs(1)));
    assert_eq!(settings.grace, Duration::from_secs(5));
    assert_eq!(settings.max_memory, ByteSize::mib(1));
    assert_eq!(settings.allow_guest_models, Some(ByteSize::mib(1)));
    assert!(settings.guest_processes.is_none(), "the flag turns it off");
    assert_eq!((settings.instances, settings.allow_host_status), (2, false));
    assert_eq!(settings.metrics.unwrap().port(), 2);
    assert_eq!(settings.control, Some(Control::Off));
}

#[test]
fn lists_are_merged_by_name() {
    let text = "
        [models]
        a = 'a.gguf'
        b = '/b.gguf'
        [run]
        nn_preload = ['c:GGML:AUTO:c.gguf', 'd:ggml:cpu:/d:e.gguf']
        dirs = ['data::/data', 'same']
        env = ['K=file', 'L=file']
    ";
    let flags = [
        "--model",
        "b=flag.gguf",
        "--nn-preload",
        "c:GGML:AUTO:flag-c.gguf",
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
    let expected = [
        ("a", "conf/a.gguf"),
        ("d", "/d:e.gguf"),
        ("b", "flag.gguf"),
        ("c", "flag-c.gguf"),
    ];
    assert_eq!(models, expected);
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
    let flags = [
        "--max-concurrent",
        "999",
        "--weight",
        "5000",
        "--instances",
        "0",
    ];
    let told = merged(&flags, "[backend]\nmax_concurrent = 4\n").unwrap_err();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(
        lines[0].starts_with("`backend.max_concurrent` is 999"),
        "{told}"
    );
    assert!(lines[1].starts_with("`run.instances` is 0"), "{told}");
    assert!(lines[2].starts_with("`run.weight` is 5000"), "{told}");
    let told = merged(
        &[],
        "[backend]\nmax_concurrent = 8\n[model]\nbatch_size = 4\n",
    );
    let told = told.unwrap_err();
    assert!(
        told.starts_with("conf/mynah.toml:4:14: `model.batch_size` is 4"),
        "{told}"
    );
    let told = merged(&["--batch-size", "4"], "[backend]\nmax_concurrent = 8\n").unwrap_err();
    assert!(
        told.starts_with("`model.batch_size` is 4, it must be at least"),
        "{told}"
    );
}

#[test]
fn two_models_of_one_name_are_refused_before_any_is_loaded() {
    let flags = [
        "--model",
        "a=x",
        "--nn-preload",
        "a:GGML:CPU:y",
        "--model",
        "b=z",
    ];
    let told = merged(&flags, "").unwrap_err();
    assert_eq!(told, "the model name `a` is given twice");
    assert!(merged(&flags[..2], "[models]\na = 'file'\n").is_ok());
}

#[test]
fn any_setting_can_be_set_by_its_path() {
    let set = [
        "--set",
        "top_p=0.5",
        "--set",
        "sampling.samplers=[\"top_p\"]",
        "--set",
        "stopping.stop=End",
    ];
    let settings = merged(&set, "[sampling]\ntop_p = 0.6\nmin_p = 0.1\n")
        .unwrap()
        .model
        .defaults;
    assert_eq!(settings.sampling.top_p, Some(0.5));
    assert_eq!(settings.sampling.min_p, Some(0.1));
    assert_eq!(settings.stopping.stop, Some(vec!["End".to_owned()]));
    for (bad, words) in [
        ("top_p=2", "`top_p` is 2"),
        ("top_q=2", "did you mean"),
        ("top_p", "give a setting and its value"),
    ] {
        let told = merged(&["--set", bad], "").unwrap_err();
        assert!(told.contains(words), "`{words}` in: {told}");
    }
    // A flag of its own wins.
    let both = merged(&["--set", "temp=0.1", "--temperature", "0.2"], "").unwrap();
    assert_eq!(both.model.defaults.sampling.temperature, Some(0.2));
}

#[test]
fn the_number_of_instances_has_a_range() {
    for count in ["0", "1001", "5000"] {
        let told = merged(&["--instances", count], "").unwrap_err();
        assert!(told.contains("from 1 to 1000"), "{told}");
    }
    let told = merged(&[], "[run]\ninstances = 0\n").unwrap_err();
    assert!(
        told.contains("conf/mynah.toml:2:13: `run.instances` is 0"),
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
