//! Tests that compare the drawn view, at typical terminal sizes, with files.

use std::collections::BTreeMap;
use std::path::Path;

use mynah_core::{
    ByPriority, Histograms, MemoryReport, MemoryUse, ModelReport, ModelState, Percentiles,
    PerformanceReport, PressureLevel, QueueReport, Rate, Report, SessionsReport,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;

use super::draw;
use crate::metrics::{HostStatus, OwnerReport};
use crate::top::state::State;
use crate::top::watch::Told;

/// The picture as text, without the spaces at the ends of the lines.
fn picture(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width).max(1));
    let lines = rows.map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

/// Compares with the file of that name. `MYNAH_DRAW=1` writes the file, to be looked at.
fn assert_looks_like(name: &str, picture: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/top/view/pictures");
    let path = folder.join(name).with_extension("txt");
    if std::env::var_os("MYNAH_DRAW").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, picture).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(picture == expected, "{} is not:\n{picture}", path.display());
}

fn report() -> Report {
    let times = |half, most| Percentiles {
        p50_ms: Some(half),
        p90_ms: Some(half),
        p99_ms: Some(most),
    };
    let rate = |prompt, generated| Rate { prompt, generated };
    Report {
        queue: QueueReport {
            length: 12,
            capacity: 50,
            by_priority: ByPriority::default(),
            running: 8,
            parked: 1,
            oldest_wait_ms: Some(1234),
            estimated_wait_ms: Some(2500),
            accepted: 1321,
            completed: 1285,
            refused: 3,
            timed_out: 2,
            cancelled: 12,
            failed: 1,
            preempted: 4,
            exhausted: 1,
            resumed: 5,
            fairness: 0.98,
        },
        memory: MemoryReport {
            cells_used: 9216,
            cells_idle: 2048,
            cells_total: 16_384,
            prefix_tokens: 4100,
            prefix_bytes: 48 << 20,
            hits: 870,
            misses: 130,
            hit_rate: 0.87,
            cached_tokens: 96_000,
            evictions: 31,
            shifts: 2,
            reevaluated: 1,
            parked_sessions: 2,
            parked_bytes: 3 << 20,
            disk: None,
            process: Some(MemoryUse {
                used: 1400 << 20,
                limit: 8 << 30,
            }),
            device: None,
            pressure: PressureLevel::None,
        },
        sessions: SessionsReport {
            open: 24,
            busy: 21,
            idle: 3,
            resident: 2,
            parked: 1,
            closed: 7,
        },
        performance: PerformanceReport {
            prompt_tokens: 180_000,
            generated_tokens: 420_000,
            now: rate(212.0, 143.7),
            minute: rate(190.0, 150.2),
            five_minutes: rate(180.0, 149.0),
            first_token: times(95.1, 1902.7),
            between_tokens: times(8.0, 26.9),
            step: times(53.8, 107.6),
            batch_fill: 0.31,
            sampling_share: 0.04,
            embedded_texts: 20,
            steps: 99_000,
            failed_steps: 0,
            histograms: Histograms::default(),
        },
        model: ModelReport {
            backend: "llama.cpp".to_owned(),
            features: Vec::new(),
            ignored_keys: Vec::new(),
            name: "SmolLM2 135M Instruct".to_owned(),
            architecture: "llama".to_owned(),
            parameters: 134_515_008,
            quantisation: "Q8_0".to_owned(),
            bytes: 144_811_456,
            context_trained: 8192,
            context_size: 2048,
            layers: 30,
            layers_on_device: 0,
            state: ModelState::Loaded,
            loaded_since: Some(1_000_000),
            kept_until: None,
            requests_served: Some(1285),
        },
    }
}

fn owners() -> Vec<OwnerReport> {
    let owner = |name: &str, requests, served_tokens| OwnerReport {
        name: name.into(),
        weight: 1,
        served_tokens,
        requests,
    };
    vec![
        owner("reports", 5, 310_400),
        owner("guest-2", 3, 99_000),
        owner("guest-1", 0, 1200),
    ]
}

