//! The database as a plain argument of commands that only read: `boltkey status influxd.bolt`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

/// The commands that take it. The others change the database, and name it with `--db`, or have
/// another plain argument.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["check"],
    &["auth", "list"],
    &["auth", "verify"],
    &["user", "list"],
    &["org", "list"],
    &["bucket", "list"],
    &["capture"],
    &["residue", "scan"],
    &["residue", "recover"],
    &["downgrade", "check"],
    &["convert"],
    &["compact"],
    &["backup", "export"],
];

/// The name of the argument among those of a command.
const NAME: &str = "database-argument";

/// Adds the argument to the commands that take it.
pub fn add_to(program: Command) -> Command {
    COMMANDS
        .iter()
        .fold(program, |program, path| add(program, path))
}

fn add(command: Command, path: &[&str]) -> Command {
    let Some((name, rest)) = path.split_first() else {
        let argument = Arg::new(NAME)
            .value_name("DATABASE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .conflicts_with("db")
            .help("Database, in place of --db");
        return command.arg(argument);
    };
    command.mut_subcommand(name, |subcommand| add(subcommand, rest))
}

/// The path that was given as a plain argument.
pub fn given(matches: &ArgMatches) -> Option<PathBuf> {
    let mut matches = matches;
    while let Some((_, of_subcommand)) = matches.subcommand() {
        matches = of_subcommand;
    }
    let path = matches.try_get_one::<PathBuf>(NAME);
    path.ok().flatten().cloned()
}
