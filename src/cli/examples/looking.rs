//! Examples of commands that look at stores.

use super::Of;

pub(super) const EXAMPLES: &[Of] = &[
    (
        "status",
        &[
            (
                "Show the database of this host, found as --help says",
                "boltkey status",
            ),
            (
                "Show a copy, plain or gzipped",
                "boltkey status influxd.bolt",
            ),
            (
                "Print JSON for a script",
                "boltkey status influxd.bolt --json",
            ),
        ],
    ),
    (
        "doctor",
        &[
            (
                "Examine the store of this host, and say what to do first",
                "boltkey doctor",
            ),
            (
                "Examine a copy with its engine folder elsewhere",
                "boltkey doctor influxd.bolt --engine-path engine",
            ),
            ("Examine a backup", "boltkey doctor backups"),
            (
                "Print the first step for a script",
                "boltkey doctor influxd.bolt --json",
            ),
        ],
    ),
    (
        "locate",
        &[
            ("List every store on this host", "boltkey locate"),
            ("The same for a script", "boltkey locate --json"),
        ],
    ),
    (
        "diff",
        &[
            (
                "Show what an upgrade changed",
                "boltkey diff before.bolt influxd.bolt",
            ),
            (
                "Compare a backup with the store",
                "boltkey diff backups influxd.bolt --json",
            ),
            (
                "Show what the last transaction of influxd changed",
                "boltkey diff --previous influxd.bolt",
            ),
        ],
    ),
    (
        "check",
        &[
            ("Check file and records", "boltkey check influxd.bolt"),
            (
                "Check only the file structure, as bbolt check does",
                "boltkey check influxd.bolt --structure-only",
            ),
        ],
    ),
    (
        "report",
        &[
            (
                "Write a page to keep or to share about one store",
                "boltkey report influxd.bolt --out report.html",
            ),
            (
                "One page about all stores and backups in a folder",
                "boltkey report devices --out devices.html",
            ),
            (
                "One line of JSON for each store, for DuckDB or a log pipeline",
                "boltkey report devices --out - --format ndjson",
            ),
        ],
    ),
    (
        "explain",
        &[
            (
                "Explain a finding of boltkey check",
                "boltkey explain metadata.token-index-absent",
            ),
            (
                "Explain an error message of influxd",
                "boltkey explain \"invalid page type: 41: 10\"",
            ),
        ],
    ),
];
