//! From whoever logs to whatever is written, without waiting: lines go through a bounded queue to a
//! thread of their own. What finds no room there, or can't be written, is counted and told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::line::Notice;
use crate::output;

/// Lines that wait at most.
const MAX_LINES: usize = 16_384;
/// Bytes that wait at most: with `--log-content` a line is as long as a prompt.
const MAX_BYTES: usize = 32 << 20;
/// Time between two tries to write where it fails.
const RETRY: Duration = Duration::from_millis(500);
/// Time that what waits at the end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What lines are written to. Its calls may take as long as they take: nobody waits for them.
pub(super) trait Destination: Send + 'static {
    /// Whether it is what people are told on: if it fails, there is nobody to tell.
    const IS_STDERR: bool = false;

    /// Its name, in what is told of it.
    fn name(&self) -> String;

    /// Before lines are written that have come together: sees whether it is still what it was.
    fn prepare(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Writes a whole line, with its end, or nothing of it.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;
}

/// What a sink and those who write to it share.
#[derive(Debug, Default)]
struct Shared {
    /// Bytes that wait.
    bytes: AtomicUsize,
    /// Lines that wait.
    lines: AtomicUsize,
    /// Lines that found no room, and have not been told.
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
    /// What to call it on stderr, if it isn't that.
    name: Option<String>,
    queue: SyncSender<Message>,
    shared: Arc<Shared>,
    ended: Receiver<()>,
}

impl Sink {
    /// Starts the thread.
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
                // Whoever waits for it may have lost patience.
                let _ = end.send(());
            })?;
        Ok(Self {
            name,
            queue,
            shared,
            ended,
        })
    }

    /// What puts lines into the queue.
    pub(super) fn writer(&self) -> LineWriter {
        LineWriter {
            queue: self.queue.clone(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Waits until what is in the queue is written, for as long as that may take.
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
        // Where stderr takes nothing, saying so there would wait for ever.
        if let Some(name) = self.name.filter(|_| is_stuck) {
            let waiting = self.shared.lines.load(Ordering::Relaxed) as u64;
            let lost = waiting + self.shared.dropped.load(Ordering::Relaxed);
            output::warning(&format!(
                "{name} takes no more lines of the log: {lost} lines were lost"
            ));
        }
    }
}

/// Puts each line into the queue; `tracing` writes each whole, at once.
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

/// What the thread knows.
struct Keeper<D> {
    to: D,
    notice: Notice,
    shared: Arc<Shared>,
    /// Set while nothing can be written.
    failing: Option<Failing>,
}

/// Nothing can be written.
struct Failing {
    /// Lines that were lost by it.
    lost: u64,
    next_try: Instant,
}

impl<D: Destination> Keeper<D> {
    fn run(&mut self, lines: &Receiver<Message>) {
        let mut is_open = true;
        while is_open {
            // While something is to be told it is tried again, also if no line comes.
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

    /// Tells people.
    fn tell(text: &str) {
        if !D::IS_STDERR {
            output::warning(text);
        }
    }

    fn has_to_tell(&self) -> bool {
        self.failing.is_some() || self.shared.dropped.load(Ordering::Relaxed) > 0
    }

    /// Sees whether the destination is still there, and tries again to write to one that failed.
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
        let missing = "lines of the log are missing here, they could not be written";
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

    /// Writes a line, or counts it.
    fn take(&mut self, line: &[u8]) {
        self.shared.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        self.shared.lines.fetch_sub(1, Ordering::Relaxed);
        if let Some(failing) = &mut self.failing {
            failing.lost += 1;
        } else if let Err(error) = self.to.write(line) {
            self.fail(&error, 1);
        }
    }

    /// Writing failed: that is told once, until it works again.
    fn fail(&mut self, error: &io::Error, lost: u64) {
        self.failing = Some(Failing {
            lost,
            next_try: Instant::now() + RETRY,
        });
        Self::tell(&format!(
            "{} can't be written: {error}. The log's lines are lost and counted until it can; everything else goes on",
            self.to.name()
        ));
    }

    /// Tells where lines are missing because more came than could be written.
    fn tell_dropped(&mut self) {
        if self.failing.is_some() {
            return;
        }
        let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
        if dropped == 0 {
            return;
        }
        let missing = "lines of the log are missing here, more came than could be written";
        let line = self.notice.line(missing, dropped);
        if let Err(error) = self.to.write(line.as_bytes()) {
            self.fail(&error, dropped);
        }
    }

    /// The end: what is still missing is told.
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

    use mynah_engine::LogFormat;

    use super::*;

    /// A destination that fails, or takes its time, when told to.
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
        // It tries again by itself.
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
