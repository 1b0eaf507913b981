//! Holds the JSON of a run to the schema of its command in `docs/schemas`, and notes which of the
//! documented fields it has.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// Fields: the name of the schema, and the place in it.
pub type Seen = BTreeSet<(String, String)>;

thread_local! {
    /// The documented fields that the outputs of this thread had.
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen::new()) };
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")
}

/// By the name of the command, with hyphens.
fn all() -> &'static BTreeMap<String, Value> {
    static ALL: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    ALL.get_or_init(|| {
        let files = fs::read_dir(folder()).unwrap();
        let schemas = files.map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let schema = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            (name, schema)
        });
        schemas.collect()
    })
}

/// The command that these arguments run, with hyphens; none if they are refused.
fn command_of(arguments: &[OsString]) -> Option<String> {
    static PROGRAM: OnceLock<clap::Command> = OnceLock::new();
    let program = PROGRAM.get_or_init(boltkey::cli::command);
    let all = std::iter::once(OsString::from("boltkey")).chain(arguments.iter().cloned());
    let matches = program.clone().try_get_matches_from(all).ok()?;
    let mut names = Vec::new();
    let mut at = &matches;
    while let Some((name, below)) = at.subcommand() {
        names.push(name);
        at = below;
    }
    Some(names.join("-"))
}

/// The JSON that a run of the program printed must be as documented.
#[track_caller]
pub fn hold(command: &Command, output: &Output) {
    let arguments: Vec<OsString> = command.get_args().map(OsString::from).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let json = has("--json");
    let (stdout, stderr) = (&output.stdout, &output.stderr);
    if stdout.starts_with(b"{\"format\":\"boltkey-capture/1\"") && output.status.success() {
        return hold_text("capture-file", stdout);
    }
    if !json && !has("report") {
        return;
    }
    let Some(name) = command_of(&arguments) else {
        return if json {
            hold_failure(stderr)
        };
    };
    if json {
        if !stdout.is_empty() {
            hold_text(&name, stdout);
        }
        if output
            .status
            .code()
            .is_some_and(|code| ![0, 3].contains(&code))
        {
            hold_failure(stderr);
        }
    } else if name == "report" && has("ndjson") {
        for line in stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            hold_text("report-line", line);
        }
    } else if name == "report" && has("json") && !stdout.is_empty() {
        hold_text("report-document", stdout);
    }
}

/// The last line on standard error.
#[track_caller]
fn hold_failure(stderr: &[u8]) {
    let text = String::from_utf8_lossy(stderr);
    // A run that a signal ends has other last words.
    if let Some(line) = text.lines().rfind(|line| line.starts_with("{\"error\":")) {
        hold_text("error", line.as_bytes());
    }
}

#[track_caller]
fn hold_text(name: &str, text: &[u8]) {
    let value: Value = serde_json::from_slice(text)
        .unwrap_or_else(|cause| panic!("{name}: {cause}: {}", String::from_utf8_lossy(text)));
    hold_value(name, &value);
}

/// This output of a command must be as documented.
#[track_caller]
pub fn hold_value(name: &str, value: &Value) {
    if let Some(why) = refused(name, value) {
        panic!("docs/schemas/{name}.json: {why}: {value}");
    }
}

/// Why this output of a command is not as documented. Notes its fields if it is.
pub fn refused(name: &str, value: &Value) -> Option<String> {
    let mut run = Run {
        root: &all()[name],
        fields: Vec::new(),
    };
    if let Err(why) = run.check(run.root, "", value, "") {
        return Some(why);
    }
    let places = run.fields.into_iter().map(|place| (name.to_owned(), place));
    SEEN.with_borrow_mut(|seen| seen.extend(places));
    None
}

/// A value that is compared with a schema.
struct Run<'s> {
    root: &'s Value,
    /// The places in the schema of the fields that the value has.
    fields: Vec<String>,
}

