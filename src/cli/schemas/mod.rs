//! The JSON Schemas in `docs/schemas`, made from the report types.

mod strict;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

use self::strict::{drop_unused, finish, remove};
use super::commands::{
    apply, auth, backup, bucket, capture, completions, convert, downgrade, hash, man, org, repair,
    report, residue, setup, token, token_report, user, v1,
};
use crate::metadata::{Id, Kind};
use crate::ops::auth::list::AuthDetails;
use crate::ops::known::List;
use crate::ops::report::StoreReport;
use crate::ops::status::Status;

/// A form that the output of a command has.
struct Form {
    /// When it has it; empty if always.
    when: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
}

/// The output of a command.
struct Output {
    /// The name of the file: the words of the command with hyphens between them.
    file: &'static str,
    /// What it is.
    title: &'static str,
    forms: Vec<Form>,
    /// Fields of the types that this command never prints: `TYPE/FIELD`, `0/FIELD` of the first of
    /// several forms, or `FIELD` of the only one.
    without: &'static [&'static str],
}

impl Output {
    fn without(self, without: &'static [&'static str]) -> Self {
        Self { without, ..self }
    }
}

/// What only 1.x-compatible authorizations have.
const NO_V1: &[&str] = &["Authorization/hasPassword"];
/// What the permissions of an operator token do not have.
const OPERATOR: &[&str] = &[
    "Authorization/hasPassword",
    "NamedResource/id",
    "NamedResource/orgID",
    "NamedResource/name",
    "NamedResource/org",
];

fn always<T: JsonSchema>(file: &'static str, title: &'static str) -> Output {
    Output {
        file,
        title,
        forms: vec![when::<T>("")],
        without: &[],
    }
}

fn when<T: JsonSchema>(when: &'static str) -> Form {
    Form {
        when,
        schema: T::json_schema,
    }
}

/// `auth list` and `v1 auth list`, which print while they read.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Authorizations {
    /// By ID.
    authorizations: List<AuthDetails<'static>>,
    /// The fields that lack what damage hides.
    incomplete: Vec<String>,
}

/// `report --format json`, which is written store by store.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct ReportDocument {
    /// The name of the format: `boltkey-report/1`.
    format: String,
    /// The version of boltkey.
    version: String,
    /// When it was made, RFC 3339 in UTC.
    made: String,
    /// A row for each store, the worst first.
    overview: Vec<report::document::OverviewRow>,
    /// The stores that could be read, in the order in which they were found.
    stores: Vec<StoreReport>,
}

/// The JSON form of a capture, which is written token by token.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct CaptureFile {
    /// The name of the format: `boltkey-capture/1`.
    format: String,
    /// The tokens, ascending by ID.
    tokens: Vec<CapturedToken>,
}

/// A token with its value, and what is known about it.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct CapturedToken {
    /// The authorization.
    id: Id,
    /// The token itself, byte for byte.
    token: String,
    /// The kind of token; null if its record can't be read.
    kind: Option<Kind>,
    /// May be empty.
    description: String,
    /// `active` or `inactive`; empty if its record can't be read.
    status: String,
    /// The organization it belongs to; null if its record can't be read.
    #[serde(rename = "orgID")]
    org_id: Option<Id>,
    /// That organization's name; empty if it was deleted.
    org: String,
    /// Its owner, if it has one.
    #[serde(rename = "userID")]
    user_id: Option<Id>,
    /// The owner's name; empty if there is no such user.
    user: String,
}

/// The last line of standard error when a command with `--json` fails.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct Failure {
    /// Why the command failed.
    error: report::document::Reason,
}

fn outputs() -> Vec<Output> {
    let accounts = [
        always::<crate::ops::user::list::Users>("user-list", "boltkey user list"),
        always::<user::report::Report<'_>>("user-create", "boltkey user create").without(&[
            "tokens",
            "indexEntryCreated",
            "renamedFrom",
        ]),
        always::<user::report::Report<'_>>("user-password", "boltkey user password")
            .without(&["tokens", "renamedFrom"]),
        always::<user::report::Report<'_>>("user-update", "boltkey user update")
            .without(&["tokens", "indexEntryCreated"]),
        always::<user::report::Report<'_>>("user-delete", "boltkey user delete")
            .without(&["indexEntryCreated", "renamedFrom"]),
        always::<user::verify::Report<'_>>("user-verify", "boltkey user verify"),
        always::<crate::ops::org::list::Orgs>("org-list", "boltkey org list"),
        always::<org::create::Report<'_>>("org-create", "boltkey org create"),
        always::<crate::ops::bucket::list::Buckets>("bucket-list", "boltkey bucket list"),
        always::<bucket::create::Report<'_>>("bucket-create", "boltkey bucket create")
            .without(&["Bucket/rp"]),
        always::<bucket::adopt::Report<'_>>("bucket-adopt", "boltkey bucket adopt"),
        always::<Authorizations>("v1-auth-list", "boltkey v1 auth list"),
        always::<v1::auth::report::Report<'_>>("v1-auth-create", "boltkey v1 auth create")
            .without(&["indexEntryCreated"]),
        always::<v1::auth::report::Report<'_>>("v1-auth-update", "boltkey v1 auth update")
            .without(&["indexEntryCreated"]),
        always::<v1::auth::report::Report<'_>>("v1-auth-password", "boltkey v1 auth password"),
        always::<v1::auth::delete::Report<'_>>("v1-auth-delete", "boltkey v1 auth delete"),
        always::<crate::ops::v1::dbrp::list::Dbrps>("v1-dbrp-list", "boltkey v1 dbrp list"),
        always::<v1::dbrp::report::Report<'_>>("v1-dbrp-create", "boltkey v1 dbrp create"),
        always::<v1::dbrp::report::Report<'_>>("v1-dbrp-update", "boltkey v1 dbrp update"),
        always::<v1::dbrp::report::Report<'_>>("v1-dbrp-delete", "boltkey v1 dbrp delete"),
    ];
    let mut outputs = looking();
    outputs.extend(tokens());
    outputs.extend(accounts);
    outputs.extend(files());
    outputs
}

