//! Which arguments are files and folders, for completions. The name of the value says so.

use clap::{Arg, Command, ValueHint};

/// Adds the hints to all arguments.
pub fn add_to(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    let command = names.iter().fold(command, |command, name| {
        command.mut_subcommand(name, add_to)
    });
    command.mut_args(with_hint)
}

fn with_hint(argument: Arg) -> Arg {
    let names = argument.get_value_names().unwrap_or_default();
    let hint = match names.first().map(|name| name.as_str()) {
        Some("FILE" | "PATH" | "DATABASE" | "BACKUP") => ValueHint::FilePath,
        Some("DIR" | "DIR2") => ValueHint::DirPath,
        // Nothing that a shell knows. Without it, some shells offer files.
        Some("NAME" | "ID" | "TEXT" | "DURATION") => ValueHint::Other,
        _ => return argument,
    };
    argument.value_hint(hint)
}
