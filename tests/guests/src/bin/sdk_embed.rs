//! Promise: texts become vectors of length 1, and a text's vector does not depend on the others in
//! the request. Texts of similar meaning have closer vectors. `compute` of `wasi:nn` returns the
//! same vectors in a tensor.

use mynah_guest::bindings::wasi::nn::tensor::{Tensor, TensorType};
use mynah_guest::{Error, Model, Options, Prompt, cosine};
use mynah_test_guests::{Done, context, ensure};

const TEXTS: [&str; 3] = [
    "The parrot sits in the tree and eats a fruit.",
    "A bird is in the tree and is eating fruit.",
    "Interest rates were raised by half a percent.",
];

fn compute(text: &str, config: &str) -> Result<(Vec<u32>, TensorType, Vec<f32>), Error> {
    let tensor = |text: &str| {
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Tensor::new(&[bytes], TensorType::U8, text.as_bytes())
    };
    let inputs = vec![
        ("prompt".to_owned(), tensor(text)),
        ("config".to_owned(), tensor(config)),
    ];
    let context = context()?;
    let outputs = context.compute(inputs)?;
    let Some((_, output)) = outputs.into_iter().next() else {
        return Err(Error::InvalidArgument("no output".to_owned()));
    };
    let data = output.data();
    let numbers = data.chunks_exact(4).map(|bytes| {
        let mut number = [0; 4];
        number.copy_from_slice(bytes);
        f32::from_le_bytes(number)
    });
    Ok((output.dimensions(), output.ty(), numbers.collect()))
}

fn main() -> Done {
    let session = Model::load("default")?
        .session()?
        .with_options(Options::new().deterministic(true));
    let all = session.embed(TEXTS)?;
    ensure!(all.vectors.len() == TEXTS.len(), "{}", all.vectors.len());
    ensure!(all.prompt_tokens > 20, "{} tokens", all.prompt_tokens);
    for vector in &all.vectors {
        let length = cosine(vector, vector);
        ensure!((length - 1.0).abs() < 1e-4, "a length of {length}");
    }
    let [parrot, bird, rates] = all.vectors.as_slice() else {
        return Err(Error::InvalidArgument("not three".to_owned()).into());
    };
    let (close, far) = (cosine(parrot, bird), cosine(parrot, rates));
    ensure!(close > far, "{close} is not more than {far}");
    for (text, vector) in TEXTS.iter().zip(&all.vectors) {
        let alone = session.embed([*text])?;
        ensure!(
            alone.vectors == [vector.clone()],
            "{text:?} alone is another"
        );
    }

    let config = r#"{"embedding": true, "deterministic": true}"#;
    let (dimensions, ty, numbers) = compute(TEXTS[0], config)?;
    let width = u32::try_from(parrot.len()).unwrap_or(u32::MAX);
    ensure!(dimensions == [1, width], "{dimensions:?}");
    ensure!(ty == TensorType::Fp32, "{ty:?}");
    ensure!(numbers == *parrot, "compute gives another vector");

    let none: [Prompt; 0] = [];
    let refused = session.embed(none).unwrap_err();
    ensure!(matches!(refused, Error::InvalidArgument(_)), "{refused}");
    let refused = session.embed([""]).unwrap_err();
    ensure!(matches!(refused, Error::InvalidArgument(_)), "{refused}");
    let refused = session.embed(vec!["a"; 257]).unwrap_err();
    ensure!(refused.to_string().contains("at most 256"), "{refused}");
    // Case M6: among several texts, the error says which.
    let (mut texts, long) = (vec!["a"; 10], "parrot ".repeat(3000));
    texts[9] = &long;
    let refused = session.embed(texts.iter().copied()).unwrap_err();
    ensure!(matches!(refused, Error::PromptTooLong { .. }), "{refused}");
    ensure!(refused.to_string().contains("text 9 of 10"), "{refused}");
    texts[7] = "";
    let refused = session.embed(texts).unwrap_err();
    ensure!(matches!(refused, Error::InvalidArgument(_)), "{refused}");
    ensure!(refused.to_string().contains("text 7 of 10"), "{refused}");
    let refused = session.embed([long.as_str()]).unwrap_err();
    ensure!(matches!(refused, Error::PromptTooLong { .. }), "{refused}");
    let refused = compute("a", r#"{"embedding": true, "grammar": "root ::= \"a\""}"#).map(|_| ());
    ensure!(refused.is_err(), "two forms at once went through");
    println!("ok");
    Ok(())
}
