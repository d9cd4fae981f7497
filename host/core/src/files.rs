//! Files and folders of the program's own: states, caches, sockets.
//!
//! Other programs and users may put anything beside them, under any name. [`private_folder`]
//! refuses a folder that another user can change. [`open`] refuses everything but a regular file:
//! it follows no symbolic link and waits for no pipe. The caller reads a mark in the file to find
//! out whether the program wrote it.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The permission to write, for the group and for all.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// The permission to write, for all.
const WRITABLE_BY_ALL: u32 = 0o002;
/// In a folder with this bit, only the owner of a file may rename or remove it.
const STICKY: u32 = 0o1000;

/// A reason not to use a folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderRefused {
    /// The system's error.
    #[error("{}: {error}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is a symbolic link.
    #[error("{} is a symbolic link, which is not followed: name the folder itself", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// It is a file.
    #[error("{} is not a folder: name a folder", path.display())]
    NotAFolder {
        /// What is there.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error(
        "{} belongs to the user with the id {owner}, and this process runs as {user}: use a folder \
         of your own", path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// The user to whom it belongs.
        owner: u32,
        /// The user who runs this process.
        user: u32,
    },
    /// Other users can change what is in it.
    #[error(
        "other users can write to {0} (its mode is {mode:03o}): run `chmod {change} {0}`, or use \
         another folder", path.display()
    )]
    Writable {
        /// The folder, or the one that it is in.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The permissions to take away, as `chmod` wants them.
        change: &'static str,
    },
}

/// Creates a folder that only its user can enter, or checks an existing one: it must be no symbolic
/// link, belong to the user of this process, and other users must not be able to write to it or to
/// replace it. The permissions of an existing folder are not changed.
///
/// # Errors
///
/// [`FolderRefused`], with the reason.
pub fn private_folder(path: &Path) -> Result<(), FolderRefused> {
    let at = |error| FolderRefused::Io {
        path: path.to_owned(),
        error,
    };
    let mut builder = fs::DirBuilder::new();
    let created = builder.recursive(true).mode(0o700).create(path);
    // A link to a folder counts as created, and one to nothing gives an unclear error.
    match fs::symlink_metadata(path) {
        Ok(about) => check(path, &about)?,
        Err(error) => return Err(at(created.err().unwrap_or(error))),
    }
    created.map_err(at)
}

/// Checks an existing folder like [`private_folder`].
///
/// # Errors
///
/// [`FolderRefused`], with the reason; [`io::ErrorKind::NotFound`] if there is none.
pub fn check_private(path: &Path) -> Result<(), FolderRefused> {
    let about = fs::symlink_metadata(path).map_err(|error| FolderRefused::Io {
        path: path.to_owned(),
        error,
    })?;
    check(path, &about)
}

fn check(path: &Path, about: &Metadata) -> Result<(), FolderRefused> {
    let path = path.to_owned();
    if about.is_symlink() {
        return Err(FolderRefused::Link { path });
    }
    if !about.is_dir() {
        return Err(FolderRefused::NotAFolder { path });
    }
    let user = rustix::process::geteuid().as_raw();
    if about.uid() != user {
        let owner = about.uid();
        return Err(FolderRefused::Foreign { path, owner, user });
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        let change = "go-w";
        return Err(FolderRefused::Writable { path, mode, change });
    }
    // Who can write to the folder around it can put another one in its place.
    let parent = path.canonicalize().ok();
    let parent = parent.as_deref().and_then(Path::parent);
    if let Some(parent) = parent
        && let Ok(about) = fs::metadata(parent)
    {
        let mode = about.permissions().mode() & 0o7777;
        if mode & WRITABLE_BY_ALL != 0 && mode & STICKY == 0 {
            return Err(FolderRefused::Writable {
                path: parent.to_owned(),
                mode,
                change: "o-w",
            });
        }
    }
    Ok(())
}

/// Opens an existing regular file to read it.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::InvalidInput`] if it is something else: a folder, a symbolic
/// link, a pipe, a socket or a device.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::RDONLY)
}

/// Opens a regular file to read and write it, or creates it for this user alone. What is in it
/// stays.
///
/// # Errors
///
/// Those of [`open`].
pub fn open_or_create(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::RDWR | OFlags::CREATE)
}

/// Opens an existing regular file to read and write it.
///
/// # Errors
///
/// Those of [`open`].
pub fn open_existing(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::RDWR)
}

/// Creates a file for this user alone, to be written.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::AlreadyExists`] if anything has that name.
pub fn create_new(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
}

