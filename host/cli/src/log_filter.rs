//! `mynah log`: shows and changes the log filter of a running host.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::{HostAddress, HostArgs};
use crate::control::{self, Asked, Host, Method};
use crate::logging::LogFilter;
use crate::mistakes::usage;
use crate::output;

/// Sets the filter if one is given, and prints the filter in force.
pub(crate) fn log_filter(args: &HostArgs, filter: Option<&LogFilter>) -> Result<ExitCode> {
    let Asked { status, text } = control::runtime()?.block_on(async {
        let host = Host::find(args).await?;
        if let HostAddress::Http(address) = &host.at {
            return Err(usage(format_args!(
                "a host shows and changes its log filter through its socket alone, and {address} \
                 is not a socket: give --pid or the socket's path"
            )));
        }
        let filter = filter.map(ToString::to_string);
        let method = filter.as_deref().map_or(Method::Get, Method::Put);
        host.ask("log", method).await
    })?;
    if !status.is_success() {
        bail!("{}", text.trim());
    }
    output::print(&text)
}
