//! Promise: an input that is not a single text is refused with the reason, and the context still
//! works afterwards.

use mynah_test_guests::bindings::wasi::nn::tensor::{Tensor, TensorType};
use mynah_test_guests::{Done, PROMPT, compute, context, output, refused, tensor};

fn main() -> Done {
    let context = context()?;
    let shaped = |dimensions: &[u32], ty, data: &[u8]| {
        vec![("prompt".to_owned(), Tensor::new(dimensions, ty, data))]
    };
    let named = |names: &[&str]| -> Vec<_> {
        let input = |name: &&str| ((*name).to_owned(), tensor(PROMPT.as_bytes()));
        names.iter().map(input).collect()
    };
    let cases = [
        ("shape", shaped(&[2, 2], TensorType::U8, b"abc")),
        ("no dimensions", shaped(&[], TensorType::U8, b"abc")),
        ("type", shaped(&[1], TensorType::Fp32, &[0; 4])),
        ("empty", shaped(&[0], TensorType::U8, b"")),
        ("not UTF-8", shaped(&[3], TensorType::U8, b"ab\xff")),
        (
            "overflow",
            shaped(&[u32::MAX, u32::MAX], TensorType::U8, b"abc"),
        ),
        (
            "overflow of 64 bits",
            shaped(&[u32::MAX; 3], TensorType::U8, b"abc"),
        ),
        ("no tensors", Vec::new()),
        ("none named prompt", named(&["left", "right"])),
        ("two named prompt", named(&["prompt", "prompt"])),
    ];
    for (case, inputs) in cases {
        refused(case, &["invalid-argument"], output(&context, inputs))?;
    }
    compute(&context, PROMPT)?;
    println!("ok");
    Ok(())
}
