//! Bounds-checked reading and writing of the guest's memory.
//!
//! Pointers and lengths come from the guest and may have any value. Nothing is read as a type with
//! an alignment.

use std::ops::Range;

use wasmtime::{Caller, Extern, Memory};

use super::errno::{Errno, Failure};

/// The memory that the calling module exports.
pub(super) fn exported<T>(caller: &mut Caller<'_, T>) -> Result<Memory, Failure> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        Some(_) => Err(Failure::new(
            Errno::MissingMemory,
            "the module's export `memory` is not a memory of its own: export one that isn't shared",
        )),
        None => Err(Failure::new(
            Errno::MissingMemory,
            "the module exports no memory: export it as `memory`",
        )),
    }
}

/// The range of an object, if it lies inside the memory. An empty one must lie inside, too.
fn range(memory: &[u8], pointer: u32, length: u32, what: &str) -> Result<Range<usize>, Failure> {
    let start = pointer as usize;
    let end = start.checked_add(length as usize);
    match end {
        Some(end) if end <= memory.len() => Ok(start..end),
        _ => Err(Failure::invalid(format!(
            "{what} is at {pointer} and has {length} bytes, the memory ends at {}: give a place \
             inside",
            memory.len()
        ))),
    }
}

/// Bytes in the guest's memory.
pub(super) fn bytes<'a>(
    memory: &'a [u8],
    pointer: u32,
    length: u32,
    what: &str,
) -> Result<&'a [u8], Failure> {
    let range = range(memory, pointer, length, what)?;
    Ok(memory.get(range).unwrap_or_default())
}

/// [`bytes`] for writing.
pub(super) fn bytes_mut<'a>(
    memory: &'a mut [u8],
    pointer: u32,
    length: u32,
    what: &str,
) -> Result<&'a mut [u8], Failure> {
    let range = range(memory, pointer, length, what)?;
    Ok(memory.get_mut(range).unwrap_or_default())
}

/// The numbers in these bytes. An incomplete number at the end is ignored.
pub(super) fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let (whole, _) = bytes.as_chunks::<4>();
    whole.iter().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Checks that a number can be written there.
pub(super) fn check_number(memory: &[u8], pointer: u32, what: &str) -> Result<(), Failure> {
    range(memory, pointer, 4, what).map(drop)
}

/// Writes a number to the guest's memory.
pub(super) fn write_number(
    memory: &mut [u8],
    pointer: u32,
    number: u32,
    what: &str,
) -> Result<(), Failure> {
    let place = bytes_mut(memory, pointer, 4, what)?;
    place.copy_from_slice(&number.to_le_bytes());
    Ok(())
}

/// UTF-8 text in the guest's memory.
pub(super) fn text<'a>(
    memory: &'a [u8],
    pointer: u32,
    length: u32,
    what: &str,
) -> Result<&'a str, Failure> {
    str::from_utf8(bytes(memory, pointer, length, what)?)
        .map_err(|error| Failure::invalid(format!("{what} is not UTF-8: {error}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_empty_must_lie_inside_too() {
        let memory = [0; 8];
        assert!(bytes(&memory, 8, 0, "it").is_ok());
        for (pointer, length) in [(9, 0), (u32::MAX, 0), (0, 9), (5, 4), (1, u32::MAX)] {
            let failure = bytes(&memory, pointer, length, "it").unwrap_err();
            assert_eq!(failure.errno, Errno::InvalidArgument);
        }
    }

    #[test]
    fn a_number_needs_no_alignment() {
        let mut memory = [0; 8];
        write_number(&mut memory, 3, 0x0102_0304, "it").unwrap();
        assert_eq!(memory, [0, 0, 0, 4, 3, 2, 1, 0]);
        let bytes = bytes(&memory, 3, 4, "it").unwrap();
        assert_eq!(numbers(bytes).collect::<Vec<_>>(), [0x0102_0304]);
    }

    proptest! {
        #[test]
        fn nothing_outside_is_touched(pointer: u32, number: u32, size in 0_usize..64) {
            let mut memory = vec![0xAA; size];
            let near = pointer % 80;
            let is_inside = near as usize + 4 <= size;
            prop_assert_eq!(write_number(&mut memory, near, number, "it").is_ok(), is_inside);
            for (at, byte) in memory.iter().enumerate() {
                let is_part = is_inside && (near as usize..near as usize + 4).contains(&at);
                prop_assert!(is_part || *byte == 0xAA);
            }
        }
    }
}
