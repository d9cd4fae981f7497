//! Promise: invalid settings are refused with all their problems, through every function that takes
//! settings, and change nothing. Unusual but valid settings are accepted.

use mynah_guest::{
    Error, LogitBias, Model, Options, OutputForm, Problem, Result, Sampling, Session, Stopping,
};
use mynah_test_guests::{Done, Failure, PROMPT, ensure, refused};

fn main() -> Done {
    let model = Model::load("default")?;
    let session = model.session()?;
    session.configure(Options::greedy().max_tokens(2))?;
    let before = session.effective()?;

    for (name, options, paths) in bad() {
        // The settings of a context and of a request have the same rules.
        for result in [
            session.configure(options.clone()),
            session.generate_with(PROMPT, options).map(drop),
        ] {
            let problems = problems(name, result)?;
            let told: Vec<&str> = problems
                .iter()
                .map(|problem| problem.path.as_str())
                .collect();
            ensure!(told == paths, "{name}: {told:?}, expected {paths:?}");
            for problem in &problems {
                ensure!(
                    !problem.allowed.is_empty() && problem.message.contains(&problem.path),
                    "{name}: {problem:?}"
                );
            }
        }
        ensure!(
            session.effective()? == before,
            "{name} is refused, and in force"
        );
    }
    for document in [
        r#"{"temp": 1e999}"#,
        r#"{"temp": "nan"}"#,
        r#"{"top_p": 2, "stop": [1]}"#,
        r#"{"n_predict": 0}"#,
        r#"{"json_schema": "{}", "regex": "a"}"#,
    ] {
        refused(
            document,
            &["invalid-settings"],
            session.configure_json(document, false),
        )?;
        refused(
            document,
            &["invalid-settings"],
            Model::load_with_config("default", document, false),
        )?;
        ensure!(
            session.effective()? == before,
            "{document} is refused, and in force"
        );
    }

    for (name, options) in strange() {
        let session: Session = model.session()?;
        session
            .configure(options.max_tokens(2))
            .map_err(|error| Failure(format!("{name}: {error}")))?;
        let answer = session.generate(PROMPT)?;
        ensure!(
            answer.outcome.usage.generated_tokens <= 2,
            "{name}: {answer:?}"
        );
    }
    println!("ok");
    Ok(())
}

fn problems(name: &str, result: Result<()>) -> std::result::Result<Vec<Problem>, Failure> {
    match result {
        Err(Error::InvalidSettings(problems)) => Ok(problems),
        other => Err(Failure(format!("{name}: {other:?}"))),
    }
}

/// Invalid settings, and the paths in the errors, in the order of the contract.
fn bad() -> Vec<(&'static str, Options, Vec<&'static str>)> {
    let sampling = |sampling: Sampling| Options::from(sampling);
    vec![
        (
            "NaN",
            sampling(Sampling::new().temperature(f32::NAN).min_p(f32::NAN)),
            vec!["sampling.temperature", "sampling.min_p"],
        ),
        (
            "infinite",
            sampling(
                Sampling::new()
                    .temperature(f32::INFINITY)
                    .top_p(f32::NEG_INFINITY),
            ),
            vec!["sampling.temperature", "sampling.top_p"],
        ),
        (
            "out of range, in every block",
            sampling(Sampling::new().repeat_penalty(0.0).mirostat(3).n_probs(101))
                .max_tokens(0)
                .max_time(std::time::Duration::ZERO)
                .queue_timeout(std::time::Duration::from_secs(90_000)),
            vec![
                "sampling.repeat_penalty",
                "sampling.mirostat",
                "sampling.n_probs",
                "stopping.max_tokens",
                "stopping.max_time_ms",
                "scheduling.queue_timeout_ms",
            ],
        ),
        (
            "65 stops",
            Options::from(Stopping::new().stop(vec!["x"; 65])),
            vec!["stopping.stop"],
        ),
        (
            "a stop string of nothing, and one that is too long",
            Options::from(Stopping::new().stop([String::new(), "x".repeat(257)])),
            vec!["stopping.stop"],
        ),
        (
            "the seed that llama.cpp takes for none",
            sampling(Sampling::new().seed(u32::MAX)),
            vec!["sampling.seed"],
        ),
        (
            "a bias that is no number",
            sampling(Sampling::new().logit_bias([LogitBias::token(1, f32::NAN)])),
            vec!["sampling.logit_bias"],
        ),
        (
            "a form of 64 KiB and a byte",
            OutputForm::Regex("a".repeat((64 << 10) + 1)).into(),
            vec!["output.regex"],
        ),
    ]
}

/// Unusual settings that are valid.
fn strange() -> Vec<(&'static str, Options)> {
    vec![
        ("no samplers", Sampling::new().samplers([]).into()),
        (
            "penalties over more than any context",
            Sampling::new()
                .penalty_last_n(i32::MAX)
                .repeat_penalty(1.1)
                .into(),
        ),
        (
            "DRY over more than any context",
            Sampling::new()
                .dry_penalty_last_n(i32::MAX)
                .dry_multiplier(1.0)
                .into(),
        ),
        (
            "more candidates than there are tokens",
            Sampling::new().top_k(i32::MAX).min_keep(1_000_000).into(),
        ),
        ("NUL in a stop string", Stopping::new().stop(["\0"]).into()),
        ("no stop strings", Stopping::new().stop([""; 0]).into()),
        (
            "the hottest and the tightest",
            Sampling::new()
                .temperature(100.0)
                .top_p(0.0)
                .min_p(1.0)
                .typical_p(0.0)
                .xtc_probability(1.0)
                .xtc_threshold(0.0)
                .into(),
        ),
        (
            "mirostat and everything else",
            Sampling::new()
                .mirostat(2)
                .top_k(1)
                .dry_multiplier(1.0)
                .into(),
        ),
    ]
}
