//! A component that sends everything that a host must refuse, floods it, and hoards what it can
//! get.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use mynah_core::Model;
use mynah_tests::{Guest, Started};

/// Attacks of one run of the component.
const AT_ONCE: u64 = 8;

/// Attacks until the time is up. Returns the numbers of attacks, and of requests that the host
/// took.
///
/// # Errors
///
/// An attack had a result that it must not have.
pub(crate) async fn attack(model: Model, until: Instant) -> Result<(u64, u64)> {
    let component = Started::new("run_red_team")?;
    let (mut attacks, mut taken) = (0, 0);
    while Instant::now() < until {
        let args = [AT_ONCE.to_string(), attacks.to_string()];
        let guest = Guest::new("run_red_team").model(model.clone());
        let guest = guest.args(&args.each_ref().map(String::as_str));
        let ended = guest.spawn(&component).ended().await;
        ensure!(
            matches!(ended.code, Ok(0)),
            "the attacker failed: {ended:#?}"
        );
        let told = ended.stdout.trim().strip_prefix("taken=");
        let told: u64 = told.context("the attacker says nothing")?.parse()?;
        attacks += AT_ONCE;
        taken += told;
    }
    Ok((attacks, taken))
}
