//! Saved states of sequences on disk. They make room in host memory and survive a restart. A thread
//! of its own reads and writes them, so that a step never waits for the disk.
//!
//! | file | subject |
//! |---|---|
//! | `file` | one state's file: its header, its bytes and their hashes |
//! | `folder` | the files of one model, and which of them are found at the start |
//! | `fingerprint` | identifies the model that a state belongs to |
//! | `thread` | the thread, its tasks and its answers |

mod file;
mod fingerprint;
mod folder;
mod thread;

pub(crate) use file::{Damage, Header};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use folder::{FileId, Folder, FolderError};
pub(crate) use thread::{Disk, DiskAnswer, DiskTask};