fn looking() -> Vec<Output> {
    vec![
        always::<Status>("status", "boltkey status"),
        always::<crate::ops::doctor::Examined>("doctor", "boltkey doctor"),
        always::<crate::ops::check::Checked>("check", "boltkey check"),
        always::<crate::ops::explain::Explanation>("explain", "boltkey explain"),
        always::<crate::ops::diff::Diff>("diff", "boltkey diff"),
        always::<crate::ops::locate::Located>("locate", "boltkey locate"),
        always::<report::Written>("report", "boltkey report --out FILE"),
        always::<ReportDocument>("report-document", "boltkey report --format json"),
        Output {
            file: "report-line",
            title: "A line of boltkey report --format ndjson",
            forms: vec![
                when::<Status>("The store was read. As `boltkey status` prints it."),
                when::<report::document::Unread>("The store could not be read."),
            ],
            without: &[],
        },
        always::<Failure>("error", "A failure, on standard error"),
        always::<completions::Completions>("completions", "boltkey completions"),
        always::<man::Pages>("man", "boltkey man"),
    ]
}

fn tokens() -> Vec<Output> {
    use token_report::Report as Made;
    vec![
        always::<Authorizations>("auth-list", "boltkey auth list"),
        always::<crate::ops::auth::show::Shown<'_>>("auth-show", "boltkey auth show"),
        always::<crate::ops::auth::verify::Verified<'_>>("auth-verify", "boltkey auth verify")
            .without(NO_V1),
        always::<Made<'_>>("auth-create", "boltkey auth create").without(NO_V1),
        always::<Made<'_>>("auth-create-operator", "boltkey auth create-operator")
            .without(OPERATOR),
        always::<Made<'_>>("recover-operator", "boltkey recover operator").without(OPERATOR),
        always::<Made<'_>>("auth-clone", "boltkey auth clone").without(NO_V1),
        Output {
            file: "auth-rotate",
            title: "boltkey auth rotate",
            forms: vec![
                when::<Made<'_>>("One authorization, given by its ID."),
                when::<auth::rotate_many::Report<'_>>("Several IDs, or filters."),
            ],
            without: &["Authorization/hasPassword", "0/login", "0/loginHadPower"],
        },
        Output {
            file: "auth-update",
            title: "boltkey auth update",
            forms: vec![
                when::<auth::update::Report<'_>>("One authorization, given by its ID."),
                when::<auth::update::ManyReport<'_>>("Several IDs, or filters."),
            ],
            without: NO_V1,
        },
        always::<auth::delete::Report<'_>>("auth-delete", "boltkey auth delete"),
        always::<auth::export::Report>("auth-export", "boltkey auth export --out FILE"),
        always::<apply::Report<'_>>("apply", "boltkey apply"),
        always::<token::generate::Generated<'_>>("token-generate", "boltkey token generate"),
        always::<token::hash::Hashed>("token-hash", "boltkey token hash"),
        always::<capture::Report>("capture", "boltkey capture --out FILE"),
        always::<CaptureFile>("capture-file", "A capture, --format json"),
        always::<capture::verify::Report>("capture-verify", "boltkey capture verify"),
        always::<hash::Report>("hash", "boltkey hash"),
        always::<residue::scan::Report>("residue-scan", "boltkey residue scan"),
        always::<residue::recover::Recovery>("residue-recover", "boltkey residue recover"),
        always::<residue::scrub::Report>("residue-scrub", "boltkey residue scrub"),
    ]
}

