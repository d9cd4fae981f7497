//! The thread that reads and writes states, its tasks and its answers.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;

use mynah_llama::SavedSequence;

use super::file::{Damage, Header};
use super::folder::{FileId, Files};

/// A task of the thread.
#[derive(Debug)]
pub(crate) enum DiskTask {
    /// Write a state.
    Write {
        id: FileId,
        header: Header,
        state: SavedSequence,
    },
    /// Read a state.
    Read(FileId),
    /// Remove a state. There is no answer.
    Remove(FileId),
}

/// An answer of the thread.
#[derive(Debug)]
pub(crate) enum DiskAnswer {
    /// Whether the last state could be written.
    Written(io::Result<()>),
    Read(FileId, Result<SavedSequence, Damage>),
    /// The thread has panicked: there are no more answers.
    Lost,
}

/// Where the thread puts its answers. It wakes the worker for each, and when the thread ends.
struct Answers<W: Fn()> {
    to: Option<Sender<DiskAnswer>>,
    wake: W,
}

impl<W: Fn()> Answers<W> {
    fn give(&self, done: DiskAnswer) {
        if let Some(to) = &self.to {
            // This fails if the model leaves memory.
            let _ = to.send(done);
        }
        (self.wake)();
    }
}

impl<W: Fn()> Drop for Answers<W> {
    fn drop(&mut self) {
        self.to = None;
        (self.wake)();
    }
}

/// The handle of the thread. Dropping it waits until all tasks are done.
#[derive(Debug)]
pub(crate) struct Disk {
    // `None` only while this is dropped.
    tasks: Option<Sender<DiskTask>>,
    done: Receiver<DiskAnswer>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread. It calls `wake` when an answer is there.
    ///
    /// # Errors
    ///
    /// The operating system's, when it gives no thread.
    pub(crate) fn start(files: Files, wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (tasks, asked) = mpsc::channel();
        let (to, done) = mpsc::channel();
        let answers = Answers { to: Some(to), wake };
        let thread = std::thread::Builder::new()
            .name("mynah-disk".to_owned())
            .spawn(move || {
                for task in asked {
                    let answer = match task {
                        DiskTask::Write { id, header, state } => {
                            DiskAnswer::Written(files.write(id, &header, state.bytes()))
                        }
                        DiskTask::Read(id) => DiskAnswer::Read(id, files.read(id)),
                        DiskTask::Remove(id) => {
                            files.remove(id);
                            continue;
                        }
                    };
                    answers.give(answer);
                }
            })?;
        Ok(Self {
            tasks: Some(tasks),
            done,
            thread: Some(thread),
        })
    }

    /// Gives the thread a task. Tasks are done in their order.
    pub(crate) fn ask(&self, task: DiskTask) {
        if let Some(tasks) = &self.tasks {
            // The thread ends only with this handle, or by a panic, which the panic hook has
            // reported.
            let _ = tasks.send(task);
        }
    }

    /// The next answer, if there is one.
    pub(crate) fn answer(&self) -> Option<DiskAnswer> {
        match self.done.try_recv() {
            Ok(done) => Some(done),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(DiskAnswer::Lost),
        }
    }

    /// Waits for the next answer.
    pub(crate) fn wait(&self) -> DiskAnswer {
        self.done.recv().unwrap_or(DiskAnswer::Lost)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
