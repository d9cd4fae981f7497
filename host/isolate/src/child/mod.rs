//! The process of a model: confines itself, loads the model, and serves it to the host.

mod limits;
mod request;
mod sandbox;
mod server;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use mynah_core::{Error, Model, ProgressFn, Result};
use mynah_settings::ModelConfig;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::Confinement;
use crate::wire::frame::{self, FrameError, MAX_FROM_CHILD, MAX_TO_CHILD};
use crate::wire::{FromChild, Probed, ToChild, WireAbout};
use sandbox::Sandbox;

/// The model's bytes, which the host gives as standard output.
const MODEL: &str = "/proc/self/fd/1";

/// The name of a model without one.
const NAME: &str = "guest-model";

/// Exit code of a process that was not started by a host.
const NO_HOST: i32 = 1;

/// Number of progress messages of a load.
const PROGRESS_STEPS: f32 = 100.0;

/// Serves the host that started this process, until it closes the connection. Returns the exit
/// code.
pub(crate) fn serve(load: impl FnOnce(&Path, ModelConfig, ProgressFn) -> Result<Model>) -> i32 {
    match try_serve(load) {
        Ok(()) => 0,
        Err(_) => NO_HOST,
    }
}

fn try_serve(
    load: impl FnOnce(&Path, ModelConfig, ProgressFn) -> Result<Model>,
) -> Result<(), FrameError> {
    // If the host has ended before this, the connection is closed, which has the same effect.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)?;
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut host = UnixStream::from(socket);
    match frame::read(&mut host, MAX_TO_CHILD)? {
        ToChild::Load(config) => {
            // Before the first byte of the model is read, and before any other thread starts.
            let (sandbox, confinement) = Sandbox::enter(config.max_process_bytes);
            send(&mut host, &FromChild::Confined(confinement))?;
            match loaded(&host, load, *config) {
                Ok((model, about)) => {
                    sandbox.close();
                    send(&mut host, &FromChild::Loaded(Box::new(about)))?;
                    server::serve(model, host)
                }
                Err(error) => send(&mut host, &FromChild::NotLoaded(error.into())),
            }
        }
        ToChild::Probe => {
            let (sandbox, confinement) = Sandbox::enter(None);
            send(&mut host, &FromChild::Confined(confinement))?;
            sandbox.close();
            send(&mut host, &FromChild::Probed(probed(confinement)))
        }
        other => Err(io::Error::other(format!("{other:?} before a model")).into()),
    }
}

fn loaded(
    host: &UnixStream,
    load: impl FnOnce(&Path, ModelConfig, ProgressFn) -> Result<Model>,
    config: ModelConfig,
) -> Result<(Model, WireAbout)> {
    let mut host = host.try_clone().map_err(Error::Thread)?;
    let mut told = 0.0;
    let progress: ProgressFn = Box::new(move |share| {
        if share < told + 1.0 / PROGRESS_STEPS {
            return ControlFlow::Continue(());
        }
        told = share;
        match send(&mut host, &FromChild::Progress(share)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    let model = load(Path::new(MODEL), config, progress)?;
    let about = model.about();
    let mut info = (*about.info).clone();
    // A file without a name of its own is called after its path, which says nothing here.
    if Path::new(&info.name).file_stem() == Path::new(MODEL).file_stem() {
        NAME.clone_into(&mut info.name);
    }
    info.path = NAME.into();
    let about = WireAbout {
        info,
        capabilities: about.capabilities,
        recommended: about.recommended.clone(),
    };
    Ok((model, about))
}

fn send(host: &mut UnixStream, message: &FromChild) -> Result<(), FrameError> {
    frame::write(host, message, MAX_FROM_CHILD)
}

/// Tries what a confined process must not do.
fn probed(confinement: Confinement) -> Probed {
    use std::fs::File;
    use std::net::UdpSocket;
    use std::process::{Command, Stdio, id};

    let made = std::env::temp_dir().join(format!("mynah-probe-{}", id()));
    let writes_files = File::create_new(&made).is_ok();
    if writes_files {
        // It is empty, and no other probe has its name.
        let _ = std::fs::remove_file(&made);
    }
    let mut started = Command::new("/bin/true");
    started.stdin(Stdio::null()).stdout(Stdio::null());
    Probed {
        confinement,
        opens_files: File::open("/etc/passwd").is_ok(),
        writes_files,
        opens_sockets: UdpSocket::bind("127.0.0.1:0").is_ok(),
        starts_processes: started.status().is_ok(),
    }
}
