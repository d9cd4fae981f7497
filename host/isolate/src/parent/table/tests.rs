//! What a process may answer, and what becomes of each request.

use mynah_core::{FinishReason, ModelInfo, Owner, Task, TextStream};
use proptest::prelude::*;

use super::*;

const MAX_UNREAD: usize = 8;

struct Asked {
    number: u64,
    stream: Arc<TextStream>,
    started: oneshot::Receiver<Result<()>>,
}

/// A request for text that is in the table.
fn ask(table: &Table) -> Asked {
    let stream = Arc::new(TextStream::new(MAX_UNREAD));
    let (started, is_started) = oneshot::channel();
    let log = RequestLog::new(
        "model".into(),
        Arc::new(ModelInfo::default()),
        1,
        Owner::unique(),
        Task::Complete,
        None,
    );
    let number = table.add(Flight::Text(Text {
        stream: StreamWriter::new(Arc::clone(&stream)),
        log,
        started: Some(started),
        owes_more: false,
        is_cancelled: false,
        has_left: false,
    }));
    Asked {
        number: number.unwrap(),
        stream,
        started: is_started,
    }
}

fn wake(more: bool, cancel: Option<bool>) -> Wake {
    Wake { more, cancel }
}

fn text(piece: &str) -> Vec<Event> {
    vec![Event::Text(piece.to_owned())]
}

fn outcome() -> Outcome {
    Outcome {
        reason: FinishReason::MaxTokens,
        usage: Usage::default(),
        seed: 1,
    }
}

#[test]
fn text_is_taken_as_fast_as_it_is_read() {
    let table = Table::new("test");
    let mut asked = ask(&table);
    let number = asked.number;
    table.started(number).unwrap();
    asked.started.try_recv().unwrap().unwrap();
    assert_eq!(table.events(number, text("one"), 1), Ok(Next::More));
    assert_eq!(table.events(number, text("enough"), 2), Ok(Next::Wait));
    assert_eq!(table.wake(number), Wake::default(), "nobody has read");
    let events = asked.stream.take().events.unwrap().unwrap();
    assert_eq!(events, text("oneenough"));
    assert_eq!(table.wake(number), wake(true, None));
    assert_eq!(table.wake(number), Wake::default(), "once for each answer");
    table.ended(number, Ok(Answer::Text(outcome()))).unwrap();
    let end = asked.stream.take().events.unwrap().unwrap();
    assert_eq!(end, [Event::Finished(outcome())]);
}

#[test]
fn events_that_were_not_allowed_are_found_out() {
    let table = Table::new("test");
    let early = ask(&table);
    assert_eq!(table.events(early.number, text("early"), 1), Err(Unasked));
    let full = ask(&table);
    table.started(full.number).unwrap();
    assert_eq!(
        table.events(full.number, text("more than enough"), 1),
        Ok(Next::Wait)
    );
    assert_eq!(table.events(full.number, text("again"), 2), Err(Unasked));
    let end = vec![Event::Finished(outcome())];
    assert_eq!(table.events(full.number, end, 2), Err(Unasked));
}

#[test]
fn answers_to_nothing_are_found_out() {
    let table = Table::new("test");
    assert_eq!(table.started(7), Err(Unasked));
    assert_eq!(table.events(7, text("x"), 1), Err(Unasked));
    assert_eq!(table.ended(7, Ok(Answer::Tokens(Vec::new()))), Err(Unasked));
    let asked = ask(&table);
    table.started(asked.number).unwrap();
    assert_eq!(table.started(asked.number), Err(Unasked), "twice");
    let vectors = Ok(Answer::Tokens(Vec::new()));
    assert_eq!(
        table.ended(asked.number, vectors),
        Err(Unasked),
        "another kind"
    );
    assert!(asked.stream.take().events.is_err());
}

#[test]
fn a_reader_that_cancels_or_leaves_is_told_on_once_and_never_holds_the_process_up() {
    let table = Table::new("test");
    let asked = ask(&table);
    table.started(asked.number).unwrap();
    assert_eq!(
        table.events(asked.number, text("more than enough"), 1),
        Ok(Next::Wait)
    );
    asked.stream.cancel();
    assert_eq!(table.wake(asked.number), wake(true, Some(false)));
    assert_eq!(table.wake(asked.number), Wake::default(), "once");
    asked.stream.close();
    assert_eq!(table.wake(asked.number), wake(false, Some(true)));
    assert_eq!(table.wake(asked.number), Wake::default(), "once");
    let gone = ask(&table);
    assert!(table.abandon(gone.number), "the process must be told");
    assert!(!table.abandon(gone.number), "once");
    table.started(gone.number).unwrap();
    assert_eq!(table.events(gone.number, text("x"), 1), Ok(Next::More));
    table
        .ended(gone.number, Ok(Answer::Text(outcome())))
        .unwrap();
    assert_eq!(table.started(gone.number), Err(Unasked), "it has ended");
}

