//! What the kernel says of a process and its descendants: CPU time, memory, context switches.

use std::fs;
use std::time::{Duration, Instant};

use nix::time::ClockId;
use nix::unistd::Pid;

/// The process itself and every living descendant.
pub(crate) fn tree(root: i32) -> Vec<i32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the command, which may hold anything: state, then the parent.
        let parent = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        if let Some(parent) = parent {
            parents.push((pid, parent));
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&pid) = tree.get(next) {
        tree.extend(
            parents
                .iter()
                .filter(|(_, parent)| *parent == pid)
                .map(|(child, _)| child),
        );
        next += 1;
    }
    tree
}

/// CPU time of these processes so far, ended threads included. The process clock counts nanoseconds, where
/// /proc/PID/stat counts ticks of 10 ms.
pub(crate) fn cpu(pids: &[i32]) -> Duration {
    pids.iter()
        .filter_map(|&pid| {
            ClockId::pid_cpu_clock_id(Pid::from_raw(pid))
                .ok()?
                .now()
                .ok()
        })
        .map(Duration::from)
        .sum()
}

/// Reads of files so far, by read(2), pread(2) and the like.
pub(crate) fn reads(pids: &[i32]) -> u64 {
    let reads = |pid: &i32| {
        let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        let line = io.lines().find(|line| line.starts_with("syscr:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(reads).sum()
}

/// Waits until these processes have used next to no CPU time for a moment: all have started, joined, settled.
pub(crate) fn settle(pids: &[i32]) {
    const LOOK: Duration = Duration::from_millis(30);
    const QUIET: Duration = Duration::from_micros(300);
    const GIVE_UP: Duration = Duration::from_secs(3);
    let began = Instant::now();
    let mut before = cpu(pids);
    while began.elapsed() < GIVE_UP {
        std::thread::sleep(LOOK);
        let now = cpu(pids);
        if now.saturating_sub(before) < QUIET {
            return;
        }
        before = now;
    }
}

/// Resident KiB. From smaps_rollup, since the counters behind statm are only approximate.
pub(crate) fn resident_kib(pids: &[i32]) -> u64 {
    let resident = |pid: &i32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Rss:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(resident).sum()
}

/// The most KiB that were ever resident, as the kernel's own mark has it: no moment is missed.
pub(crate) fn peak_kib(pids: &[i32]) -> u64 {
    let peak = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(peak).sum()
}

/// Context switches of every living thread so far, with the thread's name.
pub(crate) fn context_switches(pids: &[i32]) -> Vec<(String, u64)> {
    let mut switches = Vec::new();
    for pid in pids {
        let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let value = |key: &str| {
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(key))
                    .unwrap_or("")
                    .trim()
            };
            let count = |key: &str| value(key).parse::<u64>().unwrap_or(0);
            let total = count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
            switches.push((format!("{}/{}", value("Name:"), value("Pid:")), total));
        }
    }
    switches
}
