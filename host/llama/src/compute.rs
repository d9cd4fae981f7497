//! The compute thread of the process. All models that the processor computes take turns on it, one
//! step at a time.
//!
//! libgomp keeps a team of threads for every thread that has computed. With a compute thread for
//! each model, the teams together have more threads than there are cores. libgomp then lets all
//! their threads sleep at every node of a graph, which halves the speed of each model. Models with
//! one compute thread share one team.

use std::sync::OnceLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::SystemInfo;

/// The thread. `None` if it can't be started, or if there is a graphics card, whose driver
/// schedules the models itself.
static THREAD: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Runs `work` on the compute thread, after the work of others that came before, and waits for it.
/// Without such a thread, it runs on this one.
pub(super) fn on_compute_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match THREAD.get_or_init(start) {
        Some(thread) => thread.install(work),
        None => work(),
    }
}

fn start() -> Option<ThreadPool> {
    if SystemInfo::has_gpu() {
        return None;
    }
    let started = ThreadPoolBuilder::new()
        .num_threads(1)
        .thread_name(|_| "mynah-compute".to_owned())
        .build();
    match started {
        Ok(thread) => Some(thread),
        Err(error) => {
            tracing::warn!(
                %error,
                "the compute thread can't be started: each model computes on a thread of its own, \
                 which is slower if several do at the same time"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use super::*;

    #[test]
    fn all_work_is_done_on_one_thread_one_after_the_other() {
        let threads = Mutex::new(Vec::new());
        let busy = Mutex::new(());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    on_compute_thread(|| {
                        let _alone = busy.try_lock().unwrap();
                        threads.lock().unwrap().push(thread::current().id());
                        thread::yield_now();
                    });
                });
            }
        });
        let mut threads = threads.into_inner().unwrap();
        assert_eq!(threads.len(), 8);
        threads.dedup();
        assert_eq!(threads.len(), 1);
    }
}
