//! Examples of commands for downgrades, copies, damaged files, backups and the program itself.

use super::Of;

pub(super) const EXAMPLES: &[Of] = &[
    (
        "downgrade check",
        &[
            (
                "List the tokens that 2.7 would lose, and the steps",
                "boltkey downgrade check influxd.bolt --to 2.7",
            ),
            (
                "The same for a patch release",
                "boltkey downgrade check influxd.bolt --to 2.7.12",
            ),
        ],
    ),
    (
        "downgrade prepare",
        &[
            (
                "Put the tokens of a capture back",
                "boltkey downgrade prepare --db influxd.bolt --tokens tokens.json --yes",
            ),
            (
                "Put back those that an older copy or unused parts of the file show",
                "boltkey downgrade prepare --db influxd.bolt --from-db before.bolt \
                 --from-residue --yes",
            ),
            (
                "Put back the token in a file, one on each line",
                "boltkey downgrade prepare --db influxd.bolt --tokens token.txt --yes",
            ),
        ],
    ),
    (
        "downgrade apply",
        &[
            (
                "Show what would be undone",
                "boltkey downgrade apply --db influxd.bolt --to 2.7 --dry-run",
            ),
            (
                "Go back to 2.7 though hashed tokens will be lost",
                "boltkey downgrade apply --db influxd.bolt --to 2.7 --allow-loss --yes",
            ),
        ],
    ),
    (
        "convert",
        &[
            (
                "Convert a database of influxd to redb",
                "boltkey convert influxd.bolt --out store.redb",
            ),
            (
                "Write a bolt file, whatever the engine of the source",
                "boltkey convert influxd.bolt --out copy.bolt --engine bolt",
            ),
        ],
    ),
    (
        "compact",
        &[
            (
                "Copy a database without unused space",
                "boltkey compact influxd.bolt --out compact.bolt",
            ),
            (
                "Show the size first",
                "boltkey compact influxd.bolt --out compact.bolt --dry-run",
            ),
        ],
    ),
    (
        "repair",
        &[
            (
                "Show what would be cured, and what is left",
                "boltkey repair --db influxd.bolt --dry-run",
            ),
            (
                "Repair, and keep a copy of the file as it was",
                "boltkey repair --db influxd.bolt --keep-copy before.bolt --yes",
            ),
            (
                "Only add missing index entries of names",
                "boltkey repair --db influxd.bolt --only metadata.index-absent --yes",
            ),
        ],
    ),
    (
        "salvage",
        &[
            (
                "Write what a damaged file still has to a new store",
                "boltkey salvage influxd.bolt --out salvaged.bolt",
            ),
            (
                "Show what can be saved, without writing anything",
                "boltkey salvage influxd.bolt --out salvaged.bolt --dry-run",
            ),
        ],
    ),
    (
        "backup export",
        &[
            (
                "Back up all metadata, without a token",
                "boltkey backup export influxd.bolt --out backups",
            ),
            (
                "Print the backup as a tar stream",
                "boltkey backup export influxd.bolt --out -",
            ),
        ],
    ),
    (
        "backup inspect",
        &[
            ("Show what a backup holds", "boltkey backup inspect backups"),
            (
                "Check whether an operator token opens it",
                "boltkey backup inspect backups --operator-token-file token.txt",
            ),
        ],
    ),
    (
        "backup restore",
        &[
            (
                "Restore a backup that an operator token opens",
                "boltkey backup restore backups --to new.bolt --operator-token-file token.txt",
            ),
            (
                "Restore it with a new operator token",
                "boltkey backup restore backups --to new.bolt --new-operator -u alice -o acme",
            ),
            (
                "Replace an existing database, which is kept under another name",
                "boltkey backup restore backups --to influxd.bolt --force \
                 --operator-token-file token.txt --yes",
            ),
        ],
    ),
    (
        "backup token",
        &[
            (
                "Copy a backup and add a new operator token",
                "boltkey backup token backups --out with-token --generate \
                 --token-out new.token",
            ),
            (
                "Add a token that you choose",
                "boltkey backup token backups --out with-token --token-file token.txt",
            ),
        ],
    ),
    (
        "completions",
        &[
            (
                "Load the completions of bash in this shell",
                "source <(boltkey completions bash)",
            ),
            (
                "Install those of fish",
                "boltkey completions fish > ~/.config/fish/completions/boltkey.fish",
            ),
        ],
    ),
    (
        "man",
        &[
            (
                "Write the pages where man finds them",
                "boltkey man --out ~/.local/share/man/man1",
            ),
            (
                "Write them to a folder and read one",
                "boltkey man --out pages && man pages/boltkey-hash.1",
            ),
        ],
    ),
];