impl<'s> Run<'s> {
    /// Compares a part of the value, at a place of its own, with the schema at `place`. The schemas
    /// have few keywords; another one needs an arm here.
    fn check(
        &mut self,
        schema: &'s Value,
        place: &str,
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let refuse = |what: &str| Err(format!("{at}: {what} ({place})"));
        let Some(keywords) = schema.as_object() else {
            return match schema {
                Value::Bool(true) => Ok(()),
                _ => refuse("not documented"),
            };
        };
        for (keyword, rule) in keywords {
            match keyword.as_str() {
                "$schema" | "$defs" | "title" | "description" => {}
                "$ref" => {
                    let path = &rule.as_str().unwrap()[1..];
                    self.check(self.root.pointer(path).unwrap(), path, value, at)?;
                }
                "anyOf" | "oneOf" => {
                    self.check_forms(rule, &format!("{place}/{keyword}"), value, at)?
                }
                "const" if rule != value => return refuse(&format!("not {rule}")),
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    return refuse(&format!("not one of {rule}"));
                }
                "const" | "enum" => {}
                "type" => {
                    let fits = match rule.as_array() {
                        Some(names) => names.iter().any(|name| is(value, name)),
                        None => is(value, rule),
                    };
                    if !fits {
                        return refuse(&format!("not {rule}"));
                    }
                }
                "minimum" => {
                    if value
                        .as_f64()
                        .is_some_and(|number| number < rule.as_f64().unwrap())
                    {
                        return refuse(&format!("below {rule}"));
                    }
                }
                "minItems" | "maxItems" => {
                    let limit = rule.as_u64().unwrap();
                    let length = value.as_array().map_or(limit, |items| items.len() as u64);
                    if (keyword == "minItems" && length < limit)
                        || (keyword == "maxItems" && length > limit)
                    {
                        return refuse("another number of items");
                    }
                }
                "pattern" => {
                    if value
                        .as_str()
                        .is_some_and(|text| !matches(rule.as_str().unwrap(), text))
                    {
                        return refuse(&format!("not {rule}"));
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        let name = name.as_str().unwrap();
                        if value
                            .as_object()
                            .is_some_and(|fields| !fields.contains_key(name))
                        {
                            return refuse(&format!("{name} is missing"));
                        }
                    }
                }
                "properties" | "additionalProperties" => {}
                "items" | "prefixItems" => {}
                other => panic!("{place}: the keyword {other} is not known"),
            }
        }
        match value {
            Value::Object(fields) => {
                for (name, below) in fields {
                    let at = format!("{at}/{name}");
                    let (place, rule) = match schema["properties"].get(name) {
                        Some(property) => {
                            let place = format!("{place}/properties/{name}");
                            self.fields.push(place.clone());
                            (place, Some(property))
                        }
                        None => {
                            let place = format!("{place}/additionalProperties");
                            (place, schema.get("additionalProperties"))
                        }
                    };
                    if let Some(rule) = rule {
                        self.check(rule, &place, below, &at)?;
                    }
                }
            }
            Value::Array(items) => {
                for (number, below) in items.iter().enumerate() {
                    let at = format!("{at}/{number}");
                    let first = schema["prefixItems"].get(number);
                    if let Some(rule) = first.or(schema.get("items")) {
                        self.check(rule, &format!("{place}/items"), below, &at)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// One of the forms must fit.
    fn check_forms(
        &mut self,
        forms: &'s Value,
        place: &str,
        value: &Value,
        at: &str,
    ) -> Result<(), String> {
        let mut refused = Vec::new();
        for (number, form) in forms.as_array().unwrap().iter().enumerate() {
            let before = self.fields.len();
            match self.check(form, &format!("{place}/{number}"), value, at) {
                Ok(()) => return Ok(()),
                Err(cause) => {
                    self.fields.truncate(before);
                    refused.push(cause);
                }
            }
        }
        Err(refused.join("; or "))
    }
}

/// Whether a value is of this type.
fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known"),
    }
}

/// Whether a text has one of the forms that the schemas name.
fn matches(pattern: &str, text: &str) -> bool {
    let all = |text: &str, characters: &str| text.chars().all(|c| characters.contains(c));
    const WORD: &str = "abcdefghijklmnopqrstuvwxyz0123456789-";
    match pattern {
        "^[0-9a-f]{16}$" => text.len() == 16 && all(text, "0123456789abcdef"),
        "^2\\.[0-9]$" => text.len() == 3 && text.starts_with("2.") && all(&text[2..], "0123456789"),
        "^[rR]?[wW]?$" => ["", "r", "R", "w", "W", "rw", "rW", "Rw", "RW"].contains(&text),
        "^(structure|metadata|backup)\\.[a-z0-9-]+$" => {
            let parts = text.split_once('.');
            parts.is_some_and(|(first, rest)| {
                ["structure", "metadata", "backup"].contains(&first)
                    && !rest.is_empty()
                    && all(rest, WORD)
            })
        }
        other => panic!("the pattern {other} is not known"),
    }
}

/// The documented fields that the outputs of this thread had.
pub fn seen() -> Seen {
    SEEN.take()
}

/// The documented fields that are not among these, and the number of all.
pub fn never_seen(seen: &Seen) -> (Vec<String>, usize) {
    let mut missing = Vec::new();
    let mut number = 0;
    for (name, schema) in all() {
        let mut places = Vec::new();
        fields(schema, "", &mut places);
        number += places.len();
        for place in places {
            if !seen.contains(&(name.clone(), place.clone())) {
                missing.push(format!("{name}.json#{place}"));
            }
        }
    }
    (missing, number)
}

/// The places of all fields below a schema.
fn fields(schema: &Value, place: &str, found: &mut Vec<String>) {
    match schema {
        Value::Object(object) => {
            for (key, part) in object {
                let below = format!("{place}/{key}");
                if key == "properties" {
                    for (name, property) in part.as_object().unwrap() {
                        found.push(format!("{below}/{name}"));
                        fields(property, &format!("{below}/{name}"), found);
                    }
                } else {
                    fields(part, &below, found);
                }
            }
        }
        Value::Array(parts) => {
            for (at, part) in parts.iter().enumerate() {
                fields(part, &format!("{place}/{at}"), found);
            }
        }
        _ => {}
    }
}
