//! Answers that must have a form: parking, failures and neighbours do not change them.

use std::time::Duration;

use mynah_core::{Error, FinishReason, Outcome};
use mynah_settings::{OutputForm, Priority};

use super::host::{Ask, Host, Setup};
use super::known::Faults;

/// Pairs of a digit and a letter, without end.
fn pairs() -> OutputForm {
    OutputForm::Regex("([0-9][a-n])*".to_owned())
}

/// An ambiguous grammar, which takes more and more work.
fn costly() -> OutputForm {
    let ways: Vec<String> = (1..60).map(|count| "e ".repeat(count)).collect();
    OutputForm::Lark(format!("start: e\ne: {} | \"a\"", ways.join("|")))
}

fn long() -> Setup {
    Setup {
        sequences: 1,
        context: 4000,
        cells: 4096,
        faults: Faults::slow(),
        ..Setup::default()
    }
}

fn undisturbed(ask: &Ask) -> (String, Outcome) {
    let host = Host::start(long());
    let mut reader = host.submit(ask);
    let outcome = reader.finish().unwrap();
    (reader.text.clone(), outcome)
}

#[test]
fn an_answer_has_its_form_and_differs_from_what_is_said_without() {
    let free = Ask::new(&[1, 2, 3], 100);
    let ask = free.clone().form(pairs());
    let (said, outcome) = undisturbed(&ask);
    assert_eq!(outcome.reason, FinishReason::MaxTokens);
    assert_ne!(said, free.answer(&long()));
    for (index, one) in said.bytes().enumerate() {
        let fits = if index % 2 == 0 {
            b'0'..=b'9'
        } else {
            b'a'..=b'n'
        };
        assert!(fits.contains(&one), "{said}");
    }
}

#[test]
fn a_parked_answer_keeps_its_place_in_its_form() {
    let ask = Ask::new(&[1, 2, 3], 400)
        .priority(Priority::Low)
        .form(pairs());
    let (said, _) = undisturbed(&ask);
    for max_parked_bytes in [1 << 20, 0] {
        let host = Host::start(Setup {
            max_parked_bytes,
            ..long()
        });
        let mut reader = host.submit(&ask);
        host.until(|status| status.cells_used > 20);
        let urgent = Ask::new(&[9, 9], 5).priority(Priority::Urgent);
        host.submit(&urgent).finish().unwrap();
        reader.finish().unwrap();
        assert_eq!(reader.text, said);
        assert_eq!(host.settled().resumed, 1);
    }
}

#[test]
fn an_answer_that_is_computed_again_keeps_its_place_in_its_form() {
    let ask = Ask::new(&[4], 60).form(pairs());
    let (said, _) = undisturbed(&ask);
    let host = Host::start(Setup {
        context: 100,
        faults: Faults::every(20),
        ..Setup::default()
    });
    let mut reader = host.submit(&ask);
    reader.finish().unwrap();
    assert_eq!(reader.text, said);
    assert!(host.settled().recomputed > 0);
}

#[test]
fn an_answer_that_is_complete_ends_by_itself() {
    // It is complete with its last token, even if that is the last one that it may have.
    let ask = Ask::new(&[5], 6).form(OutputForm::Regex("[0-9]{6}".to_owned()));
    let (said, outcome) = undisturbed(&ask);
    assert_eq!(
        (said.len(), outcome.reason),
        (6, FinishReason::EndOfGeneration)
    );
    assert_eq!(outcome.usage.generated_tokens, 6);
}

#[test]
fn a_dead_end_ends_the_answer_with_its_text() {
    let ask = Ask::new(&[6], 20).form(OutputForm::Regex("[0-9]{3}€".to_owned()));
    let (said, outcome) = undisturbed(&ask);
    assert_eq!(
        (said.len(), outcome.reason),
        (3, FinishReason::DeadEnd),
        "{said}"
    );
}

#[test]
fn an_answer_whose_form_costs_too_much_fails_alone_with_its_text() {
    let host = Host::start(Setup {
        context: 4000,
        cells: 1 << 15,
        ..Setup::default()
    });
    let other = Ask::new(&[7], 300);
    let mut reader = host.submit(&other);
    let mut lost = host.submit(&Ask::new(&[8], 3000).form(costly()));
    match lost.finish() {
        Err(Error::OutputFormLost { reason }) => assert!(reason.contains("items"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(
        lost.text.len() > 1 && lost.text.bytes().all(|one| one == b'a'),
        "{}",
        lost.text
    );
    reader.finish().unwrap();
    assert_eq!(reader.text, other.answer(&host.setup));
    let status = host.settled();
    assert_eq!((status.requests.failed, status.requests.completed), (1, 1));
}

#[test]
fn cancels_and_time_limits_end_an_answer_with_a_form_too() {
    let host = Host::start(long());
    let mut ask = Ask::new(&[1], 3000).form(pairs());
    ask.max_time = Some(Duration::from_millis(50));
    assert_eq!(
        host.submit(&ask).finish().unwrap().reason,
        FinishReason::MaxTime
    );
    ask.max_time = None;
    let mut reader = host.submit(&ask);
    host.until(|status| status.cells_used > 5);
    reader.cancel();
    assert_eq!(reader.finish().unwrap().reason, FinishReason::Cancelled);
    host.settled();
}
