//! `mynah doctor`: the capabilities of this build and this machine, and advice for more speed.

mod cores;

use std::process::ExitCode;

use anyhow::Result;
use bytesize::ByteSize;
use mynah_engine::model::build_advice;
use mynah_engine::{DeviceKind, SystemInfo};
use sysinfo::{Process, ProcessesToUpdate, System};

use crate::output::{self, Table};
use cores::Cores;

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
    let cores = Cores::read();
    table.row("cores", cores.lines());
    table.row("memory", memory());
    table.row("kernels", system.features.join("\n"));
    for device in &system.devices {
        let (name, description) = (&device.name, &device.description);
        // llama.cpp takes all memory of the machine as free.
        let text = match device.kind {
            DeviceKind::Cpu => format!("{name}: {description}"),
            _ => format!(
                "{name}: {description}, {} of {} free",
                ByteSize(device.memory_free).display().iec(),
                ByteSize(device.memory_total).display().iec(),
            ),
        };
        table.row("device", text);
    }
    table.row("guests' models", isolation());
    let mut advice = advice()?;
    advice.extend(cores.advice());
    table.row("faster", advice.join("\n"));
    output::print(&table)
}

/// Where models of guests are loaded, and what confines their processes.
fn isolation() -> String {
    if !mynah_isolate::IS_AVAILABLE {
        return "in the host's process: processes of their own need Linux".to_owned();
    }
    let confinement = match mynah_isolate::probe() {
        Ok(confinement) => confinement,
        Err(error) => return error.to_string(),
    };
    let mut lines = vec![match &confinement.in_force()[..] {
        [] => "in processes of their own, which nothing confines".to_owned(),
        all => format!("in processes of their own, confined by {}", all.join(", ")),
    }];
    let missing = confinement.missing();
    if !missing.is_empty() {
        lines.push(format!("this system lacks {}", missing.join(", ")));
    }
    lines.join("\n")
}

/// Advice for more speed, one line each.
fn advice() -> Result<Vec<String>> {
    let advice = build_advice()?;
    let mut advice: Vec<String> = advice.iter().map(ToString::to_string).collect();
    if !SystemInfo::has_gpu() {
        advice.push(
            "no graphics card is used: where there is one, build with --features cuda, vulkan, \
             metal or rocm"
                .to_owned(),
        );
    }
    Ok(advice)
}

/// The memory that programs can still take, of the machine and of the control group.
fn memory() -> String {
    let Ok(mut system) = System::new() else {
        return "unknown".to_owned();
    };
    system.refresh_memory();
    let size = |bytes| ByteSize(bytes).display().iec();
    let (available, total) = (system.available_memory(), system.total_memory());
    let text = format!("{} of {} available", size(available), size(total));
    let Ok(pid) = sysinfo::get_current_pid() else {
        return text;
    };
    system.refresh_processes(ProcessesToUpdate::Some(&[pid]), false);
    let group = system.process(pid).and_then(Process::cgroup_limits);
    match group.filter(|group| group.total_memory < total) {
        Some(group) => {
            let limit = size(group.total_memory);
            format!("{text}\nlimited to {limit} by the control group")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcomer 27.
    #[test]
    fn the_memory_that_is_available_is_told() {
        assert!(memory().contains(" available"));
    }

    #[test]
    fn the_version_that_is_told_is_the_one_that_is_built() {
        let lock = include_str!("../../../../Cargo.lock");
        let (name, version) = LLAMA_CPP.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
        assert!(lock.contains(&entry), "{LLAMA_CPP} is not in Cargo.lock");
    }
}
