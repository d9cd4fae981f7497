//! Promise: an answer ends before the first stop string, wherever token boundaries fall.

use mynah_guest::{FinishReason, Options};
use mynah_test_guests::{Done, context, ensure, prompt, refused, run, start};

fn main() -> Done {
    let context = context()?;
    let options = || Options::greedy().max_tokens(24);
    let whole = run(&context, &prompt(), options().into())?.text();

    // Stop strings from every third position of the text, so also within tokens and across them.
    let starts = whole.char_indices().map(|(index, _)| index);
    for start in starts.skip(1).step_by(3) {
        let stop: String = whole[start..].chars().take(5).collect();
        // The string may occur earlier.
        let expected = whole.split(&stop).next().unwrap_or_default();
        let answer = run(&context, &prompt(), options().stop([stop.as_str()]).into())?;
        ensure!(
            answer.text() == expected && answer.reason() == Some(FinishReason::StopString),
            "{stop:?} in {whole:?}: {answer:?}"
        );
    }

    // A text that only begins like a stop string is delivered.
    let unlike: String = whole.chars().rev().take(1).chain(['\0']).collect();
    let answer = run(&context, &prompt(), options().stop([unlike]).into())?;
    ensure!(
        answer.text() == whole && answer.reason() != Some(FinishReason::StopString),
        "{whole:?}: {answer:?}"
    );

    for stop in [
        vec![String::new()],
        vec!["x".to_owned(); 65],
        vec!["x".repeat(257)],
    ] {
        let asked = start(&context, &prompt(), options().stop(stop).into());
        let message = refused("stop", &["invalid-settings"], asked)?;
        ensure!(message.contains("`stopping.stop`"), "{message}");
    }
    println!("ok");
    Ok(())
}
