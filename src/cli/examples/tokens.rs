//! Examples of commands for tokens.

use super::Of;

pub(super) const EXAMPLES: &[Of] = &[
    (
        "auth list",
        &[
            ("List all tokens", "boltkey auth list influxd.bolt"),
            (
                "List operator tokens that are stored in plaintext, with their value",
                "boltkey auth list influxd.bolt --kind operator --reveal",
            ),
            (
                "List the tokens that may write a bucket",
                "boltkey auth list influxd.bolt --org acme --can write:buckets/metrics",
            ),
            (
                "Print every permission in full",
                "boltkey auth list influxd.bolt --user alice --wide",
            ),
        ],
    ),
    (
        "auth show",
        &[
            (
                "Show the permissions of a token and whether it works",
                "boltkey auth show 11af8a5134c48000 --db influxd.bolt",
            ),
            (
                "Show its value too, if it is stored in plaintext",
                "boltkey auth show 11af8a5134c48000 --db influxd.bolt --reveal",
            ),
        ],
    ),
    (
        "auth verify",
        &[
            (
                "Check a token in a file",
                "boltkey auth verify influxd.bolt --token-file token.txt",
            ),
            (
                "Check also whether it may write a bucket",
                "boltkey auth verify influxd.bolt --token-file token.txt --can write:buckets",
            ),
        ],
    ),
    (
        "auth create",
        &[
            (
                "Create a token that may read and write the buckets of an organization",
                "boltkey auth create --db influxd.bolt -o acme -u alice --read-buckets \
                 --write-buckets",
            ),
            (
                "Create an operator token and write it to a new file",
                "boltkey auth create --db influxd.bolt -o acme -u alice --operator \
                 --token-out new.token",
            ),
            (
                "Show what would be created",
                "boltkey auth create --db influxd.bolt -o acme -u alice --all-access --dry-run",
            ),
        ],
    ),
    (
        "auth clone",
        &[
            (
                "Create a second token with the same permissions",
                "boltkey auth clone 11af8a5134c48000 --db influxd.bolt",
            ),
            (
                "Write it to a new file, with another description",
                "boltkey auth clone 11af8a5134c48000 --db influxd.bolt \
                 --description spare --token-out new.token",
            ),
        ],
    ),
    (
        "auth rotate",
        &[
            (
                "Replace the value of a token and write the new one to a file",
                "boltkey auth rotate 11af8a5134c48000 --db influxd.bolt \
                 --token-out new.token --yes",
            ),
            (
                "Show what would change",
                "boltkey auth rotate 11af8a5134c48000 --db influxd.bolt --dry-run",
            ),
            (
                "Replace all tokens but one, with the new values in one file",
                "boltkey auth rotate --all --except 11af8a5134c48000 --db influxd.bolt \
                 --token-out new.json --yes",
            ),
        ],
    ),
    (
        "auth update",
        &[
            (
                "Switch a token off",
                "boltkey auth update 11af8a5134c48000 --db influxd.bolt --status inactive",
            ),
            (
                "Change its description",
                "boltkey auth update 11af8a5134c48000 --db influxd.bolt \
                 --description \"telegraf of host a\"",
            ),
            (
                "Switch all tokens of a user off",
                "boltkey auth update --user bob --db influxd.bolt --status inactive --yes",
            ),
        ],
    ),
    (
        "auth delete",
        &[
            (
                "Delete two tokens",
                "boltkey auth delete 11af8a5134c48000 11af8a5123848000 --db influxd.bolt --yes",
            ),
            (
                "Show what would be deleted",
                "boltkey auth delete 11af8a5134c48000 --db influxd.bolt --dry-run",
            ),
            (
                "Delete the tokens of deleted users and organizations",
                "boltkey auth delete --orphaned --db influxd.bolt --yes",
            ),
        ],
    ),
    (
        "auth export",
        &[
            (
                "Write everything that apply needs to make the tokens work on another server",
                "boltkey auth export --db influxd.bolt --out moved.toml",
            ),
            (
                "With the passwords of the users",
                "boltkey auth export --db influxd.bolt --with-passwords --out moved.toml",
            ),
            (
                "Only the tokens of one organization",
                "boltkey auth export --db influxd.bolt --org acme --out acme.toml",
            ),
        ],
    ),
    (
        "auth create-operator",
        &[
            (
                "Create an operator token, as influxd recovery does",
                "boltkey auth create-operator --db influxd.bolt --username alice --org acme",
            ),
            (
                "Write it to a new file",
                "boltkey auth create-operator --db influxd.bolt --username alice --org acme \
                 --token-out new.token",
            ),
        ],
    ),
    (
        "capture",
        &[
            (
                "Save all plaintext tokens",
                "boltkey capture influxd.bolt --out tokens.json",
            ),
            (
                "Print those of one user as environment variables",
                "boltkey capture influxd.bolt --user alice --format env --out -",
            ),
            (
                "Save them encrypted with a passphrase",
                "boltkey capture influxd.bolt --out tokens.age --passphrase-file password.txt",
            ),
        ],
    ),
    (
        "capture verify",
        &[
            (
                "Check that a capture holds every token, before you start InfluxDB 2.9",
                "boltkey capture verify tokens.json --db influxd.bolt",
            ),
            (
                "The same for an encrypted one, in a script",
                "boltkey capture verify tokens.age --db influxd.bolt \
                 --passphrase-file password.txt --json",
            ),
        ],
    ),
    (
        "hash",
        &[
            (
                "Show what would be hashed",
                "boltkey hash --db influxd.bolt --no-capture --dry-run",
            ),
            (
                "Hash all tokens and save them first",
                "boltkey hash --db influxd.bolt --capture tokens.json --yes",
            ),
            (
                "Keep a copy of the database too",
                "boltkey hash --db influxd.bolt --capture tokens.json \
                 --keep-copy before.bolt --yes",
            ),
        ],
    ),
    (
        "recover operator",
        &[
            (
                "Create an operator token when the old one is lost",
                "boltkey recover operator --db influxd.bolt --user alice --org acme",
            ),
            (
                "Write it to a new file",
                "boltkey recover operator --db influxd.bolt --user alice --org acme \
                 --token-out new.token",
            ),
        ],
    ),
    (
        "residue scan",
        &[
            (
                "Count the tokens in unused parts of a file",
                "boltkey residue scan influxd.bolt",
            ),
            (
                "Print JSON for a script",
                "boltkey residue scan influxd.bolt --json",
            ),
        ],
    ),
    (
        "residue recover",
        &[
            (
                "Recover hashed tokens",
                "boltkey residue recover influxd.bolt --out tokens.json",
            ),
            (
                "Search an old backup too",
                "boltkey residue recover influxd.bolt --files before.bolt --out tokens.json",
            ),
        ],
    ),
    (
        "residue scrub",
        &[
            (
                "Show what would be overwritten",
                "boltkey residue scrub --db influxd.bolt --dry-run",
            ),
            (
                "Overwrite unused parts of the file",
                "boltkey residue scrub --db influxd.bolt --yes",
            ),
        ],
    ),
    (
        "token generate",
        &[
            ("Print a new token", "boltkey token generate"),
            ("Print it as JSON", "boltkey token generate --json"),
        ],
    ),
    (
        "token hash",
        &[
            (
                "Print the hash of a token in a file",
                "boltkey token hash --token-file token.txt",
            ),
            (
                "Use SHA-512",
                "boltkey token hash --variant sha512 --token-file token.txt",
            ),
        ],
    ),
];
