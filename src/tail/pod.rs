//! The links that kubelet makes for the logs of containers: `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`.
//!
//! A container that is made again in its pod has another ID, and so another link: the name POD/CONTAINER then leads to
//! that one, as after a rotation.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

/// A link to a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    /// POD/CONTAINER.
    pub(super) name: String,
    /// The same with the namespace: a name of its own in the cluster.
    pub(super) key: String,
    /// When the link was made.
    pub(super) made: SystemTime,
}

/// Digits of a container's ID.
const ID_DIGITS: usize = 64;

/// The container whose log `path` is a link to, if it is one of kubelet's. Blocks on the disk.
pub(super) fn of(path: &Path) -> Option<Pod> {
    let base = path.file_name()?.as_bytes();
    let (key, name) = named(std::str::from_utf8(base).ok()?)?;
    let made = made(path)?;
    Some(Pod { name, key, made })
}

/// When the link at `path` was made.
pub(super) fn made(path: &Path) -> Option<SystemTime> {
    let stat = fs::symlink_metadata(path).ok()?;
    stat.is_symlink().then(|| stat.modified().ok())?
}

fn named(base: &str) -> Option<(String, String)> {
    let (key, id) = base.strip_suffix(".log")?.rsplit_once('-')?;
    let is_id = id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = key.split('_').collect();
    let &[pod, namespace, container] = &parts[..] else {
        return None;
    };
    let are_there = [pod, namespace, container]
        .iter()
        .all(|part| !part.is_empty());
    (is_id && are_there).then(|| (key.to_owned(), format!("{pod}/{container}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_kubelet_s_says_which_pod_and_container() {
        let id = "0123456789abcdef".repeat(4);
        let name = |base: &str| named(base).map(|(_, name)| name);
        assert_eq!(
            name(&format!("web-5d4f-x2x9z_default_nginx-{id}.log")).as_deref(),
            Some("web-5d4f-x2x9z/nginx")
        );
        for other in [
            format!("web_default_nginx-{}.log", &id[1..]),
            format!("web_nginx-{id}.log"),
            format!("_default_nginx-{id}.log"),
            format!("web_default_nginx-{id}"),
            "syslog".to_owned(),
        ] {
            assert_eq!(name(&other), None, "{other}");
        }
    }
}
