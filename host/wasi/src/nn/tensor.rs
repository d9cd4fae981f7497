//! `wasi:nn/tensor`: the tensors of a guest.

use wasmtime::component::Resource;

use crate::bindings::wasi::nn::tensor::{Host, HostTensor, TensorType};
use crate::held::TensorData;
use crate::{ErrorCode, LlmCtxView, NnError, Tensor};

/// Bytes that a tensor costs the host in addition to its data and shape, for its entry in the
/// table. Counted, so that the limit also applies to a million empty tensors.
pub(super) const OVERHEAD: u64 = 128;

impl Tensor {
    /// A one-dimensional `u8` tensor.
    pub(super) fn text(text: String) -> Self {
        let data = text.into_bytes();
        Self {
            dimensions: vec![u32::try_from(data.len()).unwrap_or(u32::MAX)],
            ty: TensorType::U8,
            cost: OVERHEAD + data.len() as u64,
            data: TensorData::Kept(data),
        }
    }

    /// A vector as one row of single-precision numbers.
    pub(super) fn vector(numbers: &[f32]) -> Self {
        let data: Vec<u8> = numbers.iter().flat_map(|one| one.to_le_bytes()).collect();
        Self {
            dimensions: vec![1, u32::try_from(numbers.len()).unwrap_or(u32::MAX)],
            ty: TensorType::Fp32,
            cost: OVERHEAD + data.len() as u64,
            data: TensorData::Kept(data),
        }
    }

    /// The text in this tensor, which the guest calls `name`.
    pub(super) fn into_text(self, name: &str) -> Result<String, NnError> {
        let invalid = |what: String| Err(NnError::new(ErrorCode::InvalidArgument, what));
        let data = match self.data {
            TensorData::Kept(data) => data,
            TensorData::Refused { wanted, limit } => {
                return Err(NnError::new(
                    ErrorCode::TooLarge,
                    format!(
                        "with tensor `{name}` this guest would hold {wanted} bytes of tensors, at \
                         most {limit} are kept: send less, or drop tensors that are no longer \
                         needed"
                    ),
                ));
            }
        };
        if self.ty != TensorType::U8 {
            return invalid(format!(
                "tensor `{name}` has type {:?}, a prompt is text in a tensor of type U8",
                self.ty
            ));
        }
        let elements = elements(&self.dimensions);
        if elements != Some(data.len() as u64) {
            let elements = elements.map_or("more than 2^64".to_owned(), |count| count.to_string());
            return invalid(format!(
                "tensor `{name}` has the dimensions {:?}, {elements} elements of 1 byte, but {} \
                 bytes of data: give [{}]",
                ShortList(&self.dimensions),
                data.len(),
                data.len(),
            ));
        }
        String::from_utf8(data).or_else(|error| {
            let valid = error.utf8_error().valid_up_to();
            invalid(format!(
                "tensor `{name}` is not UTF-8 text from byte {valid} on: encode the prompt as UTF-8"
            ))
        })
    }
}

/// The product of the dimensions; `None` beyond 64 bits. A tensor without dimensions is a scalar.
fn elements(dimensions: &[u32]) -> Option<u64> {
    dimensions.iter().try_fold(1u64, |product, &dimension| {
        product.checked_mul(u64::from(dimension))
    })
}

/// The first dimensions, because the guest chooses their number and the message must be short.
struct ShortList<'a>(&'a [u32]);

impl std::fmt::Debug for ShortList<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.split_at_checked(8) {
            Some((first, rest)) if !rest.is_empty() => {
                write!(f, "{first:?} and {} more", rest.len())
            }
            _ => write!(f, "{:?}", self.0),
        }
    }
}

