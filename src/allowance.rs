//! What the system allows this process of threads, descriptors and memory, compared at the start with what it would need:
//! better a warning now than clients that are turned away some day.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::limits::{
    DESCRIPTORS_OWN, DESCRIPTORS_SPARE, FILES_MAX, HEADS_MAX, PLACE_BYTES, THREADS_OWN,
};

/// Raises the soft limit on descriptors to the hard one: a client is one.
pub fn raise_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        if soft < hard {
            if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
                log::debug!("the limit on descriptors stays at {soft}: {error}");
            }
        }
    }
}

/// How many descriptors this process may have.
pub fn descriptors() -> u64 {
    soft_limit(Resource::RLIMIT_NOFILE)
}

/// How many files patterns may bring in, so that descriptors are left for `max_clients` clients (or half of all, where
/// that is less), for answers, and for what else is open.
pub fn files(max_clients: usize) -> usize {
    files_of(descriptors(), max_clients as u64)
}

/// How many files may be held open at once, those included that were rotated away: then descriptors are left to the same
/// clients.
pub fn held(max_clients: usize) -> usize {
    held_of(descriptors(), max_clients as u64)
}

fn files_of(descriptors: u64, max_clients: u64) -> usize {
    held_of(descriptors, max_clients).min(FILES_MAX)
}

fn held_of(descriptors: u64, max_clients: u64) -> usize {
    let clients = max_clients.min(descriptors / 2);
    let left = descriptors.saturating_sub(clients + DESCRIPTORS_OWN + DESCRIPTORS_SPARE as u64);
    usize::try_from(left).unwrap_or(usize::MAX)
}

fn soft_limit(resource: Resource) -> u64 {
    getrlimit(resource).map_or(u64::MAX, |(soft, _)| soft)
}

/// Warns of each limit that is too low for `max_clients` streams of `files` files: which setting, what it is and what it
/// would have to be. Reads a few files of the kernel's.
pub fn check(max_clients: usize, files: usize) {
    let connections = (max_clients + HEADS_MAX) as u64;
    let threads = connections + THREADS_OWN;
    let descriptors = connections + DESCRIPTORS_OWN + DESCRIPTORS_SPARE as u64 + files as u64;
    let warn = |what: &str, allowed: u64, of: &str, needed: u64, setting: &str| {
        if allowed < needed {
            log::warn!(
                "--max-clients {max_clients} needs up to {needed} {what}, but {of} allows {allowed}: \
                 clients will be turned away; raise {setting} to {needed} or lower --max-clients"
            );
        }
    };
    warn(
        "descriptors",
        soft_limit(Resource::RLIMIT_NOFILE),
        "RLIMIT_NOFILE",
        descriptors,
        "LimitNOFILE= of the unit (ulimit -Hn)",
    );
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let least = |controller, file| {
        let mount = Path::new("/sys/fs/cgroup");
        group_max(mount, &membership, controller, file)
    };
    let memory = (max_clients * files * PLACE_BYTES) as u64;
    if let Some((allowed, of)) = least("memory", "memory.max").filter(|least| least.0 < memory) {
        log::warn!(
            "{max_clients} clients of {files} files need {memory} bytes to know their places while all are behind, but {} \
             allows {allowed}: the kernel may end the program; raise MemoryMax= of the unit or lower --max-clients",
            of.display()
        );
    }
    let tasks = least("pids", "pids.max");
    let (allowed, of, setting) = match tasks {
        Some((allowed, of)) => (allowed, of.display().to_string(), "TasksMax= of the unit"),
        None => (u64::MAX, String::new(), ""),
    };
    warn("threads", allowed, &of, threads, setting);
    // It counts all threads of the user, and is not for root.
    let is_root = fs::metadata("/proc/self").is_ok_and(|stat| stat.uid() == 0);
    if !is_root {
        warn(
            "threads",
            soft_limit(Resource::RLIMIT_NPROC),
            "RLIMIT_NPROC",
            threads,
            "LimitNPROC= of the unit (ulimit -u)",
        );
    }
}

/// The least that the files called `name` say, of a controller and of the cgroups in `membership` (the text of
/// /proc/self/cgroup), mounted at `mount`, and of those above them, and which file says so; `None` where none does
/// (cgroups(7)).
fn group_max(
    mount: &Path,
    membership: &str,
    controller: &str,
    name: &str,
) -> Option<(u64, PathBuf)> {
    let mut limits = Vec::new();
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let root = match controllers {
            "" => mount.to_owned(),
            own if own == controller => mount.join(controller),
            _ => continue,
        };
        let group = root.join(path.trim_start_matches('/'));
        let groups = group
            .ancestors()
            .take_while(|group| group.starts_with(&root));
        limits.extend(groups.filter_map(|group| {
            let file = group.join(name);
            // `max` is no number.
            let max = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
            Some((max, file))
        }));
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "0::/system.slice/tailcast.service\n";

    #[test]
    fn files_leave_descriptors_for_clients_and_answers() {
        assert_eq!(files_of(600, 1024), 600 - 300 - 64 - 32);
        assert_eq!(files_of(4096, 1024), 4096 - 1024 - 64 - 32);
        assert_eq!(files_of(1 << 20, 1024), FILES_MAX);
        assert_eq!(files_of(100, 1024), 0);
    }

    #[test]
    fn the_lowest_limit_of_a_kind_on_the_way_up_counts() {
        let mount = tempfile::tempdir().expect("a directory");
        let write = |group: &str, max: &str| {
            let group = mount.path().join(group);
            fs::create_dir_all(&group).expect("make a group");
            fs::write(group.join("pids.max"), max).expect("write a limit");
        };
        write("system.slice", "500\n");
        write("system.slice/tailcast.service", "1200\n");
        let found = group_max(mount.path(), SERVICE, "pids", "pids.max");
        let file = mount.path().join("system.slice/pids.max");
        assert_eq!(found, Some((500, file)));
        write("system.slice", "max\n");
        let found = group_max(mount.path(), SERVICE, "pids", "pids.max");
        assert_eq!(found.map(|(max, _)| max), Some(1200));
        assert_eq!(
            group_max(mount.path(), "0::/elsewhere\n", "pids", "pids.max"),
            None
        );
        // Another one of the same groups.
        let found = group_max(mount.path(), SERVICE, "memory", "memory.max");
        assert_eq!(found, None);
        let file = mount.path().join("system.slice/memory.max");
        fs::write(&file, "536870912\n").expect("write a limit");
        let found = group_max(mount.path(), SERVICE, "memory", "memory.max");
        assert_eq!(found, Some((512 << 20, file)));
    }

    #[test]
    fn the_limit_of_the_first_version_of_cgroups_counts_too() {
        let mount = tempfile::tempdir().expect("a directory");
        let group = mount.path().join("pids/a");
        fs::create_dir_all(&group).expect("make a group");
        fs::write(group.join("pids.max"), "77\n").expect("write a limit");
        let membership = "4:memory:/b\n3:pids:/a\n0::/\n";
        let found = group_max(mount.path(), membership, "pids", "pids.max");
        assert_eq!(found.map(|(max, _)| max), Some(77));
    }
}
