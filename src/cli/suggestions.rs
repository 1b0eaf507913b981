//! Suggestions for arguments that don't exist. The parser suggests the most similar name, which can
//! be one that does something else: `--token-out` for `--token`, `residue` for `restore`.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error};

/// Subcommands that people type, and the command they mean.
const SUBCOMMANDS: &[(&str, &str)] = &[
    ("create", "backup export"),
    ("delete", "auth delete"),
    ("dump", "capture"),
    ("export", "backup export"),
    ("find", "locate"),
    ("import", "backup restore"),
    ("inspect", "backup inspect"),
    ("list", "auth list"),
    ("migrate", "hash"),
    ("operator", "recover operator"),
    ("passwd", "user password"),
    ("password", "user password"),
    ("recover", "recover operator"),
    ("recovery", "recover"),
    ("reset-password", "user password"),
    ("restore", "backup restore"),
    ("rotate", "auth rotate"),
    ("salvage", "salvage"),
    ("scan", "residue scan"),
    ("scrub", "residue scrub"),
    ("verify", "auth verify"),
];

/// Words that other programs have for a command of the same group.
const SIBLINGS: &[(&str, &str)] = &[
    ("add", "create"),
    ("get", "show"),
    ("new", "create"),
    ("passwd", "password"),
    ("remove", "delete"),
    ("rm", "delete"),
];

/// Options that people type, and the option they mean, if the command has it.
const OPTIONS: &[(&str, &str)] = &[
    ("--token", "--token-file"),
    ("--password", "--password-file"),
    ("--passphrase", "--passphrase-file"),
    ("--output", "--out"),
    ("--path", "--db"),
    ("--database", "--db"),
];

/// Replaces the suggestion of the parser where another one is right.
pub fn correct(refused: &mut Error, program: &Command, arguments: &[OsString]) {
    let command = innermost(program, arguments);
    if let Some(invalid) = text(refused, ContextKind::InvalidSubcommand) {
        let sibling = SIBLINGS
            .iter()
            .find(|(typed, meant)| *typed == invalid && command.find_subcommand(meant).is_some());
        let elsewhere = || SUBCOMMANDS.iter().find(|(typed, _)| *typed == invalid);
        if let Some((_, meant)) = sibling.or_else(elsewhere) {
            let meant = ContextValue::Strings(vec![(*meant).to_owned()]);
            refused.insert(ContextKind::SuggestedSubcommand, meant);
        }
    }
    if let Some(invalid) = text(refused, ContextKind::InvalidArg) {
        let Some((_, meant)) = OPTIONS.iter().find(|(typed, _)| *typed == invalid) else {
            return;
        };
        let is_there = command
            .get_arguments()
            .chain(program.get_arguments())
            .any(|argument| argument.get_long() == meant.strip_prefix("--"));
        // The usage line shows the suggestion of the parser.
        refused.remove(ContextKind::Usage);
        match is_there {
            true => {
                let meant = ContextValue::String((*meant).to_owned());
                refused.insert(ContextKind::SuggestedArg, meant);
            }
            false => {
                refused.remove(ContextKind::SuggestedArg);
            }
        }
    }
}

fn text(refused: &Error, kind: ContextKind) -> Option<String> {
    match refused.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// The command that the arguments name.
fn innermost<'c>(program: &'c Command, arguments: &[OsString]) -> &'c Command {
    let mut command = program;
    for argument in arguments.iter().filter_map(|argument| argument.to_str()) {
        command = command.find_subcommand(argument).unwrap_or(command);
    }
    command
}
