//! Which global options a command uses. Its help shows only those; the others are accepted
//! everywhere, so that a script can pass the same options to every command.

use clap::Command;

/// Options of commands that read a database.
const READ: &[&str] = &["db", "wait", "no_lock", "previous"];

/// Options of commands that read a database and can report what they would write.
const READ_AND_WRITE_FILES: &[&str] = &["db", "wait", "no_lock", "previous", "dry_run"];

/// Options of commands that change a database.
const CHANGE: &[&str] = &["db", "wait", "no_lock", "dry_run", "yes", "keep_copy"];

/// Options that every command uses.
const ALWAYS: &[&str] = &["json", "quiet", "verbose", "color"];

/// The options that the others use. A command that is not listed changes a database.
const USED: &[(&str, &[&str])] = &[
    ("status", READ),
    ("locate", &["db"]),
    ("auth list", READ),
    ("auth show", READ),
    ("auth verify", READ),
    ("auth export", READ_AND_WRITE_FILES),
    ("check", READ),
    ("diff", READ),
    ("doctor", &["db", "wait", "no_lock"]),
    ("report", READ),
    ("explain", &[]),
    ("user list", READ),
    ("user verify", READ),
    ("org list", READ),
    ("bucket list", READ),
    ("v1 auth list", READ),
    ("v1 dbrp list", READ),
    ("setup", &["db", "dry_run"]),
    ("capture", READ_AND_WRITE_FILES),
    ("capture verify", READ),
    ("residue scan", READ),
    ("residue recover", READ_AND_WRITE_FILES),
    ("downgrade check", READ),
    ("convert", READ_AND_WRITE_FILES),
    ("compact", READ_AND_WRITE_FILES),
    ("salvage", &["db", "wait", "no_lock", "dry_run"]),
    ("backup export", READ_AND_WRITE_FILES),
    ("backup inspect", &["wait", "no_lock"]),
    ("backup restore", &["wait", "no_lock", "dry_run", "yes"]),
    ("backup token", &["dry_run"]),
    ("token generate", &[]),
    ("token hash", &[]),
    ("completions", &[]),
    ("man", &[]),
];

/// Hides the global options that a command does not use.
pub fn show_only_those(program: Command) -> Command {
    hide(program.clone(), &program, &mut Vec::new())
}

fn hide(command: Command, program: &Command, path: &mut Vec<String>) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    let mut command = command;
    for name in &names {
        path.push(name.clone());
        command = command.mut_subcommand(name, |subcommand| hide(subcommand, program, path));
        path.pop();
    }
    let path = path.join(" ");
    let listed = USED.iter().find(|(command, _)| *command == path);
    // `capture` is a command and has one.
    if !names.is_empty() && listed.is_none() {
        return command;
    }
    let used = listed.map_or(CHANGE, |(_, used)| used);
    let globals = program.get_arguments().filter(|arg| arg.is_global_set());
    for global in globals {
        let id = global.get_id().as_str();
        if !ALWAYS.contains(&id) && !used.contains(&id) {
            command = command.arg(global.clone().hide(true));
        }
    }
    command
}
