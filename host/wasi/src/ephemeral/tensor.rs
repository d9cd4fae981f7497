//! Reads a tensor from the guest's memory and checks it.

use super::errno::{Errno, Failure};
use super::memory;

/// Size of the record in bytes: pointer to the dimensions, their number, type, pointer to the data,
/// its length.
const RECORD: u32 = 20;
/// Maximum number of dimensions; a text has one.
const MAX_DIMENSIONS: u32 = 16;
/// The supported element types by number, with their sizes in bytes: half and single precision,
/// byte, 32-bit integer.
const ELEMENTS: [(u8, u64); 4] = [(0, 2), (1, 4), (3, 1), (4, 4)];

/// Copies the data of the tensor whose record is at `pointer`, if it has at most `max_bytes`.
pub(super) fn read(memory: &[u8], pointer: u32, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let record = memory::bytes(memory, pointer, RECORD, "the tensor")?;
    let mut fields = memory::numbers(record);
    let mut field = || fields.next().unwrap_or_default();
    let (shape, dimensions, ty, data, length) = (field(), field(), field(), field(), field());
    let data = memory::bytes(memory, data, length, "the tensor's data")?;
    // The type is one byte; the padding after it may have any value.
    let [ty, ..] = ty.to_le_bytes();
    let Some((_, size)) = ELEMENTS.iter().find(|(number, _)| *number == ty) else {
        return Err(Failure::invalid(format!(
            "the tensor has type {ty}: give text or JSON as u8 (3)"
        )));
    };
    if dimensions > MAX_DIMENSIONS {
        return Err(Failure::invalid(format!(
            "the tensor has {dimensions} dimensions, at most {MAX_DIMENSIONS} are taken: give \
             [{length}]"
        )));
    }
    let shape = memory::bytes(memory, shape, dimensions * 4, "the tensor's shape")?;
    let elements = memory::numbers(shape).try_fold(1_u64, |product, dimension| {
        product.checked_mul(u64::from(dimension))
    });
    // Many guests use [1] for any length.
    let fits = elements == Some(1)
        || elements.map(|count| count.saturating_mul(*size)) == Some(u64::from(length));
    if !fits {
        let dimensions: Vec<u32> = memory::numbers(shape).collect();
        return Err(Failure::invalid(format!(
            "the tensor has the dimensions {dimensions:?} of elements of {size} bytes, and \
             {length} bytes of data: give [{length}] and u8, or [1]"
        )));
    }
    if u64::from(length) > max_bytes {
        return Err(too_large(u64::from(length), max_bytes));
    }
    Ok(data.to_vec())
}

/// The error for data beyond the guest's limit.
pub(super) fn too_large(bytes: u64, max_bytes: u64) -> Failure {
    Failure::new(
        Errno::TooLarge,
        format!(
            "the tensor has {bytes} bytes, this guest may hold {max_bytes} more: send less, or \
             finalize contexts that are no longer needed"
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A memory with a tensor at 0, its shape at 20, and its data after that.
    fn memory(shape: &[u32], ty: u32, data: &[u8]) -> Vec<u8> {
        let shape_bytes = u32::try_from(shape.len() * 4).unwrap();
        let record = [
            20,
            shape_bytes / 4,
            ty,
            20 + shape_bytes,
            u32::try_from(data.len()).unwrap(),
        ];
        let numbers = record.iter().chain(shape);
        let mut memory: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        memory.extend_from_slice(data);
        memory
    }

    fn read(shape: &[u32], ty: u32, data: &[u8]) -> Result<Vec<u8>, Errno> {
        super::read(&memory(shape, ty, data), 0, 100).map_err(|failure| failure.errno)
    }

    #[test]
    fn only_the_low_byte_of_the_type_counts() {
        assert_eq!(read(&[3], 3, b"abc"), Ok(b"abc".to_vec()));
        assert_eq!(read(&[3], 0xABCD_EF03, b"abc"), Ok(b"abc".to_vec()));
    }

    #[test]
    fn the_types_of_other_hosts_are_taken_and_no_others() {
        for (ty, taken) in [
            (0, true),
            (1, true),
            (2, false),
            (3, true),
            (4, true),
            (5, false),
            (6, false),
            (255, false),
        ] {
            assert_eq!(read(&[1], ty, b"abcd").is_ok(), taken, "{ty}");
        }
        assert!(read(&[1, 2], 0, b"abcd").is_ok());
        assert!(read(&[2], 3, b"abcd").is_err());
    }

    #[test]
    fn dimension_one_stands_for_text_of_any_length() {
        assert!(read(&[1], 3, b"abc").is_ok());
        assert!(read(&[1, 1], 3, b"abc").is_ok());
        assert!(read(&[], 3, b"abc").is_ok());
        assert!(read(&[1, 3], 3, b"abc").is_ok());
        assert_eq!(read(&[2], 3, b"abc"), Err(Errno::InvalidArgument));
        assert_eq!(
            read(&[u32::MAX, u32::MAX, u32::MAX], 3, b"abc"),
            Err(Errno::InvalidArgument)
        );
        assert_eq!(read(&[1; 17], 3, b"abc"), Err(Errno::InvalidArgument));
    }

    #[test]
    fn more_than_the_guest_may_hold_is_refused() {
        assert_eq!(read(&[101], 3, &[b'x'; 101]), Err(Errno::TooLarge));
    }

    proptest! {
        #[test]
        fn no_record_reads_outside_of_the_memory(
            memory in prop::collection::vec(any::<u8>(), 0..64),
            pointer in 0_u32..80,
        ) {
            if let Ok(data) = super::read(&memory, pointer, u64::MAX) {
                prop_assert!(data.len() <= memory.len());
            }
        }
    }
}
