//! `mynah log`: what a running host logs, and changing that.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::{HostAddress, HostArgs};
use crate::control::{self, Asked, Host, Method};
use crate::output;

/// Sets what a host logs, if that is wanted, and prints what it logs.
pub(crate) fn log_filter(args: &HostArgs, filter: Option<&str>) -> Result<ExitCode> {
    let Asked { status, text } = control::runtime()?.block_on(async {
        let host = Host::find(args).await?;
        if let HostAddress::Http(address) = &host.at {
            bail!(
                "what a host logs is told and set through its socket alone, and {address} is none: give --pid or the socket's path"
            );
        }
        let method = filter.map_or(Method::Get, Method::Put);
        host.ask("log", method).await
    })?;
    if !status.is_success() {
        bail!("{}", text.trim());
    }
    output::print(&text)
}
