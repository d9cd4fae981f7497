//! A simulated user that opens sessions, talks, idles, continues and closes them.

use std::io::Write;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mynah_core::{
    Conversation, Error, Event, FinishReason, Generation, Message, Model, Owner, Prompt, Role,
    Session,
};
use mynah_settings::Settings;
use mynah_tests::{Guest, Started, greedy};

/// Number of owners that the sessions share.
const OWNERS: u64 = 12;

/// Counts of a visitor's requests by result.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) cancelled: u64,
    pub(crate) dropped: u64,
    pub(crate) guests: u64,
    pub(crate) turned_away: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.cancelled += other.cancelled;
        self.dropped += other.dropped;
        self.guests += other.guests;
        self.turned_away += other.turned_away;
        self.failed += other.failed;
    }
}

/// A simulated user.
pub(crate) struct Visitor {
    model: Model,
    guest: Arc<Started>,
    until: Instant,
    dice: u64,
    counts: Counts,
}

impl Visitor {
    pub(crate) fn new(number: u32, model: Model, guest: Arc<Started>, until: Instant) -> Self {
        Self {
            model,
            guest,
            until,
            dice: u64::from(number) * 7919 + 1,
            counts: Counts::default(),
        }
    }

    /// Opens and uses sessions until the time is up.
    ///
    /// # Errors
    ///
    /// A result that must not occur.
    pub(crate) async fn stay(mut self) -> Result<Counts> {
        while Instant::now() < self.until {
            if self.one_in(10) {
                self.send_guest().await?;
                continue;
            }
            let owner = match self.roll(OWNERS + 4) {
                number if number < OWNERS => Owner::named(format!("visitor-{number}")),
                _ => Owner::unique(),
            };
            match self.model.session(owner) {
                Ok(session) => self.talk(session).await?,
                Err(Error::TooManySessions { .. }) => self.idle(200).await,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.counts)
    }

    /// Runs a component that makes one request.
    async fn send_guest(&mut self) -> Result<()> {
        let topic = self.roll(20).to_string();
        let guest = Guest::new("nn_complete").model(self.model.clone()).args(&[
            "Parrot number",
            &topic,
            "likes",
        ]);
        let ended = guest.spawn(&self.guest).ended().await;
        match ended.code {
            Ok(0) => {
                self.counts.asked += 1;
                self.counts.guests += 1;
            }
            // No session was free, so the guest made no request.
            Ok(_) if ended.stderr.contains("sessions") => self.idle(200).await,
            _ => bail!("a guest failed: {ended:#?}"),
        }
        Ok(())
    }

    /// Holds a conversation of several turns.
    async fn talk(&mut self, mut session: Session) -> Result<()> {
        let topic = self.roll(8);
        let head = format!("You are parrot {topic} and answer in few words. ").repeat(4);
        let mut messages = vec![Message::new(Role::System, head)];
        for _ in 0..=self.roll(5) {
            if Instant::now() >= self.until {
                break;
            }
            let number = self.roll(50);
            let question = format!("What do you think of {number} mangos? ").repeat(6);
            messages.push(Message::new(Role::User, question));
            let prompt = Prompt::Messages(Conversation::from(messages.clone()));
            let mut settings: Settings = greedy(12);
            settings.stopping.ignore_eos = Some(true);
            let mut generation = match session.start(prompt, settings).await {
                Ok(generation) => generation,
                // The session was closed meanwhile, and there is no room to reopen it.
                Err(Error::TooManySessions { .. }) => {
                    self.counts.turned_away += 1;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.counts.asked += 1;
            if self.one_in(12) {
                // Drops the generation while it runs.
                generation.ready().await;
                self.counts.dropped += 1;
                return Ok(());
            }
            if self.one_in(12) {
                generation.cancel();
            }
            match finish(&mut generation).await {
                Ok((text, FinishReason::Cancelled)) => {
                    self.counts.cancelled += 1;
                    messages.push(Message::new(Role::Assistant, text));
                }
                Ok((text, _)) => {
                    self.counts.answered += 1;
                    messages.push(Message::new(Role::Assistant, text));
                }
                Err(error) => {
                    say!("a generation failed: {error}");
                    self.counts.failed += 1;
                }
            }
            // Some pauses are so long that the host closes the session before it continues.
            let most = if self.one_in(10) { 5000 } else { 400 };
            self.idle(most).await;
        }
        Ok(())
    }

    async fn idle(&mut self, most_ms: u64) {
        let time = self.roll(most_ms);
        tokio::time::sleep(Duration::from_millis(time)).await;
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.roll(count) == 0
    }

    /// A number below `sides`, from Splitmix64 (<https://prng.di.unimi.it/splitmix64.c>), so that a
    /// visitor does the same in each run.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.dice;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides
    }
}

async fn finish(generation: &mut Generation) -> mynah_core::Result<(String, FinishReason)> {
    let mut text = String::new();
    loop {
        for event in generation.next().await? {
            match event {
                Event::Text(piece) => text.push_str(&piece),
                Event::Finished(outcome) => return Ok((text, outcome.reason)),
                _ => {}
            }
        }
    }
}
