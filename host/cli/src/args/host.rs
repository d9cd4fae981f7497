//! The arguments that choose a running host.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};

use super::values;

/// Default address to ask if no host is found by its socket. 9464 is the port of OpenTelemetry's
/// Prometheus exporters.
pub(crate) const DEFAULT_METRICS: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9464));

/// Which host to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct HostArgs {
    /// Address of the host: that of its metrics (`mynah run --metrics`), or its socket
    /// (`--control`) [default: the only running host of this user, else 127.0.0.1:9464].
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) address: Option<HostAddress>,

    /// Process id of the host.
    #[arg(long, conflicts_with = "address")]
    pub(crate) pid: Option<u32>,
}

/// The address of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostAddress {
    Http(SocketAddr),
    Socket(PathBuf),
}

impl FromStr for HostAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match values::address(text) {
            Ok(address) => Ok(Self::Http(address)),
            Err(error) if is_meant_as_address(text) => Err(error),
            Err(_) => Ok(Self::Socket(text.into())),
        }
    }
}

/// Whether a text that is no address was meant as one: it ends with a port, or is one, and is no
/// path.
fn is_meant_as_address(text: &str) -> bool {
    let port = text.rsplit(':').next().unwrap_or_default();
    !text.contains('/') && port.parse::<u16>().is_ok()
}

impl fmt::Display for HostAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => address.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// The value of `--control`: the path of the host's socket, or off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    Off,
    At(PathBuf),
}

impl FromStr for Control {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err("give a path, or `off`"),
            "off" => Ok(Self::Off),
            path => Ok(Self::At(path.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_a_socket() {
        let read = |text: &str| text.parse::<HostAddress>().unwrap();
        assert_eq!(read("127.0.0.1:9464"), HostAddress::Http(DEFAULT_METRICS));
        assert!(matches!(read("[::1]:80"), HostAddress::Http(_)));
        assert_eq!(read("localhost:9464"), HostAddress::Http(DEFAULT_METRICS));
        for wrong in [":9464", "9464", "example.com:80"] {
            assert!(wrong.parse::<HostAddress>().is_err(), "{wrong}");
        }
        assert!(matches!(read("./a:1"), HostAddress::Socket(_)));
        let path = HostAddress::Socket("/run/user/1/mynah/7.sock".into());
        assert_eq!(read(&path.to_string()), path);
    }

    #[test]
    fn a_socket_can_be_turned_off() {
        assert_eq!("off".parse(), Ok(Control::Off));
        assert_eq!("./off".parse(), Ok(Control::At("./off".into())));
        assert!("".parse::<Control>().is_err());
    }
}
