//! The thread that reads and writes states, what it is asked and what it answers.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;

use super::file::{Damage, Header};
use super::folder::{FileId, Files};
use crate::llama::SavedSequence;

/// What the thread is asked.
#[derive(Debug)]
pub(crate) enum Task {
    /// To write a state.
    Write {
        id: FileId,
        header: Header,
        state: SavedSequence,
    },
    /// To read a state.
    Read(FileId),
    /// To remove a state. Isn't answered.
    Remove(FileId),
}

/// What the thread answers.
#[derive(Debug)]
pub(crate) enum Done {
    /// What was asked to be written, one at a time.
    Written(io::Result<()>),
    Read(FileId, Result<SavedSequence, Damage>),
    /// The thread has panicked: nothing comes any more.
    Lost,
}

/// Where the thread puts its answers. Its end is one too.
struct Answers<W: Fn()> {
    to: Option<Sender<Done>>,
    wake: W,
}

impl<W: Fn()> Answers<W> {
    fn give(&self, done: Done) {
        if let Some(to) = &self.to {
            // Nobody listens any more when the model goes.
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

/// The handle of the thread. Dropping it waits until all that it was asked is done.
#[derive(Debug)]
pub(crate) struct Disk {
    // `None` only while it is dropped.
    tasks: Option<Sender<Task>>,
    done: Receiver<Done>,
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
                        Task::Write { id, header, state } => {
                            Done::Written(files.write(id, &header, state.bytes()))
                        }
                        Task::Read(id) => Done::Read(id, files.read(id)),
                        Task::Remove(id) => {
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

    /// Asks for something; it is done after all that was asked before.
    pub(crate) fn ask(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // The thread ends only with this handle, or by a panic, which the panic hook has
            // reported.
            let _ = tasks.send(task);
        }
    }

    /// An answer that is there.
    pub(crate) fn answer(&self) -> Option<Done> {
        match self.done.try_recv() {
            Ok(done) => Some(done),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Done::Lost),
        }
    }

    /// Waits for the next answer.
    pub(crate) fn wait(&self) -> Done {
        self.done.recv().unwrap_or(Done::Lost)
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
