//! The control socket of a running host. It serves the metrics, and changes the log filter.

use std::fs::{self, Metadata, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use axum::http::StatusCode;
use axum::routing::get;
use mynah_core::files;
use tokio::net::UnixListener;

use super::folder;
use crate::args::Control;
use crate::http;
use crate::logging;
use crate::metrics::{self, Serving};

/// The open socket. Dropping it closes the socket and removes its file.
#[derive(Debug)]
pub(crate) struct Socket {
    file: SocketFile,
    _http: http::Server,
}

/// The file of a socket that this process made.
#[derive(Debug, Clone)]
pub(crate) struct SocketFile {
    path: PathBuf,
    made: Arc<Metadata>,
}

impl SocketFile {
    fn of(path: PathBuf) -> std::io::Result<Self> {
        let made = Arc::new(fs::symlink_metadata(&path)?);
        Ok(Self { path, made })
    }

    /// Whether the path still has this file: another process may have replaced it.
    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|there| files::is_same(&there, &self.made))
    }

    /// Removes the file. If that fails, the next process that looks for hosts does it.
    pub(crate) fn remove(&self) {
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Socket {
    /// The socket's file.
    pub(crate) fn file(&self) -> &SocketFile {
        &self.file
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.file.remove();
    }
}

/// Opens the socket. If the operator gave no path and the default path fails, the host runs without
/// a socket.
///
/// # Errors
///
/// The operator gave a path that cannot be used.
pub(crate) fn open(control: Option<&Control>, serving: &Arc<Serving>) -> Result<Option<Socket>> {
    match control {
        Some(Control::Off) => Ok(None),
        Some(Control::At(path)) => {
            let opened = listen(path.clone(), serving);
            let opened = opened.with_context(|| {
                format!(
                    "the control socket can't be opened at {}: give another path with --control, \
                     or `--control off`",
                    path.display()
                )
            })?;
            Ok(Some(opened))
        }
        None => Ok(own(serving)
            .inspect_err(|error| {
                tracing::warn!(
                    "this host can't be seen by `mynah status`, it has no socket (`--control`): \
                     {error:#}"
                );
            })
            .ok()),
    }
}

/// Opens the socket at its default path.
fn own(serving: &Arc<Serving>) -> Result<Socket> {
    let folder = folder::folder().context("there is no folder for the socket")?;
    files::private_folder(&folder)?;
    let path = folder::socket_of(&folder, std::process::id());
    listen(path.clone(), serving).with_context(|| path.display().to_string())
}

fn listen(path: PathBuf, serving: &Arc<Serving>) -> Result<Socket> {
    if !folder::clear(&path)? {
        bail!("another host listens there");
    }
    let listener = UnixListener::bind(&path)?;
    let file = SocketFile::of(path)?;
    // The folder of a path that the operator gave may be open to other users.
    if file.is_there() {
        fs::set_permissions(&file.path, Permissions::from_mode(0o600))?;
    }
    let router = metrics::router(serving).route("/log", get(filter).put(set_filter));
    Ok(Socket {
        file,
        _http: http::serve("control", listener, router, http::Bounds::default()),
    })
}

/// The log filter in force.
async fn filter() -> String {
    format!("{}\n", logging::filter())
}

/// Sets the log filter.
async fn set_filter(wanted: String) -> (StatusCode, String) {
    let wanted = match wanted.parse() {
        Ok(wanted) => wanted,
        Err(told) => return (StatusCode::BAD_REQUEST, format!("{told}\n")),
    };
    match logging::set_filter(wanted) {
        Ok(()) => (StatusCode::OK, filter().await),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
    }
}
