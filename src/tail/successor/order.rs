//! The order of successors that came within one tick of the clock: by their names.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::limits::NAME_READS_MAX;
use crate::source::mark::Mark;

use super::{Access, Successor, name_of};

/// Puts the successors of `held` that are `tied` by time in the order that their names tell.
pub(super) fn sort_by_name(tied: &mut [Successor], place: &Path, held: &File) {
    let files: Vec<&Access> = tied.iter().map(|next| &next.file).collect();
    let mut names = names(&files, held, place);
    let oldest = names.pop().unwrap_or_default();
    let marks: Vec<Mark> = names.iter().map(|name| Mark::of(name, place)).collect();
    // The held file is older than all of them: where it has the lowest number of that directory, numbers count up.
    let is_beside = names.iter().all(|name| name.parent() == oldest.parent());
    let oldest = Mark::of(&oldest, place);
    let rise = |mark: &Mark| oldest.rises_to(mark);
    let counts_up = is_beside && marks.iter().map(rise).sum::<i32>() > 0;
    let mut order: Vec<(u64, Mark)> = Vec::new();
    order.extend(tied.iter().map(|next| next.identity.inode).zip(marks));
    tied.sort_by_key(|next| {
        let own = order
            .iter()
            .find(|(inode, _)| *inode == next.identity.inode);
        own.map(|(_, mark)| mark.order(counts_up))
    });
}

/// What the files are called at one moment: a rotation that renames them meanwhile keeps their order, but names read
/// before and after a rename can't be compared.
fn names(files: &[&Access], held: &File, place: &Path) -> Vec<PathBuf> {
    let open = |file: &File| {
        let name = name_of(file);
        match name.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
            // One that was deleted under the name itself is not the current one.
            Some(last) if Path::new(OsStr::from_bytes(last)) != place => {
                PathBuf::from(OsStr::from_bytes(last))
            }
            _ => name,
        }
    };
    let name = |access: &&Access| match access {
        Access::Open(file) => open(file),
        Access::Closed(path) | Access::Aside(path) => path.clone(),
    };
    let read = || {
        files
            .iter()
            .map(name)
            .chain([open(held)])
            .collect::<Vec<_>>()
    };
    let mut names = read();
    for _ in 0..NAME_READS_MAX {
        let again = read();
        if again == names {
            break;
        }
        names = again;
    }
    names
}
