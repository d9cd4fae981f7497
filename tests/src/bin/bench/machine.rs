//! Describes the machine.

/// Processor, memory, system, and recent load. On a busy machine the results mean little.
pub(crate) fn describe() -> String {
    let processor = field("/proc/cpuinfo", "model name");
    let processor = processor.unwrap_or(std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|total| total.strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or(String::new(), |kib| {
            format!(", {:.0} GiB", kib / f64::from(1 << 20))
        });
    let system = std::env::consts::OS;
    let load = std::fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|averages| Some(averages.split_whitespace().next()?.to_owned()))
        .map_or(String::new(), |load| {
            format!(", load before the run {load}")
        });
    format!("{cores} cores of {processor}{memory}, {system}{load}")
}

/// The text after `name:` in a file of the kernel.
fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
