//! Promise: what one guest does with all its might leaves others their answers.
//!
//! Argument: what the guest does, `A+B` if instance 0 does `A` and all others do `B`.
//!
//! - `flood` sends 200 prompts that no context holds, one after the other.
//! - `watch` asks ten times for an answer, and says that it got all of them.
//! - `hold` opens all the sessions that it gets, says how many, and keeps them for a while.
//! - `open` opens one session as soon as it can, and says so.

use std::time::Duration;

use mynah_guest::{Model, Options, Session};
use mynah_test_guests::{Done, ensure};

fn main() -> Done {
    let roles = std::env::args().nth(1).unwrap_or_default();
    let is_first = matches!(std::env::var("MYNAH_INSTANCE").as_deref(), Ok("0") | Err(_));
    let (first, others) = roles.split_once('+').unwrap_or((&roles, &roles));
    let model = Model::load("default")?;
    match if is_first { first } else { others } {
        "flood" => {
            let session = model.session()?;
            let long = "plum ".repeat(200_000);
            for _ in 0..200 {
                let refused = session.generate(long.clone());
                ensure!(refused.is_err(), "it was answered");
            }
            println!("flooded");
        }
        "watch" => {
            let session = model.session()?;
            for _ in 0..10 {
                session.generate_with("A ship left", Options::greedy().max_tokens(4))?;
                std::thread::sleep(Duration::from_millis(50));
            }
            println!("watched");
        }
        "hold" => {
            let held: Vec<Session> = std::iter::from_fn(|| model.session().ok()).collect();
            println!("holds {}", held.len());
            std::thread::sleep(Duration::from_secs(3));
        }
        "open" => {
            // The other one holds what it can by then.
            std::thread::sleep(Duration::from_millis(500));
            let session = model.session()?;
            session.generate_with("A ship left", Options::greedy().max_tokens(4))?;
            println!("opened");
        }
        other => ensure!(false, "there is no role `{other}`"),
    }
    Ok(())
}
