//! Promise: several generations at once each give the same text as alone, and a cancelled one ends.

use std::collections::BTreeMap;

use mynah_guest::{FinishReason, Model, Options, Progress, Streams};
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
    println!("ok");
    Ok(())
}
