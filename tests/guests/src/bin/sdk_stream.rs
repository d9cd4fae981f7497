//! Promise: the SDK's stream gives the pieces of the same text, with or without waiting, for one
//! stream or two at once.

use std::task::Poll;

use mynah_guest::{FinishReason, Model, Options, Stream};
use mynah_test_guests::{Done, ensure, prompt};

fn main() -> Done {
    let model = Model::load("default")?;
    let options = Options::greedy().max_tokens(16);
    let session = model.session()?.with_options(options.clone());
    let mut stream = session.stream(prompt())?;
    ensure!(stream.outcome().is_none(), "an outcome before the end");
    let mut text = String::new();
    for piece in &mut stream {
        text += &piece?;
    }
    ensure!(stream.text() == text, "{:?} is not {text:?}", stream.text());
    ensure!(stream.outcome().is_some(), "no outcome at the end");
    ensure!(stream.next().is_none(), "something followed the end");

    // Two at once, each read as soon as an event arrives.
    let other = model.session()?.with_options(options);
    let mut streams = [session.stream(prompt())?, other.stream(prompt())?];
    let mut texts = [String::new(), String::new()];
    let mut running = vec![0, 1];
    while !running.is_empty() {
        let waiting: Vec<&Stream> = running.iter().map(|&i| &streams[i]).collect();
        ensure!(!Stream::wait_any(&waiting).is_empty(), "waited for nothing");
        let mut failed = None;
        running.retain(|&i| {
            loop {
                match streams[i].try_next() {
                    Poll::Ready(Some(Ok(piece))) => texts[i] += &piece,
                    Poll::Ready(Some(Err(error))) => failed = Some(error),
                    Poll::Ready(None) => break false,
                    Poll::Pending => break true,
                }
            }
        });
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
    ensure!(texts.iter().all(|each| !each.is_empty()), "{texts:?}");

    // After cancelling and dropping, the session is free again.
    let mut long = session.stream_with(prompt(), Options::new().max_tokens(100_000))?;
    let first = long.next().transpose()?.unwrap_or_default();
    long.cancel();
    let cancelled = long.finish()?;
    ensure!(
        cancelled.outcome.reason == FinishReason::Cancelled,
        "{cancelled:?}"
    );
    ensure!(
        cancelled.text.starts_with(&first),
        "{first:?}, {cancelled:?}"
    );
    drop(session.stream_with(prompt(), Options::new().max_tokens(100_000))?);
    session.generate(prompt())?;
    println!("{text}");
    Ok(())
}
