//! What the value of each argument may be. The name of the value says it, together with the name of
//! the option and of the command.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::cli::completion::names::{self, Kind};
use crate::finding::Code;
use crate::metadata::permission::RESOURCE_TYPES;

/// Which script asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// One of ours, whose shell completes paths.
    Ours,
    /// The library's, whose shell quotes what is special.
    Quotes,
    /// The library's, whose shell puts in a name as it is.
    Plain,
}

/// What a word may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    File,
    Folder,
    /// One of the candidates.
    Value,
}

impl Wanted {
    /// As the scripts know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "files",
            Self::Folder => "folders",
            Self::Value => "values",
        }
    }

    /// The mark of a candidate that stands for all paths.
    fn mark(self) -> String {
        format!("boltkey::{}", self.name())
    }

    /// The paths that a candidate stands for.
    pub fn of(candidate: &CompletionCandidate) -> Option<Self> {
        let id = candidate.get_id()?;
        [Self::File, Self::Folder]
            .into_iter()
            .find(|one| *id == one.mark())
    }
}

/// Adds to each argument what completes it. Names and IDs are read from `database`.
pub(super) fn add_to(program: Command, database: Option<PathBuf>, script: Script) -> Command {
    add(program, &mut Vec::new(), &Source { database, script })
}

struct Source {
    database: Option<PathBuf>,
    script: Script,
}

fn add(command: Command, path: &mut Vec<String>, source: &Source) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    let mut command = command;
    for name in names {
        path.push(name.clone());
        command = command.mut_subcommand(&name, |subcommand| add(subcommand, path, source));
        path.pop();
    }
    command.mut_args(|argument| with_completer(argument, path, source))
}

fn with_completer(argument: Arg, path: &[String], source: &Source) -> Arg {
    let wanted = match argument.get_value_hint() {
        ValueHint::FilePath | ValueHint::AnyPath => Some(Wanted::File),
        ValueHint::DirPath => Some(Wanted::Folder),
        _ => None,
    };
    if let Some(wanted) = wanted {
        return match source.script {
            Script::Quotes | Script::Plain => argument,
            Script::Ours => argument.add(ArgValueCompleter::new(move |word: &OsStr| {
                // The library asks for plain arguments too where an option was begun.
                let is_option = word.as_encoded_bytes().starts_with(b"-");
                let mark = CompletionCandidate::new(word).id(Some(wanted.mark()));
                if is_option { Vec::new() } else { vec![mark] }
            })),
        };
    }
    let value = argument.get_value_names().unwrap_or_default().first();
    let value = value.map(|name| name.to_string()).unwrap_or_default();
    match value.as_str() {
        "CODE" | "CODE|TEXT" => argument.add(ArgValueCompleter::new(codes)),
        can if can.starts_with("ACTION") => {
            let database = source.database.clone();
            let database = database.filter(|_| source.script != Script::Plain);
            argument.add(ArgValueCompleter::new(move |word: &OsStr| {
                permissions(word, database.as_ref())
            }))
        }
        _ => match (kind_of(&argument, &value, path), source.database.clone()) {
            (Some(kind), Some(database)) => {
                let only_plain = source.script == Script::Plain;
                argument.add(ArgValueCompleter::new(move |word: &OsStr| {
                    let found = names::known(&database, kind, &word.to_string_lossy());
                    let found = found.into_iter();
                    let found = found.filter(|known| !only_plain || is_plain(&known.value));
                    found.map(candidate).collect()
                }))
            }
            _ => argument,
        },
    }
}

/// Whether no shell takes a name for something else.
fn is_plain(name: &str) -> bool {
    name.chars()
        .all(|c| c.is_alphanumeric() || "_.-".contains(c))
}

fn candidate(known: names::Known) -> CompletionCandidate {
    let help = (!known.description.is_empty()).then(|| known.description.into());
    CompletionCandidate::new(known.value).help(help)
}

/// The kind of name or ID that an argument takes. None if it takes a new name, or something else.
fn kind_of(argument: &Arg, value: &str, path: &[String]) -> Option<Kind> {
    if !["NAME", "ID"].contains(&value) {
        return None;
    }
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let long = argument.get_long();
    Some(match (long, path.as_slice()) {
        // Names that are new.
        (_, ["setup", ..]) => return None,
        (Some("name"), [.., "create" | "adopt"]) => return None,
        (Some("user" | "username"), _) => Kind::User,
        (Some("user-id"), _) => Kind::UserId,
        (Some("org"), _) => Kind::Org,
        (Some("org-id"), _) => Kind::OrgId,
        (Some("bucket"), _) => Kind::Bucket,
        (Some("bucket-id" | "read-bucket" | "write-bucket"), _) => Kind::BucketId,
        (Some("name"), ["user", ..]) => Kind::User,
        (Some("name"), ["org", ..]) => Kind::Org,
        (Some("name"), ["bucket", ..]) => Kind::Bucket,
        (Some("id"), ["user", ..]) => Kind::UserId,
        (Some("id"), ["org", ..]) => Kind::OrgId,
        (Some("id"), ["bucket", ..]) => Kind::BucketId,
        (Some("id") | None, ["v1", "auth", ..]) => Kind::LegacyAuthorization,
        (Some("id") | None, ["auth", ..] | ["capture"]) => Kind::Authorization,
        _ => return None,
    })
}

/// The codes of findings.
fn codes(word: &OsStr) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let codes = Code::ALL.iter().map(|code| code.name());
    codes
        .filter(|code| code.starts_with(&*word))
        .map(CompletionCandidate::new)
        .collect()
}

/// The next part of a permission such as `read:buckets/NAME`.
fn permissions(word: &OsStr, database: Option<&PathBuf>) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let Some((action, rest)) = word.split_once(':') else {
        let actions = ["read", "write"].into_iter();
        let forms = actions.flat_map(|action| [action.to_owned(), format!("{action}:")]);
        let forms = forms.filter(|form| form.starts_with(&*word));
        return forms.map(CompletionCandidate::new).collect();
    };
    let Some((resource, start)) = rest.split_once('/') else {
        let types = RESOURCE_TYPES.iter().filter(|name| name.starts_with(rest));
        let types = types.map(|name| format!("{action}:{name}"));
        return types.map(CompletionCandidate::new).collect();
    };
    let kind = match resource {
        "buckets" => Kind::Bucket,
        "orgs" => Kind::Org,
        "users" => Kind::User,
        "authorizations" => Kind::Authorization,
        _ => return Vec::new(),
    };
    let known = database.map(|database| names::known(database, kind, start));
    let known = known.unwrap_or_default().into_iter();
    let known = known.map(|known| candidate(known).add_prefix(format!("{action}:{resource}/")));
    known.collect()
}
