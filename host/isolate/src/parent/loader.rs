//! Loads models of guests in processes of their own.

use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use mynah_core::{
    About, BackendError, BackendErrorKind, DeviceClass, Error, GuestLoader, Model, ModelFormat,
    Observer, ProgressFn, Result,
};
use mynah_settings::ModelConfig;
use rustix::fs::{MemfdFlags, SealFlags};

use super::backend::IsolatedBackend;
use super::places::Processes;
use super::process::{Loading, Process};
use crate::wire::{ToChild, WireAbout};
use crate::{Confinement, Identity, IsolateError, entry};

/// Time between two looks whether the guest still waits for its model.
const LOOK: Duration = Duration::from_millis(20);

/// Loads each model of a guest in a process of its own: what ends that process, such as a failed
/// assertion of the backend, is an error for this guest, and nothing else.
///
/// The process is this executable, which must call [`enter`](crate::enter) first thing in its
/// `main`. It gets the model's bytes, the settings and the requests, and no file, variable or
/// connection of the host. It is confined before it reads the model ([`Confinement`]) and computes
/// on the processor alone.
#[derive(Debug, Clone)]
pub struct IsolatedLoader {
    loader: Arc<dyn GuestLoader>,
    config: ModelConfig,
    processes: Processes,
    backend: Identity,
    observer: Option<Observer>,
}

impl IsolatedLoader {
    /// A loader that takes the formats of `loader`. `config` is how the processes serve the models;
    /// of it, `optimize`, `state_dir` and `keep_alive` have no effect. All loaders that share
    /// `processes` share its maximum.
    ///
    /// # Errors
    ///
    /// [`IsolateError::NotEntered`] if this program has not called [`enter`](crate::enter).
    pub fn new(
        loader: Arc<dyn GuestLoader>,
        config: ModelConfig,
        processes: Processes,
        backend: Identity,
    ) -> Result<Self, IsolateError> {
        entry::check()?;
        Ok(Self {
            loader,
            config: ModelConfig {
                optimize: None,
                state_dir: None,
                keep_alive: None,
                ..config
            },
            processes,
            backend,
            observer: None,
        })
    }

    /// The same loader with an observer of the requests to its models.
    #[must_use]
    pub fn with_observer(self, observer: Option<Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Waits until the process has loaded the model.
    fn wait(
        &self,
        process: Process,
        loads: &std::sync::mpsc::Receiver<Loading>,
        progress: &mut ProgressFn,
    ) -> Result<Model> {
        let mut share = 0.0;
        loop {
            match loads.recv_timeout(LOOK) {
                Ok(Loading::Confined(confinement)) => tell(&confinement),
                Ok(Loading::Progress(new)) if (share..=1.0).contains(&new) => share = new,
                Ok(Loading::Progress(_)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Loading::Loaded(about)) => return Ok(self.model(process, *about)),
                Ok(Loading::NotLoaded(error)) => return Err(error),
                Ok(Loading::Died(death)) => return Err(death.error()),
                Ok(Loading::Probed(_)) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Unavailable);
                }
            }
            // Dropping the process ends it.
            if progress(share) == ControlFlow::Break(()) {
                return Err(Error::LoadCancelled {
                    path: PathBuf::from("the model"),
                });
            }
        }
    }

    fn model(&self, process: Process, about: WireAbout) -> Model {
        let model = Model::new(Arc::new(IsolatedBackend {
            process: Arc::new(process),
            about: Arc::new(About {
                info: Arc::new(about.info),
                backend: self.backend.backend,
                build: self.backend.build.clone(),
                capabilities: about.capabilities,
                defaults: self.config.defaults.clone(),
                recommended: about.recommended,
            }),
            loaded_at: Instant::now(),
            max_unread_bytes: self.config.max_unread_bytes as usize,
        }));
        match &self.observer {
            Some(observer) => model.with_observer(observer.clone()),
            None => model,
        }
    }
}

impl GuestLoader for IsolatedLoader {
    fn serves(&self, format: ModelFormat) -> bool {
        self.loader.serves(format)
    }

    fn wants(&self) -> &'static str {
        self.loader.wants()
    }

    /// The driver of a graphics card needs files and calls that the process must not have.
    fn has_device(&self, device: DeviceClass) -> bool {
        device == DeviceClass::Cpu && self.loader.has_device(device)
    }

    fn load(&self, bytes: &[u8], mut progress: ProgressFn) -> Result<Model> {
        let file = model_file(bytes).map_err(|error| {
            let text = format!(
                "the bytes of the model can't be kept in memory: {error}. Make room, or load a \
                 smaller model"
            );
            BackendError::new(BackendErrorKind::Failed, text)
        })?;
        let (process, loads) = Process::start(file, &self.processes, self.backend.backend)?;
        process.send(&ToChild::Load(Box::new(self.config.clone())))?;
        self.wait(process, &loads, &mut progress)
    }
}

/// Bytes as a file in memory that nobody can change.
pub(super) fn model_file(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(rustix::fs::memfd_create("mynah-guest-model", flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    // What the process writes to its standard output must not even seem to be written to it.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(std::fs::File::open(path)?.into())
}

/// Says once what the system lacks to confine the processes.
fn tell(confinement: &Confinement) {
    static TOLD: Once = Once::new();
    let missing = confinement.missing();
    if missing.is_empty() {
        return;
    }
    TOLD.call_once(|| {
        tracing::warn!(
            missing = missing.join(", "),
            "the processes of guests' models are not fully confined, because this system lacks \
             something for it"
        );
    });
}