impl LlmCtxView<'_> {
    pub(super) fn push_tensor(&mut self, tensor: Tensor) -> wasmtime::Result<Resource<Tensor>> {
        let cost = tensor.cost;
        let tensor = self.table.push(tensor)?;
        self.ctx.held.tensor_bytes += cost;
        Ok(tensor)
    }

    pub(super) fn take_tensor(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Tensor> {
        let tensor = self.table.delete(tensor)?;
        self.release(tensor.cost);
        Ok(tensor)
    }

    /// Checks that the guest may hold this number of bytes more. The error has the total that it
    /// would hold, and the limit.
    pub(super) fn room_for(&self, bytes: u64) -> Result<(), (u64, u64)> {
        let wanted = self.ctx.held.tensor_bytes.saturating_add(bytes);
        let limit = self.ctx.limits.max_tensor_bytes;
        if wanted <= limit {
            Ok(())
        } else {
            Err((wanted, limit))
        }
    }

    /// Releases bytes that the guest no longer holds.
    pub(super) fn release(&mut self, bytes: u64) {
        let held = &mut self.ctx.held.tensor_bytes;
        *held = held.saturating_sub(bytes);
    }
}

impl Host for LlmCtxView<'_> {}

impl HostTensor for LlmCtxView<'_> {
    async fn new(
        &mut self,
        dimensions: Vec<u32>,
        ty: TensorType,
        data: Vec<u8>,
    ) -> wasmtime::Result<Resource<Tensor>> {
        let size = OVERHEAD + 4 * dimensions.len() as u64 + data.len() as u64;
        let tensor = match self.room_for(size) {
            Ok(()) => Tensor {
                dimensions,
                ty,
                data: TensorData::Kept(data),
                cost: size,
            },
            Err((wanted, limit)) => Tensor {
                dimensions: Vec::new(),
                ty,
                data: TensorData::Refused { wanted, limit },
                cost: OVERHEAD,
            },
        };
        self.push_tensor(tensor)
    }

    async fn dimensions(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<u32>> {
        Ok(self.table.get(&tensor)?.dimensions.clone())
    }

    async fn ty(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<TensorType> {
        Ok(self.table.get(&tensor)?.ty)
    }

    /// A refused tensor has no data; `compute` reports the reason.
    async fn data(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<Vec<u8>> {
        Ok(match &self.table.get(&tensor)?.data {
            TensorData::Kept(data) => data.clone(),
            TensorData::Refused { .. } => Vec::new(),
        })
    }

    async fn drop(&mut self, tensor: Resource<Tensor>) -> wasmtime::Result<()> {
        self.take_tensor(tensor)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tensor(dimensions: &[u32], ty: TensorType, data: &[u8]) -> Tensor {
        Tensor {
            dimensions: dimensions.to_vec(),
            ty,
            data: TensorData::Kept(data.to_vec()),
            cost: 0,
        }
    }

    fn refusal(tensor: Tensor) -> String {
        let error = tensor.into_text("prompt").unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        error.data
    }

    #[test]
    fn a_shape_that_does_not_match_its_data_is_refused_with_both() {
        let text = refusal(tensor(&[2, 2], TensorType::U8, b"abc"));
        assert!(
            text.contains("[2, 2]") && text.contains("3 bytes"),
            "{text}"
        );
        let text = refusal(tensor(&[u32::MAX; 3], TensorType::U8, b"abc"));
        assert!(text.contains("more than 2^64"), "{text}");
        let text = refusal(tensor(&[1; 1000], TensorType::U8, b"abc"));
        assert!(text.len() < 300, "{text}");
    }

    #[test]
    fn a_type_other_than_u8_is_refused() {
        assert!(refusal(tensor(&[1], TensorType::Fp32, &[0; 4])).contains("U8"));
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_with_their_place() {
        assert!(refusal(tensor(&[3], TensorType::U8, b"ab\xff")).contains("byte 2"));
    }

    proptest! {
        #[test]
        fn text_goes_in_and_out_unchanged(text in any::<String>()) {
            prop_assert_eq!(Tensor::text(text.clone()).into_text("prompt").unwrap(), text);
        }

        #[test]
        fn no_shape_panics(dimensions in prop::collection::vec(any::<u32>(), 0..6), data: Vec<u8>) {
            let mut lengths = dimensions.iter().map(|&d| u128::from(d));
            let product = lengths.try_fold(1u128, u128::checked_mul);
            let fits = product == Some(data.len() as u128);
            let text = tensor(&dimensions, TensorType::U8, &data).into_text("prompt");
            prop_assert_eq!(text.is_ok(), fits && std::str::from_utf8(&data).is_ok());
        }
    }
}
