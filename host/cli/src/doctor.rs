//! `mynah doctor`: the capabilities of this build and this machine, and advice for more speed.

use std::process::ExitCode;

use anyhow::Result;
use bytesize::ByteSize;
use mynah_engine::SystemInfo;
use mynah_engine::model::cpu_features;

use crate::output::{self, Table};

/// The binding that includes llama.cpp; the workspace pins its version.
const LLAMA_CPP: &str = "llama-cpp-sys-2 0.1.161";

/// Prints the report.
pub(crate) fn doctor() -> Result<ExitCode> {
    let system = SystemInfo::read()?;
    let mut table = Table::default();
    table.row("mynah", env!("CARGO_PKG_VERSION"));
    table.row(
        "llama.cpp",
        format!("{LLAMA_CPP}, ggml {}", system.ggml_version),
    );
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    table.row("cores", cores.to_string());
    table.row("kernels", system.features.join("\n"));
    for device in &system.devices {
        table.row(
            "device",
            format!(
                "{}: {}, {} of {} free",
                device.name,
                device.description,
                ByteSize(device.memory_free).display().iec(),
                ByteSize(device.memory_total).display().iec(),
            ),
        );
    }
    table.row("faster", advice(&system));
    output::print(&table)
}

/// Advice for more speed, one line each.
fn advice(system: &SystemInfo) -> String {
    let cpu = cpu_features();
    let mut advice: Vec<String> = cpu
        .named()
        .into_iter()
        .filter(|(name, present)| *present && !system.has_feature(name))
        .map(|(name, _)| {
            format!(
                "this CPU has {name}, llama.cpp was built without it: build on this machine with \
                 RUSTFLAGS=\"-C target-cpu=native\""
            )
        })
        .collect();
    if !system.has_feature("OPENMP") {
        advice.push("llama.cpp was built without OpenMP: build with it".to_owned());
    }
    if !SystemInfo::has_gpu() {
        advice.push(
            "no graphics card is used: where there is one, build with --features cuda, vulkan, \
             metal or rocm"
                .to_owned(),
        );
    }
    advice.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_told_is_the_one_that_is_built() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, version) = LLAMA_CPP.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
        assert!(lock.contains(&entry), "{LLAMA_CPP} is not in Cargo.lock");
    }
}
