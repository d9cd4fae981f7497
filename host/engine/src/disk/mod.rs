//! States of sequences on disk: they make room in host memory, and outlive the process. A thread of
//! its own reads and writes them, so that the model's steps never wait for the disk.
//!
//! | file | subject |
//! |---|---|
//! | `file` | one state's file: its header, its bytes and their hashes |
//! | `folder` | the files of one model, what is found there at the start, and the bound |
//! | `fingerprint` | what tells one model's states from another's |
//! | `thread` | the thread, what it is asked and what it answers |

mod file;
mod fingerprint;
mod folder;
mod thread;

pub(crate) use file::{Damage, Header};
pub(crate) use fingerprint::Fingerprint;
pub(crate) use folder::{FileId, Folder, FolderError};
pub(crate) use thread::{Disk, Done, Task};
