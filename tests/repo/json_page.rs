//! `docs/json.md` is made from the schemas in `docs/schemas`. `BOLTKEY_WRITE_PAGES=1` writes it again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

const BEGINNING: &str = "\
# JSON

With `--json` a command prints one JSON document on standard output and nothing else there. Messages
go to standard error. This page lists the fields on top of each document; the schema of the command,
a [JSON Schema](https://json-schema.org) in `docs/schemas`, describes all of them. The tests hold
every output to its schema: no field is missing there, and each of its fields occurs.

This page and the schemas are made from the types of the reports:
`BOLTKEY_WRITE_PAGES=1 cargo test --lib schemas` and then
`BOLTKEY_WRITE_PAGES=1 cargo test --test repo page` write them again.

## What scripts may rely on

- Fields are only ever added. The schemas allow no fields besides those of their own release
  (`additionalProperties` is `false`), which suits a test; a script should skip fields that it does
  not know.
- What can't be known because of damage is `null`, never `0` or an empty list. A list of which damage
  may hide a part has the rest; `incomplete` names the fields that lack something.
- The schema lists the fields that are always there under `required`. The others are left out where
  they do not apply.
- IDs are text of 16 hexadecimal digits, as in InfluxDB's API. Times are RFC 3339. Sizes are in bytes.
- A token is printed only where it was just made or where `--reveal` asks for it. Otherwise it is
  `\"REDACTED\"`, and `\"N/A\"` where the record has none.
- Exit codes 0 and 3 both come with the document: 3 means that the answer is \"no\", such as a check
  that found errors.

";

/// What a field is, in words.
fn kind(root: &Value, schema: &Value) -> String {
    if let Some(path) = schema["$ref"].as_str() {
        return kind(root, root.pointer(&path[1..]).unwrap());
    }
    let mut kinds: Vec<String> = Vec::new();
    let forms = ["anyOf", "oneOf"].map(|key| schema[key].as_array());
    for form in forms.into_iter().flatten().flatten() {
        kinds.push(kind(root, form));
    }
    if let Some(word) = schema["const"].as_str() {
        kinds.push(format!("`{word}`"));
    }
    for word in schema["enum"].as_array().into_iter().flatten() {
        kinds.push(
            word.as_str()
                .map_or("null".into(), |word| format!("`{word}`")),
        );
    }
    let types = match &schema["type"] {
        _ if !kinds.is_empty() => Vec::new(),
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    for name in types {
        kinds.push(match name {
            "array" => match kind(root, &schema["items"]).as_str() {
                "text" => "list of texts".into(),
                "object" => "list of objects".into(),
                "number" => "list of numbers".into(),
                words if words.starts_with('`') => format!("list of {words}"),
                _ => "list".into(),
            },
            "string" => "text".into(),
            "integer" => "number".into(),
            "boolean" => "true or false".into(),
            other => other.into(),
        });
    }
    let (nulls, mut others): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|one| one == "null");
    others.dedup();
    if others.is_empty() {
        return "null".into();
    }
    let null = if nulls.is_empty() { "" } else { ", or null" };
    format!("{}{null}", others.join(", "))
}

/// The table of the fields of an object.
fn table(root: &Value, schema: &Value, page: &mut String) {
    page.push_str("| field | | |\n| --- | --- | --- |\n");
    let required = schema["required"].as_array();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let always = required.is_some_and(|required| required.iter().any(|one| one == name));
        let kind = kind(root, property);
        let kind = if always {
            kind
        } else {
            format!("{kind}; not always there")
        };
        let text = property["description"].as_str().unwrap_or_default();
        page.push_str(&format!("| `{name}` | {kind} | {} |\n", cell(text)));
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<")
}

fn section(title: &str, file: &str, before: &str, page: &mut String) {
    let text = fs::read(docs().join(format!("schemas/{file}.json"))).unwrap();
    let schema: Value = serde_json::from_slice(&text).unwrap();
    page.push_str(&format!("\n### {title}\n\n"));
    if !before.is_empty() {
        page.push_str(&format!("{before}\n\n"));
    }
    page.push_str(&format!("Schema: [{file}.json](schemas/{file}.json)\n\n"));
    match schema["anyOf"].as_array() {
        None => {
            table(&schema, &schema, page);
            let fields = schema["properties"].as_object().unwrap();
            if let Some((name, only)) = fields.iter().next().filter(|_| fields.len() == 1)
                && let Some(path) = only["$ref"].as_str()
            {
                page.push_str(&format!("\nIn `{name}`:\n\n"));
                table(&schema, schema.pointer(&path[1..]).unwrap(), page);
            }
        }
        Some(forms) => {
            for (at, form) in forms.iter().enumerate() {
                if at > 0 {
                    page.push('\n');
                }
                let when = form["description"].as_str().unwrap();
                page.push_str(&format!("{when}\n\n"));
                table(&schema, form, page);
            }
        }
    }
}

/// The sections of the commands, in the order of the help.
fn commands(command: &clap::Command, above: &str, page: &mut String) {
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let name = format!("{above}{}", one.get_name());
        if !(one.has_subcommands() && one.is_subcommand_required_set()) {
            section(
                &format!("boltkey {name}"),
                &name.replace(' ', "-"),
                "",
                page,
            );
        }
        if name == "capture" {
            section(
                "A capture in JSON",
                "capture-file",
                "The file of `capture`, `residue recover`, and of `auth rotate` for several tokens, with\n\
                 `--format json`. It holds secrets.",
                page,
            );
        }
        if name == "report" {
            section(
                "boltkey report --format json",
                "report-document",
                "The report itself, with `--format json`.",
                page,
            );
            section(
                "boltkey report --format ndjson",
                "report-line",
                "One line for each store, each line a JSON document, for DuckDB, Spark or a log pipeline.",
                page,
            );
        }
        commands(one, &format!("{name} "), page);
    }
}

fn page() -> String {
    let mut page = String::from(BEGINNING);
    page.push_str("## Failures\n");
    section(
        "A command that fails",
        "error",
        "With `--json`, the last line of standard error is one JSON document. Nothing stands on \
         standard\noutput, unless the change was made and a later step failed (`incomplete`).",
        &mut page,
    );
    page.push_str("\n## Commands\n");
    commands(&boltkey::cli::command(), "", &mut page);
    page
}

#[test]
fn the_page_is_made_from_the_schemas() {
    let path = docs().join("json.md");
    let page = page();
    if std::env::var_os("BOLTKEY_WRITE_PAGES").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == page,
        "docs/json.md differs; BOLTKEY_WRITE_PAGES=1 writes it again"
    );
    for file in fs::read_dir(docs().join("schemas")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(page.contains(&format!("](schemas/{name})")), "{name}");
    }
}
