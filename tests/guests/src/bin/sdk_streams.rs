//! Promise: several generations at once each give the same text as alone, and a cancelled one ends.
//! More than the host takes at once can be started, and nothing of them is lost.

use std::collections::BTreeMap;

use mynah_guest::{Error, FinishReason, Model, Options, Progress, Streams};
use mynah_test_guests::{Done, PROMPT, ensure};

fn main() -> Done {
    let model = Model::load("default")?;
    let options = |n: u32| Options::greedy().max_tokens(4 + n).deterministic(true);
    let prompt = |n: u32| format!("{PROMPT} not number {n}, it is");
    let mut streams = Streams::new();
    for n in 0..12 {
        // The session can be dropped: the stream continues.
        let stream = model.session()?.stream_with(prompt(n), options(n))?;
        streams.push(n, stream);
    }
    ensure!(streams.len() == 12, "{} run", streams.len());
    streams.cancel(&11);

    let (mut pieces, mut answers) = (BTreeMap::<u32, String>::new(), BTreeMap::new());
    while let Some((n, progress)) = streams.next() {
        match progress {
            Progress::Text(piece) => pieces.entry(n).or_default().push_str(&piece),
            Progress::Finished(answer) => {
                answers.insert(n, answer);
            }
            Progress::Failed(error) => return Err(error.into()),
        }
    }
    let session = model.session()?;
    for (n, answer) in &answers {
        let whole = pieces.remove(n).unwrap_or_default();
        ensure!(whole == answer.text, "{n}: {whole:?} and {:?}", answer.text);
        let alone = session.generate_with(prompt(*n), options(*n))?;
        let cancelled = answer.outcome.reason == FinishReason::Cancelled;
        ensure!(
            alone.text == answer.text || (cancelled && alone.text.starts_with(&answer.text)),
            "{n}: alone {:?}, together {:?}",
            alone.text,
            answer.text
        );
    }
    ensure!(answers.len() == 12, "{} of 12 ended", answers.len());
    more_than_the_host_takes(&model)?;
    println!("ok");
    Ok(())
}

fn more_than_the_host_takes(model: &Model) -> Done {
    const MANY: u32 = 90;

    let options = Options::greedy().max_tokens(3);
    let mut refused = 0;
    let mut streams = Streams::new();
    for n in 0..MANY {
        streams.push_when_free(n, || {
            let session = model.session()?;
            let started = session.stream_with(format!("number {n}"), options.clone());
            refused += u32::from(started.is_err());
            started
        })?;
    }
    ensure!(refused > 0, "the host took all of them at once");
    let (mut pieces, mut ended) = (BTreeMap::<u32, String>::new(), 0);
    while let Some((n, progress)) = streams.next() {
        match progress {
            Progress::Text(piece) => pieces.entry(n).or_default().push_str(&piece),
            Progress::Finished(answer) => {
                let whole = pieces.remove(&n).unwrap_or_default();
                ensure!(whole == answer.text, "{n}: {whole:?}, {:?}", answer.text);
                ended += 1;
            }
            Progress::Failed(error) => return Err(error.into()),
        }
    }
    ensure!(
        ended == MANY && streams.is_empty(),
        "{ended} of {MANY} ended"
    );

    // What cannot succeed later is an error at once.
    let mut none = Streams::new();
    let failed = none.push_when_free((), || model.session()?.stream(""));
    ensure!(
        matches!(failed, Err(Error::InvalidArgument(_))) && none.is_empty(),
        "{failed:?}"
    );
    Ok(())
}
