//! A bounded queue of log lines and the thread that writes them, so that logging never blocks.
//! Lines that find the queue full, or cannot be written, are counted, and the log reports their
//! number.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::line::Notice;
use crate::output;

/// Maximum number of lines in the queue.
const MAX_LINES: usize = 16_384;
/// Maximum number of bytes in the queue: with `--log-content` a line can be as long as a prompt.
const MAX_BYTES: usize = 32 << 20;
/// Time between two attempts after writing has failed.
const RETRY: Duration = Duration::from_millis(500);
/// Time limit for writing the rest of the queue at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A destination of log lines. Its methods may block; only the sink's thread calls them.
pub(super) trait Destination: Send + 'static {
    /// Whether the destination is stderr. Its own failures cannot be reported there.
    const IS_STDERR: bool = false;

    /// The destination's name in messages.
    fn name(&self) -> String;

    /// Checks the destination before a group of lines is written, and reopens it if necessary.
    fn prepare(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Writes a whole line with its line ending, or nothing.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;
}

/// State that the sink shares with its writers.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes in the queue.
    bytes: AtomicUsize,
    /// Lines in the queue.
    lines: AtomicUsize,
    /// Lines that were dropped because the queue was full and have not been reported yet.
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    End,
}

/// A queue and its thread.
#[derive(Debug)]
pub(super) struct Sink {
    /// The destination's name in warnings; `None` for stderr.
    name: Option<String>,
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    ended: Receiver<()>,
}

impl Sink {
    /// Starts the writing thread.
    pub(super) fn start<D: Destination>(to: D, notice: Notice) -> io::Result<Self> {
        let (queue, lines) = mpsc::sync_channel(MAX_LINES);
        let (end, ended) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let name = (!D::IS_STDERR).then(|| to.name());
        let mut keeper = Keeper {
            to,
            notice,
            shared: Arc::clone(&shared),
            failing: None,
        };
        std::thread::Builder::new()
            .name("mynah-log".to_owned())
            .spawn(move || {
                keeper.run(&lines);
                // [`Sink::finish`] may have stopped waiting.
                let _ = end.send(());
            })?;
        Ok(Self {
            name,
            queue,
            shared,
            ended,
        })
    }

