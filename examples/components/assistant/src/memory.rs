//! The file in which the conversation is stored.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The file of a conversation.
pub struct Memory {
    file: PathBuf,
}

impl Memory {
    pub fn new(folder: &Path) -> Self {
        Self {
            file: folder.join("conversation.json"),
        }
    }

    pub fn path(&self) -> std::path::Display<'_> {
        self.file.display()
    }

    /// The stored conversation, if there is one.
    pub fn read(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.file) {
            Ok(saved) => Ok(Some(saved)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.told(&error)),
        }
    }

    /// Replaces the stored conversation. Writes a new file and renames it, so that an interrupted
    /// write leaves the old one intact.
    pub fn write(&self, saved: &str) -> io::Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, saved)
            .and_then(|()| fs::rename(&new, &self.file))
            .map_err(|error| self.told(&error))
    }

    fn told(&self, error: &io::Error) -> io::Error {
        let folder = "grant its folder to the component (mynah run --dir FOLDER::/memory)";
        io::Error::new(error.kind(), format!("{}: {error}: {folder}", self.path()))
    }
}
