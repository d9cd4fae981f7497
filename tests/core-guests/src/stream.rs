//! Reads an answer piece by piece, and checks that it equals the answer of `compute`.

#[path = "shared.rs"]
#[expect(dead_code, reason = "not all guests use all of it")]
mod shared;

use wasmedge_wasi_nn::{BackendError, Error};

fn main() {
    let prompt = std::env::args().nth(1).expect("give a prompt");
    let graph = shared::load(r#"{"temp": 0, "n-predict": 24, "enable-log": false}"#);
    let mut context = graph
        .expect("the model is granted")
        .init_execution_context()
        .expect("a context");
    let whole = shared::answer(&mut context, &prompt).expect("an answer");
    shared::set_prompt(&mut context, &prompt).expect("a prompt");
    let mut text = String::new();
    let mut pieces = 0;
    loop {
        match context.compute_single() {
            Ok(()) => {}
            Err(Error::BackendError(BackendError::EndOfSequence)) => break,
            Err(error) => panic!("{error}"),
        }
        let mut buffer = [0_u8; 128];
        let size = context.get_output_single(0, &mut buffer).expect("a piece");
        // A piece consists of whole characters, so a guest need not join partial ones.
        text.push_str(std::str::from_utf8(&buffer[..size]).expect("UTF-8"));
        pieces += 1;
    }
    assert_eq!(text, whole);
    assert!(pieces > 1);
    context.fini_single().expect("the stream ends");
    println!("{text}");
}