    /// A writer that puts lines into the queue.
    pub(super) fn writer(&self) -> LineWriter {
        LineWriter {
            queue: self.queue.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Waits until the queue is written, at most [`PATIENCE`].
    pub(super) fn finish(self) {
        let until = Instant::now() + PATIENCE;
        let mut message = Message::End;
        while let Err(TrySendError::Full(back)) = self.queue.try_send(message) {
            if Instant::now() >= until {
                break;
            }
            message = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        let left = until.saturating_duration_since(Instant::now());
        let is_stuck = self.ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout);
        // Not for stderr: if it blocks, a warning there would block for ever.
        if let Some(name) = self.name.filter(|_| is_stuck) {
            let waiting = self.shared.lines.load(Ordering::Relaxed) as u64;
            let lost = waiting + self.shared.dropped.load(Ordering::Relaxed);
            output::warning(&format!(
                "{name} takes no more lines of the log: {lost} lines were lost"
            ));
        }
    }
}

/// Puts each line into the queue. `tracing` writes each line with one call.
#[derive(Debug)]
pub(super) struct LineWriter {
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl io::Write for &LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Shared {
            bytes,
            lines,
            dropped,
        } = &*self.shared;
        let waiting = bytes.fetch_add(line.len(), Ordering::Relaxed);
        lines.fetch_add(1, Ordering::Relaxed);
        let has_room = waiting.saturating_add(line.len()) <= MAX_BYTES;
        if !has_room || self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            bytes.fetch_sub(line.len(), Ordering::Relaxed);
            lines.fetch_sub(1, Ordering::Relaxed);
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// The state of the writing thread.
struct Keeper<D> {
    to: D,
    notice: Notice,
    shared: Arc<Shared>,
    /// Set while writing fails.
    failing: Option<Failing>,
}

/// A period in which writing fails.
struct Failing {
    /// Lines that were lost in it.
    lost: u64,
    next_try: Instant,
}

impl<D: Destination> Keeper<D> {
    fn run(&mut self, lines: &Receiver<Message>) {
        let mut is_open = true;
        while is_open {
            // While there is something to report, try again even if no line arrives.
            let first = if self.has_to_tell() {
                lines.recv_timeout(RETRY)
            } else {
                lines.recv().map_err(RecvTimeoutError::from)
            };
            self.prepare();
            match first {
                Ok(Message::Line(line)) => self.take(&line),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => is_open = false,
            }
            while let Ok(message) = lines.try_recv() {
                match message {
                    Message::Line(line) => self.take(&line),
                    Message::End => is_open = false,
                }
            }
            self.tell_dropped();
        }
        self.tell_last();
    }

    /// Warns the operator on stderr, unless stderr itself is the destination.
    fn tell(text: &str) {
        if !D::IS_STDERR {
            output::warning(text);
        }
    }

    fn has_to_tell(&self) -> bool {
        self.failing.is_some() || self.shared.dropped.load(Ordering::Relaxed) > 0
    }

    /// Checks the destination. If writing failed before, tries again after the waiting time.
    fn prepare(&mut self) {
        let now = Instant::now();
        let Some(Failing { lost, next_try }) = &self.failing else {
            if let Err(error) = self.to.prepare() {
                self.fail(&error, 0);
            }
            return;
        };
        if *next_try > now {
            return;
        }
        let missing = "log lines are missing here because they could not be written";
        let line = self.notice.line(missing, *lost);
        let lost = *lost;
        let tried = self.to.prepare();
        match tried.and_then(|()| self.to.write(line.as_bytes())) {
            Ok(()) => {
                self.failing = None;
                Self::tell(&format!(
                    "{} can be written again; {lost} lines of the log are missing in it",
                    self.to.name()
                ));
            }
            Err(_) => {
                self.failing = Some(Failing {
                    lost,
                    next_try: now + RETRY,
                });
            }
        }
    }

    /// Writes a line, or counts it as lost.
    fn take(&mut self, line: &[u8]) {
        self.shared.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        self.shared.lines.fetch_sub(1, Ordering::Relaxed);
        if let Some(failing) = &mut self.failing {
            failing.lost += 1;
        } else if let Err(error) = self.to.write(line) {
            self.fail(&error, 1);
        }
    }

    /// Begins a period in which writing fails, and reports it once.
    fn fail(&mut self, error: &io::Error, lost: u64) {
        self.failing = Some(Failing {
            lost,
            next_try: Instant::now() + RETRY,
        });
        Self::tell(&format!(
            "{} can't be written: {error}. Lines of the log are lost until it can be written \
             again; the host continues",
            self.to.name()
        ));
    }

    /// Writes a line with the number of lines that were dropped because the queue was full.
    fn tell_dropped(&mut self) {
        if self.failing.is_some() {
            return;
        }
        let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
        if dropped == 0 {
            return;
        }
        let missing =
            "log lines are missing here because they arrived faster than they could be written";
        let line = self.notice.line(missing, dropped);
        if let Err(error) = self.to.write(line.as_bytes()) {
            self.fail(&error, dropped);
        }
    }

    /// Reports the lines that are still missing at the end.
    fn tell_last(&mut self) {
        if let Some(failing) = &mut self.failing {
            failing.next_try = Instant::now();
            self.prepare();
        }
        let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
        if let Some(Failing { lost, .. }) = &self.failing {
            Self::tell(&format!(
                "{} could not be written to the end: {} lines of the log were lost",
                self.to.name(),
                lost + dropped
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;

    use mynah_settings::LogFormat;

    use super::*;

    /// A destination that fails or blocks on demand.
    #[derive(Debug, Clone, Default)]
    struct Paper {
        written: Arc<Mutex<String>>,
        is_full: Arc<AtomicBool>,
        is_stuck: Arc<AtomicBool>,
    }

    impl Destination for Paper {
        fn name(&self) -> String {
            "paper".to_owned()
        }

        fn write(&mut self, line: &[u8]) -> io::Result<()> {
            while self.is_stuck.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if self.is_full.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let text = std::str::from_utf8(line).unwrap();
            self.written.lock().unwrap().push_str(text);
            Ok(())
        }
    }

    impl Paper {
        fn sink(&self) -> Sink {
            Sink::start(self.clone(), Notice::new(LogFormat::Human, false)).unwrap()
        }

        fn text(&self) -> String {
            self.written.lock().unwrap().clone()
        }
    }

    /// Waits until a sink has taken all lines.
    fn until_taken(sink: &Sink) {
        while sink.shared.lines.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn lines_are_written_in_their_order_and_all_of_them_by_the_end() {
        let paper = Paper::default();
        let sink = paper.sink();
        let writer = sink.writer();
        let mut writer = &writer;
        for number in 0..1000 {
            writeln!(writer, "{number}").unwrap();
        }
        sink.finish();
        let numbers: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        assert_eq!(paper.text().lines().collect::<Vec<_>>(), numbers);
    }

    #[test]
    fn what_a_full_disk_loses_is_counted_and_told_when_there_is_room_again() {
        let paper = Paper::default();
        let sink = paper.sink();
        let writer = sink.writer();
        let mut writer = &writer;
        writer.write_all(b"before\n").unwrap();
        until_taken(&sink);
        paper.is_full.store(true, Ordering::Relaxed);
        for _ in 0..7 {
            writer.write_all(b"lost\n").unwrap();
        }
        until_taken(&sink);
        paper.is_full.store(false, Ordering::Relaxed);
        // The sink tries again by itself.
        while !paper.text().contains("lost=7") {
            std::thread::sleep(Duration::from_millis(5));
        }
        writer.write_all(b"after\n").unwrap();
        sink.finish();
        let text = paper.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines[0], lines[2], lines.len()),
            ("before", "after", 3),
            "{text}"
        );
        assert!(lines[1].contains("lost=7"), "{text}");
    }

    #[test]
    fn nobody_waits_for_a_disk_and_what_finds_no_room_is_counted() {
        let paper = Paper::default();
        paper.is_stuck.store(true, Ordering::Relaxed);
        let sink = paper.sink();
        let writer = sink.writer();
        let mut writer = &writer;
        let all = MAX_LINES + 100;
        for _ in 0..all {
            writer.write_all(b"line\n").unwrap();
        }
        paper.is_stuck.store(false, Ordering::Relaxed);
        sink.finish();
        let text = paper.text();
        let written = text.lines().filter(|line| *line == "line").count();
        let notice = text.lines().find(|line| line.contains("lost=")).unwrap();
        let (_, lost) = notice.split_once("lost=").unwrap();
        assert_eq!(written + lost.parse::<usize>().unwrap(), all, "{notice}");
        assert!(written >= MAX_LINES);
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let paper = Paper::default();
        paper.is_stuck.store(true, Ordering::Relaxed);
        let sink = paper.sink();
        let writer = sink.writer();
        let mut writer = &writer;
        let line = vec![b'x'; MAX_BYTES / 4];
        for _ in 0..10 {
            writer.write_all(&line).unwrap();
        }
        let waiting = sink.shared.bytes.load(Ordering::Relaxed);
        assert!(waiting <= MAX_BYTES, "{waiting}");
        assert!(sink.shared.dropped.load(Ordering::Relaxed) >= 5);
        paper.is_stuck.store(false, Ordering::Relaxed);
        sink.finish();
    }
}
