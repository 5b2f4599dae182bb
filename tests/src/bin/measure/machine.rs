//! What the figures were measured on, and when.

use std::{fs, process::Command};

/// "Measured on 2026-11-23: 2 × Some Processor 9000, 24 GB, Debian GNU/Linux 12 (bookworm), virtual sound cards."
pub fn describe() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let date = Command::new("date").arg("+%Y-%m-%d").output().map(|output| output.stdout).unwrap_or_default();
    format!(
        "Measured on {}: {processors} × {}, {} GB, {}; virtual sound cards, {} build.",
        String::from_utf8_lossy(&date).trim(),
        field("/proc/cpuinfo", "model name", ':').unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        memory_gigabytes().unwrap_or(0),
        field("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(|| "Linux".to_owned()),
        if cfg!(debug_assertions) { "debug" } else { "release" },
    )
}

/// How many programs wanted a processor over the last minute, in the mean (proc_loadavg(5)).
#[cfg(target_os = "linux")]
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn memory_gigabytes() -> Option<u64> {
    let kibibytes: u64 = field("/proc/meminfo", "MemTotal", ':')?.trim_end_matches(" kB").parse().ok()?;
    Some((kibibytes * 1_024).div_ceil(1_000_000_000))
}

fn field(file: &str, name: &str, separator: char) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value = text.lines().filter_map(|line| line.split_once(separator)).find(|(key, _)| key.trim() == name)?.1;
    Some(value.trim().trim_matches('"').to_owned())
}
