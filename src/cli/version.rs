//! The text of `boltkey --version`: version, commit, and the releases of InfluxDB that are known.

use std::sync::LazyLock;

use crate::metadata::release::Release;

/// The version alone, for pages and completions, which don't change with each commit.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// The commit that the program was built from, or `unknown`.
const COMMIT: &str = env!("BOLTKEY_COMMIT");

/// The text after the name of the program.
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{NUMBER}\ncommit: {COMMIT}\nreleases of InfluxDB: {}",
            Release::NAMES.join(" ")
        )
    });
    &TEXT
}
