//! Values that flags and the configuration file share: addresses, sizes and durations. Each error
//! shows a value that would have been right.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

/// The one name that is an address without asking a name server.
const LOCALHOST: &str = "localhost";

/// An address to listen at: an IP address or `localhost`, and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

/// A size with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) ByteSize);

/// A duration with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// Parses an [`Address`].
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let right = |host: &str, port: &str| {
        Err(format!(
            "an address is an IP address or `localhost`, and a port, such as {host}:{port}"
        ))
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) => match host {
            _ if host.eq_ignore_ascii_case(LOCALHOST) => {
                let port = port.parse().unwrap_or_default();
                Ok((Ipv4Addr::LOCALHOST, port).into())
            }
            "" | "*" => Err(format!(
                "say where: 127.0.0.1:{port} is for this machine only, 0.0.0.0:{port} for all that \
                 can reach it"
            )),
            host if host.parse::<std::net::Ipv6Addr>().is_ok() => right(&format!("[{host}]"), port),
            _ => right("127.0.0.1", port),
        },
        None if is_port(text) => right("127.0.0.1", text),
        _ => right("127.0.0.1", "9464"),
    }
}

/// Parses a [`Size`].
pub(crate) fn size(text: &str) -> Result<ByteSize, String> {
    if let Some(number) = number_alone(text) {
        return Err(format!(
            "a size needs a unit, such as {number}MiB or {number}GiB ({number}B for bytes)"
        ));
    }
    text.parse()
        .map_err(|_| "a size is a number with a unit, such as 64MiB or 1.5GiB".to_owned())
}

/// Parses a [`Span`].
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Some(number) = number_alone(text) {
        return Err(format!(
            "a duration needs a unit, such as {number}s or {number}m ({number}ms for milliseconds)"
        ));
    }
    humantime::parse_duration(text)
        .map_err(|_| "a duration is a number with a unit, such as 300ms, 30s or 1h 30m".to_owned())
}

/// The text if it is a number without a unit.
fn number_alone(text: &str) -> Option<&str> {
    let text = text.trim();
    text.parse::<f64>()
        .is_ok_and(|number| number.is_finite() && number >= 0.0)
        .then_some(text)
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        address(text).map(Self)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        size(text).map(Self)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        duration(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a message shows after "such as", up to the next word.
    fn example(message: &str) -> &str {
        let (_, after) = message.split_once("such as ").unwrap();
        after.split([' ', ',']).next().unwrap()
    }

    /// Case M4.
    #[test]
    fn an_address_is_taken_or_the_message_shows_one_that_is() {
        assert_eq!(
            address("127.0.0.1:9464").unwrap().to_string(),
            "127.0.0.1:9464"
        );
        assert_eq!(address("[::1]:0").unwrap().to_string(), "[::1]:0");
        for text in ["localhost:9464", "LocalHost:9464"] {
            assert_eq!(address(text).unwrap().to_string(), "127.0.0.1:9464");
        }
        for text in [":9464", "*:9464"] {
            let message = address(text).unwrap_err();
            assert!(
                message.contains("127.0.0.1:9464 is for this machine only"),
                "{message}"
            );
        }
        let wrong = [
            "9464",
            "localhost",
            "",
            "127.0.0.1",
            "::1:9464",
            "http://a:9464",
            "a:b",
            "a:99999",
            "example.com:80",
            "127.0.0.1:",
            ":",
            "1.2.3.4:9464/metrics",
        ];
        for text in wrong {
            let message = address(text).unwrap_err();
            let shown = example(&message);
            assert!(address(shown).is_ok(), "{text}: `{shown}` of {message}");
        }
        assert_eq!(example(&address("9470").unwrap_err()), "127.0.0.1:9470");
        assert_eq!(example(&address("::1:9464").unwrap_err()), "[::1]:9464");
    }

    /// Newcomer 19.
    #[test]
    fn a_number_without_a_unit_is_neither_a_size_nor_a_duration() {
        assert_eq!(size("64MiB"), Ok(ByteSize::mib(64)));
        assert_eq!(size("1.5 GiB"), Ok(ByteSize::mib(1536)));
        assert_eq!(size("64B"), Ok(ByteSize(64)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        for text in ["64", "1.5", " 7 ", "0"] {
            let (size_told, time_told) = (size(text).unwrap_err(), duration(text).unwrap_err());
            for message in [&size_told, &time_told] {
                assert!(message.contains("needs a unit"), "{message}");
            }
            assert!(size(example(&size_told)).is_ok(), "{size_told}");
            assert!(
                text.contains('.') || duration(example(&time_told)).is_ok(),
                "{time_told}"
            );
        }
        for text in ["", "x", "1 potato", "-1", "-1s", "NaN"] {
            let (size_told, time_told) = (size(text).unwrap_err(), duration(text).unwrap_err());
            assert!(size(example(&size_told)).is_ok(), "{size_told}");
            assert!(duration(example(&time_told)).is_ok(), "{time_told}");
        }
    }
}