fn open_with(path: &Path, how: OFlags) -> io::Result<File> {
    // A pipe is opened without waiting for its other end.
    let how = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(path, how, Mode::RUSR | Mode::WUSR).map_err(|error| match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::NXIO | rustix::io::Errno::ISDIR => {
                irregular()
            }
            error => error.into(),
        })?;
    let file = File::from(file);
    if !file.metadata()?.is_file() {
        return Err(irregular());
    }
    Ok(file)
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

/// Gives a file its final name, if nothing has that name yet. A folder that several processes use
/// needs a lock, so that no other one takes the name at the same moment.
///
/// # Errors
///
/// The system's; [`io::ErrorKind::AlreadyExists`] if anything has the new name. The file then keeps
/// its old name.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::symlink_metadata(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(from, to),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// Whether both are the same file.
#[must_use]
pub fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn refused(path: &Path) -> String {
        private_folder(path).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_made_for_its_user_alone_and_an_existing_one_keeps_its_mode() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        private_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        chmod(&folder, 0o755);
        private_folder(&folder).unwrap();
        check_private(&folder).unwrap();
        assert_eq!(mode(&folder), 0o755);
    }

    #[test]
    fn what_others_can_change_is_refused_with_the_reason() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a");
        fs::create_dir(&folder).unwrap();
        for open in [0o777, 0o770, 0o720, 0o702, 0o1777] {
            chmod(&folder, open);
            let told = refused(&folder);
            assert!(
                told.contains("chmod go-w") && told.contains(&format!("{open:03o}")),
                "{told}"
            );
            assert_eq!(mode(&folder), open);
        }
        chmod(&folder, 0o700);
        // Another user could replace it by a folder of his own.
        chmod(place.path(), 0o777);
        assert!(refused(&folder).contains("chmod o-w"));
        chmod(place.path(), 0o1777);
        private_folder(&folder).unwrap();
    }

    #[test]
    fn links_and_files_are_no_folders() {
        let place = tempfile::tempdir().unwrap();
        let [folder, link, dangling, file] =
            ["a", "link", "dangling", "file"].map(|name| place.path().join(name));
        fs::create_dir(&folder).unwrap();
        chmod(&folder, 0o755);
        symlink(&folder, &link).unwrap();
        symlink(place.path().join("none"), &dangling).unwrap();
        fs::write(&file, "data").unwrap();
        assert!(refused(&link).contains("symbolic link"));
        assert!(refused(&dangling).contains("symbolic link"));
        assert!(refused(&file).contains("not a folder"));
        assert_eq!(mode(&folder), 0o755);
        assert!(!place.path().join("none").exists());
        assert_eq!(fs::read(&file).unwrap(), b"data");
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        // Every system has this folder, and only root may write to it.
        if rustix::process::geteuid().is_root() {
            let place = tempfile::tempdir().unwrap();
            std::os::unix::fs::chown(place.path(), Some(12_345), None).unwrap();
            assert!(refused(place.path()).contains("the user with the id 12345"));
        } else {
            assert!(refused(Path::new("/usr")).contains("the user with the id 0"));
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let [file, link, dangling, pipe, socket] =
            ["file", "link", "dangling", "pipe", "socket"].map(|name| place.path().join(name));
        fs::write(&file, "data").unwrap();
        symlink(&file, &link).unwrap();
        symlink(place.path().join("none"), &dangling).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [&link, &dangling, &pipe, &socket, &place.path().to_owned()] {
            for opened in [open(path), open_or_create(path)] {
                let error = opened.unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "it is not a regular file",
                    "{}",
                    path.display()
                );
            }
            assert!(create_new(path).is_err());
        }
        open(&file).unwrap();
        open_or_create(&file).unwrap();
        assert_eq!(
            create_new(&file).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&file).unwrap(), b"data");
        assert!(!place.path().join("none").exists());
        let new = place.path().join("new");
        create_new(&new).unwrap();
        assert_eq!(mode(&new) & 0o077, 0);
    }

    #[test]
    fn a_rename_never_replaces_a_file() {
        let place = tempfile::tempdir().unwrap();
        let [from, to, free] = ["from", "to", "free"].map(|name| place.path().join(name));
        fs::write(&from, "ours").unwrap();
        fs::write(&to, "theirs").unwrap();
        let error = rename_new(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&to).unwrap(), b"theirs");
        rename_new(&from, &free).unwrap();
        assert_eq!(fs::read(&free).unwrap(), b"ours");
        assert!(!from.exists());
    }
}
