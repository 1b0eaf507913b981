//! `docs/cli.md` is made from the definition of the command line. `BOLTKEY_WRITE_PAGES=1` writes it
//! again.

use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command};

const BEGINNING: &str = "\
# Commands

Every command with its arguments, as `boltkey COMMAND --help` and `boltkey man` have them. This page
is made from the definition of the command line:
`BOLTKEY_WRITE_PAGES=1 cargo test --test repo page` writes it again. [json.md](json.md) has what the
commands print with `--json`.
";

/// The heading of the options that all commands accept.
const GLOBAL: &str = "Global options";

/// Help as Markdown, in which nothing has a meaning.
fn plain(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut safe = String::new();
    for c in text.chars() {
        if "\\<>*_[]`|".contains(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// `-d, --db <PATH>`.
fn name(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default().join("> <");
    let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let several = argument
        .get_num_args()
        .is_some_and(|range| range.max_values() > 1);
    let dots = if several || matches!(argument.get_action(), ArgAction::Append) {
        "..."
    } else {
        ""
    };
    if argument.is_positional() {
        return match argument.is_required_set() {
            true => format!("<{values}>{dots}"),
            false => format!("[{values}]{dots}"),
        };
    }
    let short = argument.get_short().map(|letter| format!("-{letter}"));
    let long = argument.get_long().map(|word| format!("--{word}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let value = match takes_value {
        true if dots.is_empty() => format!(" <{values}>"),
        true => format!(" <{values}>{dots}"),
        false => String::new(),
    };
    format!("{}{value}", names.join(", "))
}

fn item(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let help = plain(&help.map(ToString::to_string).unwrap_or_default());
    let mut item = format!("- `{}`: {help}", name(argument));
    let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if takes_value && !defaults.is_empty() && !argument.is_hide_default_value_set() {
        item.push_str(&format!(" (default: `{}`)", defaults.join(" ")));
    }
    let values = argument.get_possible_values();
    let values: Vec<String> = values
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), plain(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if takes_value && !values.is_empty() && !argument.is_hide_possible_values_set() {
        item.push_str(&format!("; one of {}", values.join(", ")));
    }
    if let Some(others) = argument.get_visible_aliases().filter(|all| !all.is_empty()) {
        let others: Vec<String> = others.iter().map(|word| format!("`--{word}`")).collect();
        item.push_str(&format!("; also {}", others.join(", ")));
    }
    item.push('\n');
    item
}

/// The arguments by their headings, in the order of the help.
fn arguments(command: &Command) -> Vec<(String, Vec<&Arg>)> {
    let mut groups: Vec<(String, Vec<&Arg>)> = Vec::new();
    let shown = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set());
    for argument in shown {
        let heading = match argument.get_help_heading() {
            Some(heading) => heading.to_owned(),
            None if argument.is_positional() => "Arguments".to_owned(),
            None => "Options".to_owned(),
        };
        match groups.iter_mut().find(|(name, _)| *name == heading) {
            Some((_, group)) => group.push(argument),
            None => groups.push((heading, vec![argument])),
        }
    }
    groups.sort_by_key(|(heading, _)| match heading.as_str() {
        "Arguments" => 0,
        "Options" => 1,
        GLOBAL => 3,
        _ => 2,
    });
    groups
}

fn section(command: &Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or("boltkey").to_owned();
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    page.push_str(&format!("\n## {name}\n\n"));
    for paragraph in about.split("\n\n") {
        page.push_str(&format!("{}\n\n", plain(paragraph)));
    }
    page.push_str(&format!("```text\n{usage}\n```\n"));
    let is_only_group = command.has_subcommands() && command.is_subcommand_required_set();
    for (heading, group) in arguments(command) {
        // -h and --help are everywhere.
        let group: Vec<&Arg> = group
            .into_iter()
            .filter(|argument| argument.get_long() != Some("help"))
            .collect();
        if group.is_empty() || (is_only_group && name != "boltkey") {
            continue;
        }
        if heading == GLOBAL && name != "boltkey" {
            let names: Vec<String> = group
                .iter()
                .filter_map(|argument| argument.get_long())
                .map(|word| format!("`--{word}`"))
                .collect();
            page.push_str(&format!("\nGlobal options: {}\n", names.join(", ")));
            continue;
        }
        page.push_str(&format!("\n{heading}:\n\n"));
        for argument in group {
            page.push_str(&item(argument));
        }
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        page.push_str(&format!(
            "\n```text\n{}\n```\n",
            after.to_string().trim_end()
        ));
    }
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        section(below, page);
    }
}

fn page() -> String {
    let mut program = boltkey::cli::command().disable_help_subcommand(true);
    program.build();
    let mut page = String::from(BEGINNING);
    section(&program, &mut page);
    page
}

#[test]
fn the_page_has_every_command_and_argument() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let page = page();
    if std::env::var_os("BOLTKEY_WRITE_PAGES").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == page,
        "docs/cli.md differs; BOLTKEY_WRITE_PAGES=1 writes it again"
    );
}
