//! Examples of every command, after its help and on its manual page. Each is tried by a test.

use clap::Command;

/// A sentence, and a command line.
type Example = (&'static str, &'static str);

/// The commands, and their examples.
const EXAMPLES: &[(&str, &[Example])] = &[
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
    (
        "user list",
        &[
            ("List users", "boltkey user list influxd.bolt"),
            (
                "Print JSON for a script",
                "boltkey user list influxd.bolt --json",
            ),
        ],
    ),
    (
        "user verify",
        &[
            (
                "Check whether a password signs a user in",
                "boltkey user verify influxd.bolt --name alice --password-file password.txt",
            ),
            (
                "Check a 1.x user, and list the databases it can use",
                "boltkey user verify influxd.bolt --v1 --name collectd \
                 --password-file password.txt",
            ),
        ],
    ),
    (
        "user create",
        &[
            (
                "Create a user who owns an organization",
                "boltkey user create --db influxd.bolt --name eve --org acme \
                 --password-file password.txt",
            ),
            (
                "Create a user with access to everything",
                "boltkey user create --db influxd.bolt --name root --instance-owner --yes",
            ),
        ],
    ),
    (
        "user password",
        &[
            (
                "Set a password from a file",
                "boltkey user password --db influxd.bolt --name alice \
                 --password-file password.txt --yes",
            ),
            (
                "Check first whether it could be set",
                "boltkey user password --db influxd.bolt --name alice \
                 --password-file password.txt --dry-run",
            ),
        ],
    ),
    (
        "user update",
        &[
            (
                "Lock a user out",
                "boltkey user update --db influxd.bolt --name bob --status inactive",
            ),
            (
                "Let a user in again",
                "boltkey user update --db influxd.bolt --name sleeper --status active",
            ),
            (
                "Give a user another name",
                "boltkey user update --db influxd.bolt --name bob --rename robert",
            ),
        ],
    ),
    (
        "user delete",
        &[
            (
                "Show which tokens would stop working",
                "boltkey user delete --db influxd.bolt --name bob --dry-run",
            ),
            (
                "Delete a user",
                "boltkey user delete --db influxd.bolt --name bob --yes",
            ),
        ],
    ),
    (
        "org list",
        &[
            ("List organizations", "boltkey org list influxd.bolt"),
            (
                "Print JSON for a script",
                "boltkey org list influxd.bolt --json",
            ),
        ],
    ),
    (
        "org create",
        &[
            (
                "Create an organization",
                "boltkey org create --db influxd.bolt --name lab",
            ),
            (
                "Show what would be created",
                "boltkey org create --db influxd.bolt --name lab --dry-run",
            ),
        ],
    ),
    (
        "bucket list",
        &[
            ("List buckets", "boltkey bucket list influxd.bolt"),
            (
                "Print JSON for a script",
                "boltkey bucket list influxd.bolt --json",
            ),
        ],
    ),
    (
        "bucket create",
        &[
            (
                "Create a bucket that keeps points for 30 days",
                "boltkey bucket create --db influxd.bolt --org acme --name history \
                 --retention 30d",
            ),
            (
                "Show what would be created",
                "boltkey bucket create --db influxd.bolt --org acme --name history --dry-run",
            ),
        ],
    ),
    (
        "v1 auth list",
        &[
            (
                "List 1.x users, and whether 1.x clients can use them",
                "boltkey v1 auth list influxd.bolt",
            ),
            (
                "Print one as JSON",
                "boltkey v1 auth list influxd.bolt --username collectd --json",
            ),
        ],
    ),
    (
        "v1 auth create",
        &[
            (
                "Create a 1.x user that may read and write a bucket",
                "boltkey v1 auth create --db influxd.bolt --org acme --user alice \
                 --username grafana --read-bucket metrics --write-bucket metrics \
                 --password-file password.txt",
            ),
            (
                "Create one without a password",
                "boltkey v1 auth create --db influxd.bolt --org acme --user alice \
                 --username later --read-bucket metrics --no-password",
            ),
        ],
    ),
    (
        "v1 auth update",
        &[
            (
                "Switch a 1.x user off",
                "boltkey v1 auth update --db influxd.bolt --username collectd \
                 --status inactive",
            ),
            (
                "Let it read and write one bucket, and no other",
                "boltkey v1 auth update --db influxd.bolt --username collectd \
                 --read-bucket metrics --write-bucket metrics",
            ),
        ],
    ),
    (
        "v1 auth password",
        &[
            (
                "Set a password from a file",
                "boltkey v1 auth password --db influxd.bolt --username collectd \
                 --password-file password.txt --yes",
            ),
            (
                "Check first whether it could be set",
                "boltkey v1 auth password --db influxd.bolt --username collectd \
                 --password-file password.txt --dry-run",
            ),
        ],
    ),
    (
        "v1 auth delete",
        &[
            (
                "Delete a 1.x user",
                "boltkey v1 auth delete --db influxd.bolt --username collectd --yes",
            ),
            (
                "Show what would be deleted",
                "boltkey v1 auth delete --db influxd.bolt --username collectd --dry-run",
            ),
        ],
    ),
    (
        "v1 dbrp list",
        &[
            (
                "List which bucket each database means",
                "boltkey v1 dbrp list influxd.bolt",
            ),
            (
                "Show which bucket a client without a retention policy reaches",
                "boltkey v1 dbrp list influxd.bolt --org acme --database metrics --default",
            ),
        ],
    ),
    (
        "v1 dbrp create",
        &[
            (
                "Map the database telegraf to a bucket",
                "boltkey v1 dbrp create --db influxd.bolt --org acme --database telegraf \
                 --bucket metrics",
            ),
            (
                "Map another retention policy, and make it the default",
                "boltkey v1 dbrp create --db influxd.bolt --org acme --database telegraf \
                 --rp year --bucket metrics --default",
            ),
        ],
    ),
    (
        "v1 dbrp update",
        &[
            (
                "Make a mapping the default of its database",
                "boltkey v1 dbrp update --id 11b6d4bc27c48000 --default --db influxd.bolt",
            ),
            (
                "Change its retention policy",
                "boltkey v1 dbrp update --id 11b6d4bc27c48000 --rp year --db influxd.bolt",
            ),
        ],
    ),
    (
        "v1 dbrp delete",
        &[
            (
                "Delete a mapping",
                "boltkey v1 dbrp delete --id 11b6d4bc27c48000 --db influxd.bolt --yes",
            ),
            (
                "Show which requests would change",
                "boltkey v1 dbrp delete --id 11b6d4bc27c48000 --db influxd.bolt --dry-run",
            ),
        ],
    ),
    (
        "bucket adopt",
        &[
            (
                "Show which buckets would be added",
                "boltkey bucket adopt --all --org acme --db influxd.bolt --dry-run",
            ),
            (
                "Add one bucket with a name",
                "boltkey bucket adopt 00000000000000aa --name 00000000000000aa=old \
                 --org acme --db influxd.bolt --yes",
            ),
        ],
    ),
    (
        "setup",
        &[
            (
                "Create a store for influxd",
                "boltkey setup --db new.bolt --username alice --org acme --bucket metrics \
                 --password-file password.txt",
            ),
            (
                "Create a redb store whose operator token is written to a file",
                "boltkey setup --db new.redb --username alice --org acme --bucket metrics \
                 --password-file password.txt --token-out new.token",
            ),
            (
                "Create a store for InfluxDB 2.7",
                "boltkey setup --db old.bolt --username alice --org acme --bucket metrics \
                 --password-file password.txt --release 2.7",
            ),
        ],
    ),
    (
        "apply",
        &[
            (
                "Show what a list would change",
                "boltkey apply list.toml --db influxd.bolt --dry-run",
            ),
            ("Apply it", "boltkey apply list.toml --db influxd.bolt"),
            (
                "Also delete tokens of earlier runs that it no longer names",
                "boltkey apply list.toml --db influxd.bolt --prune --yes",
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

/// Adds the examples to the help of each command. With `short`, as for `-h`, its help says only where
/// they are.
pub fn add_to(program: Command, short: bool) -> Command {
    EXAMPLES.iter().fold(program, |program, (path, examples)| {
        let text = match short {
            true => format!("See boltkey {path} --help for examples."),
            false => text(examples),
        };
        let path: Vec<&str> = path.split(' ').collect();
        add(program, &path, &text, short)
    })
}

/// The text is not that of the long help, because the parser prints options with blank lines between
/// them where there is one.
fn add(command: Command, path: &[&str], text: &str, short: bool) -> Command {
    let Some((name, rest)) = path.split_first() else {
        let before = command.get_after_help().filter(|_| !short);
        let text = match before {
            Some(before) => format!("{before}\n\n{text}"),
            None => text.to_owned(),
        };
        return command.after_help(text);
    };
    command.mut_subcommand(name, |subcommand| add(subcommand, rest, text, short))
}

fn text(examples: &[Example]) -> String {
    let lines = examples
        .iter()
        .map(|(sentence, command)| format!("  {sentence}:\n{}", broken(command)));
    format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// A command line of at most 80 columns, continued as a shell reads it.
fn broken(command: &str) -> String {
    const WIDTH: usize = 80;
    const INDENT: &str = "      ";
    let mut lines = vec![INDENT.to_owned()];
    // An option stays with its value.
    for (number, part) in command.split(" -").enumerate() {
        let part = match number {
            0 => part.to_owned(),
            _ => format!(" -{part}"),
        };
        match lines.last_mut() {
            Some(line) if line.len() + part.len() + " \\".len() <= WIDTH => line.push_str(&part),
            _ => lines.push(format!("{INDENT}   {part}")),
        }
    }
    lines.join(" \\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_continued_before_an_option() {
        let value = "x".repeat(60);
        assert_eq!(broken("boltkey status -d a"), "      boltkey status -d a");
        assert_eq!(
            broken(&format!("boltkey hash --db {value} --yes -n")),
            format!("      boltkey hash \\\n          --db {value} \\\n          --yes -n")
        );
        let lines = EXAMPLES.iter().flat_map(|(_, examples)| examples.iter());
        for (_, command) in lines {
            assert!(
                broken(command).lines().all(|line| line.len() <= 80),
                "{command}"
            );
        }
    }
}
