//! Promise: the SDK's presets set the documented values, and a single block can be passed as
//! options.

use mynah_guest::{Memory, Model, Options, OutputForm, Sampling, Scheduling, Session, Stopping};
use mynah_test_guests::{Done, PROMPT, ensure};

/// The settings whose origin is the session, as `path=value`.
fn set(session: &Session) -> mynah_guest::Result<Vec<String>> {
    let all = session.effective()?.into_iter();
    Ok(all
        .filter(|setting| setting.origin == mynah_guest::Origin::Session)
        .map(|setting| format!("{}={}", setting.path, setting.value))
        .collect())
}

fn main() -> Done {
    let session = Model::load("default")?.session()?;
    let expect = |options: Options, expected: &[&str]| -> Done {
        session.configure(options)?;
        let found = set(&session)?;
        ensure!(found == expected, "{found:?}, expected {expected:?}");
        Ok(())
    };
    expect(Options::new(), &[])?;
    expect(Sampling::greedy().into(), &["sampling.temperature=0.0"])?;
    expect(
        Sampling::creative().into(),
        &[
            "sampling.temperature=1.0",
            "sampling.top_k=0",
            "sampling.top_p=1.0",
            "sampling.min_p=0.02",
            "sampling.dry_multiplier=0.8",
        ],
    )?;
    expect(
        Stopping::new().max_tokens(64).stop(["\n\n"]).into(),
        &["stopping.max_tokens=64", r#"stopping.stop=["\n\n"]"#],
    )?;
    expect(
        Scheduling::new().deterministic(true).into(),
        &["scheduling.deterministic=true"],
    )?;
    expect(
        Memory::new().cache_prompt(false).into(),
        &["memory.cache_prompt=false"],
    )?;
    expect(
        Options::greedy()
            .output(OutputForm::Free)
            .sampling(Sampling::new().top_k(3)),
        &[
            "sampling.temperature=0.0",
            "sampling.top_k=3",
            "output.json_schema=null",
            "output.regex=null",
            "output.lark=null",
            r#"output.grammar="""#,
            "output.embedding=null",
        ],
    )?;

    // Options of a request in one line.
    let answer = session.generate_with(PROMPT, Stopping::new().max_tokens(1))?;
    ensure!(answer.outcome.usage.generated_tokens == 1, "{answer:?}");
    println!("ok");
    Ok(())
}
