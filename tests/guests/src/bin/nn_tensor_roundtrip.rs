//! Promise: a guest can read back the contents of a tensor, even if it is not usable as a prompt.

use mynah_test_guests::bindings::wasi::nn::tensor::{Tensor, TensorType};
use mynah_test_guests::{Done, ensure};

fn main() -> Done {
    let bytes: Vec<u8> = (0..=255).collect();
    let cases: [(&[u32], TensorType, &[u8]); 9] = [
        (&[256], TensorType::U8, &bytes),
        (&[2, 16, 2], TensorType::Fp32, &bytes),
        (&[4, 8, 8], TensorType::U8, &bytes),
        (&[32], TensorType::I64, &bytes),
        (&[64], TensorType::I32, &bytes),
        (&[128], TensorType::Fp16, &bytes),
        (&[128], TensorType::Bf16, &bytes),
        (&[32], TensorType::Fp64, &bytes),
        // Invalid, but only checked when it is used.
        (&[u32::MAX, 0, 7], TensorType::U8, b"abc"),
    ];
    for (dimensions, ty, data) in cases {
        let tensor = Tensor::new(dimensions, ty, data);
        ensure!(
            tensor.dimensions() == dimensions && tensor.ty() == ty && tensor.data() == data,
            "{dimensions:?} {ty:?} came back as {:?} {:?} {} bytes",
            tensor.dimensions(),
            tensor.ty(),
            tensor.data().len()
        );
    }
    println!("ok tensors={}", cases.len());
    Ok(())
}
