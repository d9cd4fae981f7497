//! `mynah log`: shows and changes the log filter of a running host.

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};

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
            let told = format!(
                "a host shows and changes its log filter through its socket alone, and {address} \
                 is not a socket: give --pid or the socket's path"
            );
            // Where none is given and no socket is found, it is the default address.
            return Err(match args.address {
                Some(_) => usage(told),
                None => anyhow!(told),
            });
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
