//! Which interfaces the host serves to components. The linker knows this only after a component has
//! been compiled, which takes up to minutes.

/// Packages of the host, with each version of `mynah:llm` and `wasi:nn`.
const OURS: [&str; 6] = [
    "wasi:nn@0.2.0-rc-2024-06-25",
    "wasi:nn@0.2.0-rc-2024-08-19",
    "wasi:nn@0.2.0-rc-2024-10-28",
    "mynah:llm@0.1.0",
    "mynah:llm@0.1.1",
    "mynah:llm@0.2.0",
];

/// The version of WASI that wasmtime serves: every `0.2.x` is compatible with it.
const WASI: &str = "0.2.";

/// The packages and interfaces of WASI that wasmtime serves.
pub(super) const WASI_INTERFACES: [(&str, &[&str]); 6] = [
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["preopens", "types"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["insecure", "insecure-seed", "random"]),
    (
        "wasi:sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// Whether the host serves an interface.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// By this project.
    Here,
    /// By wasmtime.
    Wasi,
    /// In other versions, which are listed.
    OtherVersion(Vec<&'static str>),
    /// Not in any version, for this reason.
    No(&'static str),
}

/// Looks an import up, such as `wasi:nn/graph@0.2.0-rc-2024-10-28`.
pub(super) fn served(import: &str) -> Served {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    let (package, interface) = name.split_once('/').unwrap_or((name, ""));
    let versions =
        |(ours, served): (&'static str, &'static str)| (ours == package).then_some(served);
    let ours: Vec<&'static str> = OURS
        .iter()
        .filter_map(|served| served.split_once('@'))
        .filter_map(versions)
        .collect();
    if !ours.is_empty() {
        return match ours.contains(&version) {
            true => Served::Here,
            false => Served::OtherVersion(ours),
        };
    }
    let wasi = WASI_INTERFACES
        .iter()
        .find(|(served, _)| *served == package);
    match wasi {
        Some((_, interfaces)) if interfaces.contains(&interface) => {
            match version.starts_with(WASI) {
                true => Served::Wasi,
                false => Served::OtherVersion(vec!["0.2"]),
            }
        }
        // Pre-releases and unstable interfaces, such as `wasi:clocks/timezone`.
        Some(_) => Served::No("this interface of WASI is not stable"),
        None if package == "wasi:http" => Served::No("Mynah serves no HTTP to guests"),
        None if package.starts_with("wasi:") => Served::No("Mynah does not have this part of WASI"),
        None => Served::No("Mynah does not have it"),
    }
}

impl Served {
    /// Why the host lacks it.
    pub(super) fn lack(&self) -> Option<String> {
        match self {
            Self::Here | Self::Wasi => None,
            Self::OtherVersion(versions) => Some(format!(
                "Mynah serves other versions: {}",
                versions.join(", ")
            )),
            Self::No(reason) => Some((*reason).to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_interfaces_and_other_versions_are_told_apart() {
        for import in ["wasi:io/poll@0.2.6", "wasi:cli/terminal-stdin@0.2.0"] {
            assert_eq!(served(import), Served::Wasi, "{import}");
        }
        for ours in OURS {
            let import = ours.replace('@', "/any@");
            assert_eq!(served(&import), Served::Here, "{import}");
        }
        for (import, reason) in [
            ("wasi:http/types@0.2.0", "no HTTP"),
            ("wasi:keyvalue/store@0.2.0", "this part of WASI"),
            ("wasi:clocks/timezone@0.2.0", "not stable"),
            ("wasi:cli/stdin@0.3.0", "other versions: 0.2"),
            ("wasi:cli/stdin", "other versions: 0.2"),
            ("wasi:nn/graph@0.2.0-rc-2023-01-01", "0.2.0-rc-2024-10-28"),
            ("mynah:llm/generation@9.0.0", "0.1.0, 0.1.1, 0.2.0"),
            ("test:absent/nothing", "does not have it"),
            ("a-function", "does not have it"),
            ("", "does not have it"),
        ] {
            let lack = served(import).lack().unwrap();
            assert!(lack.contains(reason), "{import}: {lack}");
        }
    }
}
