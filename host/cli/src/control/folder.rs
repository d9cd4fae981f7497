//! The folder with the sockets of running hosts. It is the user's alone: a folder that other users
//! can change, or a link to one, is not used. Each host has one socket, named after its process id.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::Result;
use mynah_core::files;

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

/// The socket's path of a process.
pub(super) fn socket_of(folder: &Path, pid: u32) -> PathBuf {
    folder.join(format!("{pid}.{SUFFIX}"))
}

/// Lists the sockets on which a host answers. Removes those of hosts that have died. Other files
/// stay, whatever their names are.
///
/// # Errors
///
/// The folder is not the user's alone, or cannot be read.
pub(super) fn sockets(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    files::check_private(folder)?;
    let mut alive = Vec::new();
    for entry in entries {
        let entry = entry?;
        let is_hosts = entry.file_type()?.is_socket() && is_name(&entry.file_name());
        if is_hosts && !is_dead(&entry.path())? {
            alive.push(entry.path());
        }
    }
    alive.sort();
    Ok(alive)
}

/// Whether a file has the name of a host's socket.
fn is_name(name: &OsStr) -> bool {
    let pid = Path::new(name).file_stem().and_then(OsStr::to_str);
    let pid = pid.and_then(|pid| pid.parse().ok());
    pid.is_some_and(|pid| socket_of(Path::new(""), pid) == Path::new(name))
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
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn sockets_of_the_dead_are_removed_and_those_of_the_living_told() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("mynah");
        assert!(sockets(&folder).unwrap().is_empty(), "no folder yet");
        files::private_folder(&folder).unwrap();
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
    fn what_is_no_hosts_socket_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        // Dead sockets of other programs, a file and a link with names of sockets.
        for name in ["app.sock", "007.sock", "-1.sock", ".sock", "7.sock.old"] {
            drop(UnixListener::bind(folder.join(name)).unwrap());
        }
        fs::write(folder.join("8.sock"), "data").unwrap();
        symlink(folder.join("app.sock"), folder.join("9.sock")).unwrap();
        assert!(sockets(folder).unwrap().is_empty());
        assert_eq!(fs::read_dir(folder).unwrap().count(), 7);
    }

    #[test]
    fn a_folder_that_is_not_the_users_alone_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let (open, link) = (place.path().join("open"), place.path().join("link"));
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        symlink(place.path(), &link).unwrap();
        for folder in [&open, &link] {
            let dead = socket_of(folder, 1);
            drop(UnixListener::bind(&dead).unwrap());
            assert!(sockets(folder).is_err());
            assert!(dead.exists());
        }
    }

    #[test]
    fn a_file_is_never_taken_for_a_socket() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("precious.sock");
        fs::write(&file, "data").unwrap();
        let link = place.path().join("link.sock");
        symlink(&file, &link).unwrap();
        for path in [&file, &link] {
            assert!(clear(path).is_err());
            assert!(path.exists());
        }
    }
}
