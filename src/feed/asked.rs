//! Which FILEs come by way of a spool, and what that is called.

use std::path::{Path, PathBuf};

use crate::config::followed::Followed;
use crate::config::journal_match::JournalMatch;
use crate::source::Origin;

use super::store::Store;

/// Whether FILE comes by way of a spool.
pub(super) fn is_fed(file: &Followed) -> bool {
    match file {
        Followed::Path(path) => is_fifo(path),
        Followed::Stdin { .. }
        | Followed::Journal(_)
        | Followed::Upstream { .. }
        | Followed::Broker { .. } => true,
        _ => false,
    }
}

fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|stat| stat.file_type().is_fifo())
}

/// A source whose spool is made at the start.
pub(super) struct Asked {
    /// Tells its spool from all others.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) origin: Origin,
}

/// What FILE asks for, where it is standard input, a FIFO or the journal. `is_taken` tells names of other spools.
pub(super) fn asked(
    file: &Followed,
    store: &Store,
    is_taken: impl Fn(&str) -> bool,
) -> Option<Asked> {
    match file {
        Followed::Stdin { name } => Some(Asked {
            key: format!("stdin {name}"),
            name: name.clone(),
            origin: Origin::Stdin,
        }),
        Followed::Journal(wanted) => Some(Asked {
            key: match wanted {
                JournalMatch::Unit { unit, .. } => format!("journal {unit}"),
                other => format!("journal:{}", other.name()),
            },
            name: wanted.name(),
            origin: Origin::Journal,
        }),
        // One that is gone for now, and was a FIFO when another run followed it, is waited for as one.
        Followed::Path(path) if is_fifo(path) || (!path.exists() && store.has(&fifo_key(path))) => {
            let base = path.file_name().map(|base| base.to_string_lossy());
            let base = base.filter(|base| !is_taken(base));
            let name = base.unwrap_or_else(|| path.to_string_lossy()).into_owned();
            Some(Asked {
                key: fifo_key(path),
                name,
                origin: Origin::Fifo,
            })
        }
        _ => None,
    }
}

/// The key of the spool of a FIFO, which stands there now or may come to stand there.
pub(super) fn fifo_key(path: &Path) -> String {
    format!("fifo {}", path.to_string_lossy())
}

/// What people know the source by, as a path.
pub(super) fn given(file: &Followed) -> PathBuf {
    match file {
        Followed::Path(path) => path.clone(),
        other => other.to_string().into(),
    }
}