#[test]
fn the_death_of_the_process_ends_all_requests_and_refuses_others() {
    let table = Table::new("test");
    let mut waiting = ask(&table);
    let running = ask(&table);
    table.started(running.number).unwrap();
    assert_eq!(
        table.events(running.number, text("part"), 1),
        Ok(Next::More)
    );
    let (answered, mut answer) = oneshot::channel();
    table.add(Flight::Once(answered)).unwrap();
    table.die(&Death::Ended("by signal 6 (SIGABRT)".into()));
    let told = waiting.started.try_recv().unwrap().unwrap_err().to_string();
    assert!(
        told.contains("by signal 6 (SIGABRT): load the model again"),
        "{told}"
    );
    assert!(answer.try_recv().unwrap().is_err());
    let part = running.stream.take().events.unwrap().unwrap();
    assert_eq!(part, text("part"), "what was there arrives");
    assert_eq!(running.stream.take().events.unwrap_err().to_string(), told);
    let (answered, _answer) = oneshot::channel();
    let refused = table.add(Flight::Once(answered)).unwrap_err();
    assert_eq!(refused.to_string(), told);
}

#[test]
fn requests_that_are_never_answered_are_bounded() {
    let table = Table::new("test");
    let add = || {
        let (answered, answer) = oneshot::channel();
        table.add(Flight::Once(answered)).map(|_| answer)
    };
    let answers: Vec<_> = (0..MAX_REQUESTS).map(|_| add().unwrap()).collect();
    assert!(matches!(add(), Err(Error::Busy { .. })));
    drop(answers);
}

#[derive(Debug, Clone)]
enum Said {
    Started(u64),
    Events(u64, String),
    Ended(u64, bool),
    Read(u64),
    Left(u64),
}

fn said() -> impl Strategy<Value = Said> {
    let number = 0_u64..4;
    prop_oneof![
        number.clone().prop_map(Said::Started),
        (number.clone(), ".{0,12}").prop_map(|(number, text)| Said::Events(number, text)),
        (number.clone(), any::<bool>()).prop_map(|(number, ok)| Said::Ended(number, ok)),
        number.clone().prop_map(Said::Read),
        number.prop_map(Said::Left),
    ]
}

proptest! {
    /// Whatever a process says, a reader has at most one message beyond its limit, and everything
    /// ends.
    #[test]
    fn no_order_of_messages_fills_a_stream_or_leaves_it_open(
        said in prop::collection::vec(said(), 0..60),
    ) {
        let table = Table::new("test");
        let asked: Vec<Asked> = (0..3).map(|_| ask(&table)).collect();
        let mut unread = [0; 3];
        let mut left = [false; 4];
        for said in said {
            match said {
                Said::Started(number) => drop(table.started(number)),
                Said::Events(number, piece) => {
                    let bytes = piece.len();
                    let taken = table.events(number, text(&piece), 1).is_ok();
                    let is_kept = taken && !left[number as usize];
                    if let Some(unread) = unread.get_mut(number as usize).filter(|_| is_kept) {
                        *unread += bytes;
                        prop_assert!(*unread < MAX_UNREAD + 48, "{unread} bytes");
                    }
                }
                Said::Ended(number, true) => {
                    drop(table.ended(number, Ok(Answer::Text(outcome()))));
                }
                Said::Ended(number, false) => {
                    drop(table.ended(number, Err(Error::Unavailable)));
                }
                Said::Read(number) => {
                    if let Some(asked) = asked.get(number as usize) {
                        drop(asked.stream.take());
                        unread[number as usize] = 0;
                        table.wake(number);
                    }
                }
                Said::Left(number) => {
                    table.abandon(number);
                    left[number as usize] = true;
                    if let Some(asked) = asked.get(number as usize) {
                        asked.stream.close();
                        unread[number as usize] = 0;
                    }
                }
            }
        }
        table.die(&Death::Unused);
        for asked in asked {
            prop_assert!(!asked.stream.is_open());
        }
    }
}