fn status(models: impl IntoIterator<Item = (&'static str, Report)>) -> Told {
    let models = models.into_iter();
    let models: BTreeMap<String, Report> = models
        .map(|(name, report)| (name.to_owned(), report))
        .collect();
    Told::Status {
        at: "/run/user/1000/mynah/4711.sock".to_owned(),
        status: Box::new(HostStatus {
            version: "0.1.0".to_owned(),
            pid: 4711,
            component: "chat.wasm".to_owned(),
            loading: Vec::new(),
            owners: models.keys().map(|name| (name.clone(), owners())).collect(),
            models,
        }),
    }
}

/// A host after a while, with varying speed.
fn usual() -> State {
    let mut state = State::new("somewhere".to_owned());
    for moment in 0..60_u32 {
        let wave = f64::from(moment % 20) * 10.0;
        let mut now = report();
        now.performance.now.generated = wave;
        now.performance.now.prompt = if moment % 15 < 4 { 800.0 } else { 0.0 };
        now.queue.length = u64::from(moment % 10);
        now.memory.cells_used = u64::from(moment) * 200;
        let mut other = report();
        other.model.state = ModelState::Unloaded;
        other.model.loaded_since = None;
        other.queue.running = 0;
        other.queue.length = 0;
        other.performance.now = Rate::default();
        state.take(status([("default", now), ("small", other)]));
    }
    state.now = 1_010_000;
    state
}

/// Everything at its end, and nothing that is a number.
fn extreme() -> State {
    let most = u64::MAX;
    let endless = Percentiles {
        p50_ms: Some(f64::MAX),
        p90_ms: None,
        p99_ms: Some(f64::INFINITY),
    };
    let mut report = report();
    report.queue = QueueReport {
        length: most,
        capacity: most,
        running: most,
        parked: most,
        oldest_wait_ms: Some(most),
        estimated_wait_ms: None,
        accepted: most,
        completed: most,
        refused: most,
        timed_out: most,
        cancelled: most,
        failed: most,
        preempted: most,
        exhausted: most,
        ..report.queue
    };
    report.memory = MemoryReport {
        cells_used: most,
        cells_idle: most,
        cells_total: 0,
        prefix_tokens: most,
        prefix_bytes: most,
        hit_rate: f64::NAN,
        process: Some(MemoryUse {
            used: most,
            limit: 0,
        }),
        device: Some(MemoryUse {
            used: most,
            limit: most,
        }),
        pressure: PressureLevel::Refuse,
        ..report.memory
    };
    report.performance = PerformanceReport {
        now: Rate {
            prompt: f64::INFINITY,
            generated: f64::NAN,
        },
        first_token: endless,
        between_tokens: Percentiles::default(),
        step: endless,
        batch_fill: -1.0,
        sampling_share: f64::INFINITY,
        ..report.performance
    };
    report.model.architecture = "an-architecture-of-a-long-name".to_owned();
    report.model.loaded_since = Some(most);
    report.model.kept_until = Some(most);
    let mut state = State::new("somewhere".to_owned());
    for _ in 0..1100 {
        state.take(status([
            (
                "模型的名字很长很长很长很长很长很长很长很长很长很长很长很长很长很长",
                report.clone(),
            ),
            (
                "a-name-of-a-model-that-is-longer-than-any-column-could-ever-be",
                report.clone(),
            ),
            ("", report.clone()),
            ("four", report.clone()),
            ("five", report.clone()),
            ("six", report.clone()),
            ("seven", report.clone()),
        ]));
    }
    state
}

#[test]
fn it_looks_right_at_80_by_24() {
    assert_looks_like("80x24", &picture(&usual(), 80, 24));
    assert_looks_like("80x24-extreme", &picture(&extreme(), 80, 24));
}

#[test]
fn it_looks_right_at_200_by_60() {
    assert_looks_like("200x60", &picture(&usual(), 200, 60));
    assert_looks_like("200x60-extreme", &picture(&extreme(), 200, 60));
}

#[test]
fn a_small_terminal_shows_what_matters_most() {
    assert_looks_like("40x10", &picture(&usual(), 40, 10));
}

/// Newcomer 22.
#[test]
fn owners_are_shown_beside_the_charts_or_by_a_key() {
    let mut state = usual();
    let wide = picture(&state, 200, 60);
    assert!(wide.contains("owners: 2 with requests, 3 known"), "{wide}");
    assert!(wide.contains("reports"), "{wide}");
    assert!(!picture(&state, 80, 24).contains("reports"));
    state.shows_owners = true;
    assert_looks_like("80x24-owners", &picture(&state, 80, 24));
}

/// Newcomer 22.
#[test]
fn an_address_that_is_too_long_keeps_its_end() {
    let mut state = usual();
    state.at = "/srv/folders/of/a/long/name/cache/mynah/run/1318.sock".to_owned();
    for width in [70, 80, 90] {
        let drawn = picture(&state, width, 24);
        let head = drawn.lines().next().unwrap();
        assert!(head.ends_with("1318.sock") && head.contains("…/"), "{head}");
    }
    assert_eq!(super::shortened("127.0.0.1:9464", 14), "127.0.0.1:9464");
    assert_eq!(super::shortened("127.0.0.1:9464", 6), "…:9464");
    for room in 0..80 {
        assert!(super::shortened(&state.at, room).chars().count() <= room);
    }
}

/// Newcomer 22.
#[test]
fn the_figures_of_a_host_that_has_ended_are_dimmed() {
    let mut state = usual();
    state.take(Told::Nothing("no host listens at x".to_owned()));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(frame, &state)).unwrap();
    let buffer = terminal.backend().buffer();
    let body = buffer.content().chunks(80).skip(1).take(22).flatten();
    for cell in body {
        assert!(cell.modifier.contains(Modifier::DIM), "{cell:?}");
    }
    assert!(picture(&state, 80, 24).contains("last known figures"));
}

