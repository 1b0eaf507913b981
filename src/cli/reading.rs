//! What a command does to files: it reads the database, or changes it. Commands that only read it
//! accept `--previous`, and the database as a plain argument: `boltkey status influxd.bolt`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use crate::cli::terminal::interruption::Work;

/// The commands that only read the database.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["check"],
    &["auth", "list"],
    &["auth", "show"],
    &["auth", "verify"],
    &["auth", "export"],
    &["user", "list"],
    &["user", "verify"],
    &["org", "list"],
    &["bucket", "list"],
    &["v1", "auth", "list"],
    &["v1", "dbrp", "list"],
    &["capture"],
    &["capture", "verify"],
    &["residue", "scan"],
    &["residue", "recover"],
    &["downgrade", "check"],
    &["convert"],
    &["compact"],
    &["salvage"],
    &["backup", "export"],
    &["diff"],
    &["report"],
];

/// The commands that write new files, and leave everything that exists as it is.
const WRITE_FILES: &[&[&str]] = &[
    &["capture"],
    &["residue", "recover"],
    &["convert"],
    &["compact"],
    &["salvage"],
    &["backup", "export"],
    &["backup", "token"],
    &["auth", "export"],
    &["report"],
];

/// Other commands that change no database.
const CHANGE_NOTHING: &[&[&str]] = &[
    &["doctor"],
    &["locate"],
    &["explain"],
    &["backup", "inspect"],
    &["token", "generate"],
    &["token", "hash"],
    &["completions"],
    &["man"],
];

/// The name of the argument among those of a command.
pub const DATABASE: &str = "database-argument";

/// Adds the argument for the database.
pub fn with_database_argument(program: Command) -> Command {
    COMMANDS
        .iter()
        .fold(program, |program, path| add(program, path))
}

fn add(command: Command, path: &[&str]) -> Command {
    let Some((name, rest)) = path.split_first() else {
        // `auth show` has an ID there, `diff` two stores, and `report` any number of them.
        if command.get_positionals().next().is_some() {
            return command;
        }
        let argument = Arg::new(DATABASE)
            .value_name("DATABASE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .conflicts_with("db")
            .help("Database, in place of --db");
        return command.arg(argument);
    };
    command.mut_subcommand(name, |subcommand| add(subcommand, rest))
}

/// What the arguments say of the database.
pub struct Reading {
    /// The path that was given as a plain argument.
    pub database: Option<PathBuf>,
    /// Whether the command only reads the database.
    pub only_reads: bool,
    /// What an interruption has to tell about.
    pub work: Work,
}

/// The database that arguments name, for completions: as an option, as a plain argument, or as a
/// backup.
pub fn named_database(matches: &ArgMatches) -> Option<PathBuf> {
    let mut innermost = matches;
    while let Some((_, of_subcommand)) = innermost.subcommand() {
        innermost = of_subcommand;
    }
    let path = |name| innermost.try_get_one::<PathBuf>(name).ok().flatten();
    ["db", DATABASE, "backup"]
        .into_iter()
        .find_map(path)
        .cloned()
}

impl Reading {
    /// Of the parsed arguments.
    pub fn of(matches: &ArgMatches) -> Self {
        let mut innermost = matches;
        let mut path = Vec::new();
        while let Some((name, of_subcommand)) = innermost.subcommand() {
            path.push(name);
            innermost = of_subcommand;
        }
        let database = innermost.try_get_one::<PathBuf>(DATABASE);
        let path = path.as_slice();
        let only_reads = COMMANDS.contains(&path);
        Self {
            database: database.ok().flatten().cloned(),
            only_reads,
            work: if WRITE_FILES.contains(&path) {
                Work::WritesFiles
            } else if only_reads || CHANGE_NOTHING.contains(&path) {
                Work::Reads
            } else {
                Work::Changes
            },
        }
    }
}
