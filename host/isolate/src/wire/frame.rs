//! Frames: one message with its length before it.
//!
//! The length is a 32-bit number, little endian. A reader takes no more than its limit, and keeps
//! no more memory than has arrived.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Maximum size in bytes of a frame that the model's process sends.
///
/// The largest honest ones are answers with vectors: 256 texts of 8,192 numbers. What a frame holds
/// takes up to about ten times its size while it is read.
pub(crate) const MAX_FROM_CHILD: usize = 8 << 20;

/// Maximum size in bytes of a frame for the model's process.
pub(crate) const MAX_TO_CHILD: usize = 256 << 20;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The other side closed the connection between two frames.
    #[error("the connection ended")]
    Ended,
    /// The connection ended within a frame, or failed.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The frame exceeds the limit.
    #[error("a message of {bytes} bytes, at most {limit} are taken")]
    TooLarge { bytes: usize, limit: usize },
    /// The bytes are no message.
    #[error("a message that can't be read: {0}")]
    Unreadable(postcard::Error),
}

/// The frame of a message.
///
/// # Errors
///
/// [`FrameError::TooLarge`] beyond `limit`, and [`FrameError::Unreadable`] for a message that has
/// no encoding.
pub(crate) fn frame<M: Serialize>(message: &M, limit: usize) -> Result<Vec<u8>, FrameError> {
    let start = vec![0; size_of::<u32>()];
    let mut bytes = postcard::to_extend(message, start).map_err(FrameError::Unreadable)?;
    let length = bytes.len() - size_of::<u32>();
    let header = u32::try_from(length).ok().filter(|_| length <= limit);
    let Some(header) = header else {
        return Err(FrameError::TooLarge {
            bytes: length,
            limit,
        });
    };
    for (place, byte) in bytes.iter_mut().zip(header.to_le_bytes()) {
        *place = byte;
    }
    Ok(bytes)
}

/// Writes the frame of a message.
pub(crate) fn write<M: Serialize>(
    to: &mut impl Write,
    message: &M,
    limit: usize,
) -> Result<(), FrameError> {
    to.write_all(&frame(message, limit)?)?;
    Ok(to.flush()?)
}

/// Reads one message of at most `limit` bytes.
pub(crate) fn read<M: DeserializeOwned>(
    from: &mut impl Read,
    limit: usize,
) -> Result<M, FrameError> {
    let mut header = Vec::with_capacity(size_of::<u32>());
    from.by_ref()
        .take(size_of::<u32>() as u64)
        .read_to_end(&mut header)?;
    if header.is_empty() {
        return Err(FrameError::Ended);
    }
    let header = <[u8; size_of::<u32>()]>::try_from(header)
        .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let bytes = u32::from_le_bytes(header) as usize;
    if bytes > limit {
        return Err(FrameError::TooLarge { bytes, limit });
    }
    let mut message = Vec::new();
    from.by_ref().take(bytes as u64).read_to_end(&mut message)?;
    if message.len() < bytes {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    match postcard::take_from_bytes(&message) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(FrameError::Unreadable(
            postcard::Error::DeserializeBadEncoding,
        )),
        Err(error) => Err(FrameError::Unreadable(error)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{FromChild, ToChild};

    #[test]
    fn messages_are_read_one_after_another() {
        let mut bytes = Vec::new();
        for request in [3, 4] {
            write(&mut bytes, &ToChild::More { request }, MAX_TO_CHILD).unwrap();
        }
        let mut from = bytes.as_slice();
        for expected in [3, 4] {
            let message = read(&mut from, MAX_TO_CHILD).unwrap();
            assert!(matches!(message, ToChild::More { request } if request == expected));
        }
        let end = read::<ToChild>(&mut from, MAX_TO_CHILD);
        assert!(matches!(end, Err(FrameError::Ended)), "{end:?}");
    }

    #[test]
    fn a_message_beyond_the_limit_is_neither_written_nor_read() {
        let message = FromChild::Started { request: u64::MAX };
        let written = frame(&message, 4).unwrap_err();
        assert!(
            matches!(written, FrameError::TooLarge { limit: 4, .. }),
            "{written:?}"
        );
        let whole = frame(&message, 64).unwrap();
        let read = read::<FromChild>(&mut whole.as_slice(), 4).unwrap_err();
        assert!(
            matches!(read, FrameError::TooLarge { limit: 4, .. }),
            "{read:?}"
        );
    }

    /// A reader that gives one byte without end, and counts what was taken of it.
    struct Endless {
        byte: u8,
        taken: usize,
    }

    impl Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            to.fill(self.byte);
            self.taken += to.len();
            Ok(to.len())
        }
    }

    #[test]
    fn of_an_endless_stream_no_more_is_read_than_the_limit() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut from = Endless { byte, taken: 0 };
            for _ in 0..100 {
                let message = read::<FromChild>(&mut from, 1 << 10);
                assert!(from.taken < 100 << 11, "{byte}: {} bytes", from.taken);
                if message.is_err() {
                    break;
                }
            }
        }
    }

    /// A frame with any contents.
    fn framed(contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).unwrap();
        [&length.to_le_bytes()[..], contents].concat()
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let mut from = bytes.as_slice();
            while read::<FromChild>(&mut from, 1 << 12).is_ok() {}
        }

        #[test]
        fn any_frame_is_a_message_or_an_error(frames: Vec<Vec<u8>>) {
            for contents in frames {
                let whole = framed(&contents);
                let _ = read::<FromChild>(&mut whole.as_slice(), 1 << 12);
                let _ = read::<ToChild>(&mut whole.as_slice(), 1 << 12);
            }
        }

        #[test]
        fn a_message_that_is_cut_short_is_an_error(request: u64, tokens: u32, keep in 0_usize..30) {
            let message = FromChild::Events { request, events: Vec::new(), tokens };
            let whole = frame(&message, 64).unwrap();
            let cut = whole.get(..keep.min(whole.len() - 1)).unwrap();
            prop_assert!(read::<FromChild>(&mut &*cut, 64).is_err());
        }
    }
}
