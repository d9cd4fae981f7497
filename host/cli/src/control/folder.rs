//! The folder with the sockets of running hosts. Only its user can enter it. Each host has one
//! socket, named after its process id.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::cache;

/// The variable that names the user's private runtime folder.
const RUNTIME: &str = "XDG_RUNTIME_DIR";

/// The extension of a socket's file name.
const SUFFIX: &str = "sock";

/// The folder: `mynah` in `$XDG_RUNTIME_DIR`, or `run` in the cache folder.
pub(super) fn folder() -> Option<PathBuf> {
    match std::env::var_os(RUNTIME) {
        Some(folder) if !folder.is_empty() => Some(PathBuf::from(folder).join("mynah")),
        _ => cache::folder().map(|folder| folder.join("run")),
    }
}

/// Creates the folder, and makes it accessible to its owner only.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// The socket's path of a process.
pub(super) fn socket_of(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("{pid}.{SUFFIX}"))
}

/// Lists the sockets on which a host answers. Removes those of hosts that have died.
pub(super) fn sockets(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut alive = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) && !is_dead(&path)? {
            alive.push(path);
        }
    }
    alive.sort();
    Ok(alive)
}

/// Removes a socket on which no process listens. Returns whether the path is free now.
///
/// # Errors
///
/// The path exists and is not a socket.
pub(super) fn clear(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        Ok(about) if about.file_type().is_socket() => is_dead(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file already that is not a socket",
        )),
    }
}

/// Whether no process listens on a socket. Removes the socket if so.
fn is_dead(path: &Path) -> io::Result<bool> {
    match UnixStream::connect(path) {
        Ok(_) => Ok(false),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(true),
            },
            // Another process removed it meanwhile.
            io::ErrorKind::NotFound => Ok(true),
            // The socket's backlog is full, or it belongs to another user: a process does listen.
            _ => Ok(false),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sockets_of_the_dead_are_removed_and_those_of_the_living_told() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("mynah");
        assert!(sockets(&folder).unwrap().is_empty(), "no folder yet");
        make(&folder).unwrap();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let (dead, alive) = (socket_of(&folder, 1), socket_of(&folder, 2));
        drop(UnixListener::bind(&dead).unwrap());
        let _listener = UnixListener::bind(&alive).unwrap();
        fs::write(folder.join("notes.txt"), "no socket").unwrap();
        assert!(dead.exists(), "a socket outlives its listener");
        assert_eq!(sockets(&folder).unwrap(), [alive.as_path()]);
        assert!(!dead.exists());
        assert!(!clear(&alive).unwrap() && alive.exists());
        assert!(clear(&dead).unwrap());
    }

    #[test]
    fn a_file_is_never_taken_for_a_socket() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("precious.sock");
        fs::write(&file, "data").unwrap();
        assert!(clear(&file).is_err());
        assert!(file.exists());
    }
}
