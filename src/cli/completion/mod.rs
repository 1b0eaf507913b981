//! Completions. The script that `boltkey completions` prints asks the program itself at each TAB,
//! because only it knows which names and IDs a database has.
//!
//! The script sets [`VARIABLE`] to the name of the shell. The program then completes the last word of
//! its arguments, prints the answer, and ends. It says nothing on any trouble.

mod names;
mod script;
mod values;
mod words;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_complete::engine::{CompletionCandidate, complete};
use clap_complete::env::{Elvish, EnvCompleter, Powershell};

use crate::cli::reading::named_database;
use crate::cli::terminal::report::printable;

pub(crate) use script::{Shell, script};
use values::{Script, Wanted, add_to};
use words::Line;

/// The environment variable that asks for completions.
const VARIABLE: &str = "_BOLTKEY_COMPLETE";
/// The variables that say which database is meant, in this order.
const DATABASES: [&str; 2] = ["BOLTKEY_DB", "INFLUXD_BOLT_PATH"];
/// The most candidates in one answer.
const MOST: usize = 1000;

/// Answers a completion script, if one asks. `program` makes the complete definition, `arguments`
/// the one without help.
pub(crate) fn answer(program: fn() -> Command, arguments: fn() -> Command) -> Option<ExitCode> {
    let shell = env::var(VARIABLE).ok()?;
    let given: Vec<OsString> = env::args_os()
        .skip_while(|word| word != "--")
        .skip(1)
        .collect();
    panic::set_hook(Box::new(|_| {}));
    let mut out = Vec::new();
    match shell.as_str() {
        "bash" => own(program, arguments, Line::of_bash(&given), &mut out),
        "fish" => own(program, arguments, Line::of_fish(given), &mut out),
        "zsh" => own(program, arguments, Line::of_zsh(given), &mut out),
        "elvish" => by_library(&Elvish, program, arguments, given, &mut out),
        "powershell" => by_library(&Powershell, program, arguments, given, &mut out),
        _ => {}
    }
    // Nobody reads an error.
    let _ = io::stdout().write_all(&out);
    Some(ExitCode::SUCCESS)
}

/// The answer for our own scripts: a line that says what the word may be, and a line for each
/// candidate, with its description after a tab.
fn own(program: fn() -> Command, arguments: fn() -> Command, line: Line, out: &mut Vec<u8>) {
    let database = database(arguments(), &line.words);
    let mut command = add_to(program(), database, Script::Ours);
    let last = line.words.len().saturating_sub(1);
    let word = line.words.last().cloned().unwrap_or_default();
    let Ok(mut found) = complete(&mut command, line.words.clone(), last, None) else {
        return;
    };
    let wanted = found.iter().find_map(Wanted::of);
    found.retain(|candidate| Wanted::of(candidate).is_none());
    // Options only if nothing else fits, or if one was begun.
    let is_option = |candidate: &CompletionCandidate| begins_with_dash(candidate);
    let others = wanted.is_some() || found.iter().any(|candidate| !is_option(candidate));
    if others && !word.to_string_lossy().starts_with('-') {
        found.retain(|candidate| !is_option(candidate));
    }
    let _ = writeln!(out, "{}", wanted.unwrap_or(Wanted::Value).name());
    for candidate in found.iter().take(MOST) {
        let Some(text) = line.text_of(&candidate.get_value().to_string_lossy()) else {
            continue;
        };
        let help = candidate.get_help().map(ToString::to_string);
        let help = help.as_deref().and_then(|help| help.lines().next());
        let help = printable(help.unwrap_or_default());
        let _ = match help.is_empty() {
            true => writeln!(out, "{text}"),
            false => writeln!(out, "{text}\t{help}"),
        };
    }
}

fn begins_with_dash(candidate: &CompletionCandidate) -> bool {
    candidate.get_value().to_string_lossy().starts_with('-')
}

/// The answer for the scripts of the library.
fn by_library(
    shell: &dyn EnvCompleter,
    program: fn() -> Command,
    arguments: fn() -> Command,
    words: Vec<OsString>,
    out: &mut Vec<u8>,
) {
    if words.is_empty() {
        return;
    }
    let database = database(arguments(), &words);
    let script = match shell.name() {
        "powershell" => Script::Plain,
        _ => Script::Quotes,
    };
    let mut command = add_to(program(), database, script);
    let here = env::current_dir().ok();
    if shell
        .write_complete(&mut command, words, here.as_deref(), out)
        .is_err()
    {
        out.clear();
    }
}

/// The database that the words name, or a variable. Nothing is searched.
fn database(arguments: Command, words: &[OsString]) -> Option<PathBuf> {
    let before = words
        .get(..words.len().saturating_sub(1))
        .unwrap_or_default();
    let matches = arguments.ignore_errors(true).try_get_matches_from(before);
    let named = matches.ok().and_then(|matches| named_database(&matches));
    let by_variable = || DATABASES.iter().find_map(env::var_os).map(PathBuf::from);
    named.or_else(by_variable).map(|path| in_home(&path))
}

/// The path with the home folder in place of a tilde, which the shell has not replaced yet.
fn in_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_path_buf(),
    }
}