#[test]
fn a_host_that_loads_its_models_is_told() {
    let mut state = State::new("somewhere".to_owned());
    state.loading = vec!["default".to_owned()];
    assert!(picture(&state, 80, 24).contains("The host loads: default"));
}

#[test]
fn the_help_is_over_it_all() {
    let mut state = usual();
    state.help = true;
    let picture = picture(&state, 80, 24);
    for words in ["quit", "next model", "model before", "this help"] {
        assert!(picture.contains(words), "{picture}");
    }
}

#[test]
fn it_is_drawn_at_any_size_whatever_is_told() {
    for mut state in [usual(), extreme(), State::new(String::new())] {
        for width in (0..90).step_by(3).chain([63, 64, 119, 120, 250]) {
            for height in (0..40).step_by(3).chain([17, 18, 70]) {
                picture(&state, width, height);
            }
        }
        state.help = true;
        picture(&state, 3, 3);
    }
}

#[test]
fn a_host_that_is_gone_is_told_and_one_that_comes_back_is_taken() {
    let mut state = usual();
    state.take(Told::Nothing("no host listens at x".to_owned()));
    let gone = picture(&state, 80, 24);
    assert!(gone.starts_with("The host is gone, asking again: no host listens at x"));
    assert!(gone.contains("default"), "what was last told stays: {gone}");
    state.take(status([("default", report())]));
    let back = picture(&state, 80, 24);
    assert!(back.starts_with("mynah top"), "{back}");
}

#[test]
fn models_are_chosen_round_and_round() {
    let mut state = usual();
    let mut seen = vec![state.selected.clone().unwrap()];
    for by in [1, 1, -1, -1] {
        state.select(by);
        seen.push(state.selected.clone().unwrap());
    }
    assert_eq!(seen, ["default", "small", "default", "small", "default"]);
    // One that goes is no longer chosen.
    state.select(1);
    state.take(status([("default", report())]));
    assert_eq!(state.selected.as_deref(), Some("default"));
    State::new(String::new()).select(1);
}
