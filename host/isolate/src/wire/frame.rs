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
/// [`FrameError::TooLarge`] beyond `limit`, and [`FrameError::Unreadable`] for a message that has no
/// encoding.
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
