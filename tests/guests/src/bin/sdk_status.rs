//! Promise: a component sees the model that it was granted and its own sessions, and figures of all
//! components only if allowed, typed and as JSON alike. The argument says whether it is allowed.

use mynah_guest::{Error, Model, Options, SessionState, StatusKind};
use mynah_test_guests::{Done, PROMPT, arg, ensure};

const KINDS: [StatusKind; 5] = [
    StatusKind::Model,
    StatusKind::Sessions,
    StatusKind::Queue,
    StatusKind::Memory,
    StatusKind::Performance,
];

fn main() -> Done {
    let may_see_all: bool = arg(1, false);
    let model = Model::load("default")?;
    let session = model.session()?;
    let idle = model.session()?;
    let answer = session.generate_with(PROMPT, Options::greedy().max_tokens(4))?;
    let status = model.status()?;
    ensure!(status.model.architecture == "llama", "{:?}", status.model);
    let served = may_see_all.then_some(1);
    ensure!(status.model.requests_served == served, "{:?}", status.model);
    let mine = &status.sessions.mine;
    let states: Vec<_> = mine.iter().map(|one| (one.state, one.tokens)).collect();
    let usage = &answer.outcome.usage;
    let kept = usage.prompt_tokens + usage.generated_tokens - 1;
    ensure!(
        states == [(SessionState::Resident, kept), (SessionState::Cold, 0)],
        "{mine:?}, {kept} kept"
    );
    drop(idle);
    ensure!(model.status()?.sessions.mine.len() == 1, "two sessions");

    let told = [
        status.sessions.all.is_some(),
        status.queue.is_some(),
        status.memory.is_some(),
        status.performance.is_some(),
    ];
    ensure!(told == [may_see_all; 4], "{told:?}");
    if let (Some(queue), Some(memory), Some(performance)) =
        (&status.queue, &status.memory, &status.performance)
    {
        ensure!((queue.accepted, queue.completed) == (1, 1), "{queue:?}");
        ensure!(memory.cells_used == u64::from(kept), "{memory:?}");
        let tokens = u64::from(usage.generated_tokens);
        ensure!(performance.generated_tokens == tokens, "{performance:?}");
    }
    for (place, kind) in KINDS.into_iter().enumerate() {
        match model.status_json(kind) {
            Ok(json) => println!("{json}"),
            Err(Error::Unsupported(message)) => {
                ensure!(!may_see_all && place >= 2, "{message}");
                ensure!(message.contains("--allow-host-status"), "{message}");
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!("ok");
    Ok(())
}