fn files() -> Vec<Output> {
    vec![
        Output {
            file: "setup",
            title: "boltkey setup",
            forms: vec![
                when::<setup::Report<'_>>("The store was made."),
                when::<setup::Present>("The store is there already, as it was asked for."),
            ],
            without: OPERATOR,
        },
        always::<crate::ops::downgrade::check::Outlook>(
            "downgrade-check",
            "boltkey downgrade check",
        ),
        always::<downgrade::prepare::Report<'_>>("downgrade-prepare", "boltkey downgrade prepare"),
        always::<downgrade::apply::Report<'_>>("downgrade-apply", "boltkey downgrade apply"),
        always::<backup::export::Report>("backup-export", "boltkey backup export --out DIR"),
        always::<crate::ops::backup::inspect::Inspected>(
            "backup-inspect",
            "boltkey backup inspect",
        ),
        Output {
            file: "backup-restore",
            title: "boltkey backup restore",
            forms: vec![
                when::<backup::restore::Report<'_>>("The given operator token opens the backup."),
                when::<backup::restore::Refusal>("It does not: exit code 3."),
            ],
            without: OPERATOR,
        },
        always::<backup::token::Report<'_>>("backup-token", "boltkey backup token")
            .without(OPERATOR),
        always::<convert::Report>("convert", "boltkey convert"),
        always::<convert::Report>("compact", "boltkey compact"),
        always::<repair::Report<'_>>("repair", "boltkey repair"),
        always::<crate::ops::salvage::Report>("salvage", "boltkey salvage"),
    ]
}

/// The schema of an output, with all that it refers to.
fn schema(output: &Output) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.into_generator();
    let mut forms: Vec<Value> = Vec::new();
    for form in &output.forms {
        let mut schema = (form.schema)(&mut generator).to_value();
        if !form.when.is_empty() {
            schema["description"] = form.when.into();
        }
        forms.push(schema);
    }
    let mut root = Map::new();
    root.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    root.insert("title".into(), output.title.into());
    if let [_] = forms.as_slice() {
        if let Some(Value::Object(only)) = forms.pop() {
            root.extend(only);
        }
    } else {
        root.insert("anyOf".into(), forms.into());
    }
    // The document as a whole is described by its title.
    root.insert("title".into(), output.title.into());
    root.remove("description");
    let definitions = generator.take_definitions(true);
    let mut root = Value::Object(root);
    let mut definitions = Value::Object(definitions);
    for field in output.without {
        match field.split_once('/') {
            Some(("0", field)) => remove(&mut root["anyOf"][0], field),
            Some((name, field)) => remove(&mut definitions[name], field),
            None => remove(&mut root, field),
        }
    }
    let known = definitions.clone();
    for (_, definition) in definitions.as_object_mut().into_iter().flatten() {
        finish(definition, &known);
    }
    finish(&mut root, &known);
    drop_unused(&root, &mut definitions);
    if definitions.as_object().is_some_and(|all| !all.is_empty()) {
        root["$defs"] = definitions;
    }
    root
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")
}

#[test]
fn the_files_are_made_from_the_types() {
    let write = std::env::var_os("BOLTKEY_WRITE_PAGES").is_some();
    let mut names = BTreeSet::new();
    for output in outputs() {
        let name = format!("{}.json", output.file);
        let mut text = serde_json::to_string_pretty(&schema(&output)).unwrap();
        text.push('\n');
        let path = folder().join(&name);
        if write {
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == text,
            "docs/schemas/{name} differs; BOLTKEY_WRITE_PAGES=1 writes it again"
        );
        assert!(names.insert(name), "{} stands twice", output.file);
    }
    let there: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, there);
}

/// All properties below a schema, with the path to them.
fn properties<'s>(schema: &'s Value, path: &str, found: &mut Vec<(String, &'s Value)>) {
    match schema {
        Value::Object(object) => {
            for (key, part) in object {
                let below = format!("{path}/{key}");
                if key == "properties" {
                    for (name, property) in part.as_object().into_iter().flatten() {
                        found.push((format!("{below}/{name}"), property));
                    }
                }
                properties(part, &below, found);
            }
        }
        Value::Array(parts) => {
            for (at, part) in parts.iter().enumerate() {
                properties(part, &format!("{path}/{at}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_field_is_described() {
    let mut described = 0;
    for output in outputs() {
        let schema = schema(&output);
        let mut found = Vec::new();
        properties(&schema, output.file, &mut found);
        for (path, property) in found {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{path} has no description");
            assert!(!text.contains("[`"), "{path} has a link of Rust: {text}");
            described += 1;
        }
    }
    assert!(described > 500, "{described}");
}

#[test]
fn every_command_has_a_schema() {
    fn leaves(command: &clap::Command, above: &str, found: &mut BTreeSet<String>) {
        for one in command.get_subcommands() {
            let name = format!("{above}{}", one.get_name());
            leaves(one, &format!("{name}-"), found);
            if !(one.has_subcommands() && one.is_subcommand_required_set()) {
                found.insert(name);
            }
        }
    }
    let mut commands = BTreeSet::new();
    leaves(&super::command(), "", &mut commands);
    let mut files: BTreeSet<String> = outputs().iter().map(|one| one.file.to_owned()).collect();
    for other in ["capture-file", "error", "report-document", "report-line"] {
        assert!(files.remove(other), "{other}");
    }
    assert_eq!(commands, files);
}
