//! Whether the file system has room for the next step.

use std::path::Path;

use crate::ops::doctor::command_line::{boltkey, text};
use crate::ops::doctor::{Check, Verdict};

/// The free bytes of the file system of a path; none if it does not tell.
pub(super) fn free(database: &Path) -> Option<u64> {
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let told = rustix::fs::statvfs(folder).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

/// The check. `free` and `size` are bytes. A change of every token writes the store once more into
/// the same file, and `--keep-copy` writes a copy.
pub(super) fn check(database: &Path, free: Option<u64>, size: u64) -> Check {
    let Some(free) = free else {
        return Check::ok("space", "free space is unknown");
    };
    let needed = size.saturating_mul(2);
    if free >= needed {
        return Check::ok(
            "space",
            "enough for every change, and for a copy of the file",
        );
    }
    Check::found(
        "space",
        Verdict::Warn,
        format!("{free} bytes are free, but hash, --keep-copy and export may need {needed}"),
        "Free space, or write copies to another file system.",
        Some(boltkey(&[
            "compact",
            &text(database),
            "--out",
            "<file elsewhere>",
        ])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told() {
        let of = |free| check(Path::new("influxd.bolt"), free, 1000);
        assert_eq!(of(Some(2000)).result, Verdict::Ok);
        assert_eq!(of(None).result, Verdict::Ok);
        let full = of(Some(1999));
        assert_eq!(full.result, Verdict::Warn);
        let command = full.command.unwrap();
        assert!(
            command.starts_with("boltkey compact influxd.bolt --out"),
            "{command}"
        );
    }
}
