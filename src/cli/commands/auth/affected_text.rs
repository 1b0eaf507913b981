//! Several tokens in a question or a report: by name if they are few, otherwise by numbers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::cli::terminal::report::printable;
use crate::finding::counted;
use crate::metadata::Kind;
use crate::ops::auth::affected_tokens::{AffectedToken, AffectedTokens};

/// So many are listed in a question.
const FEW: usize = 5;

/// So many are listed in a report without `--verbose`.
const MOST_LINES: usize = 50;

/// The tokens: each of them, or their numbers by kind, user and organization and the first names.
#[must_use]
pub fn summary(affected: &AffectedTokens) -> String {
    let tokens = &affected.tokens;
    if tokens.len() <= FEW {
        let names: Vec<String> = tokens.iter().map(named).collect();
        return names.join(", ");
    }
    let mut numbers = vec![by_kind(tokens)];
    let unusable = tokens.iter().filter(|token| !token.usable).count();
    if unusable > 0 {
        numbers.push(format!("{unusable} not usable"));
    }
    let quoted = |name: &Option<String>| name.as_ref().map(|name| format!("{name:?}"));
    let users = tokens.iter().map(|token| quoted(&token.user));
    numbers.push(by_name(users, "of", "without a user"));
    let orgs = tokens.iter().map(|token| quoted(&token.org));
    numbers.push(by_name(orgs, "in", "without an organization"));
    let names = tokens
        .iter()
        .take(FEW)
        .map(|token| match &token.description {
            Some(description) if !description.is_empty() => format!("{description:?}"),
            _ => token.id.to_string(),
        });
    printable(&format!(
        "{}; {} and {} more",
        numbers.join("; "),
        names.collect::<Vec<_>>().join(", "),
        tokens.len() - FEW
    ))
}

/// The numbers of tokens by kind.
fn by_kind(tokens: &[AffectedToken]) -> String {
    let kinds = [
        (Some(Kind::Operator), "operator"),
        (Some(Kind::AllAccess), "all-access"),
        (Some(Kind::Custom), "custom"),
        (None, "that can't be decoded"),
    ];
    let numbers = kinds.into_iter().filter_map(|(kind, name)| {
        let number = tokens.iter().filter(|token| token.kind == kind).count();
        (number > 0).then(|| format!("{number} {name}"))
    });
    numbers.collect::<Vec<_>>().join(", ")
}

/// The numbers by name, the most frequent first.
fn by_name(
    names: impl Iterator<Item = Option<String>>,
    preposition: &str,
    nameless: &str,
) -> String {
    let mut numbers: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for name in names {
        *numbers.entry(name).or_default() += 1;
    }
    let mut numbers: Vec<(Option<String>, usize)> = numbers.into_iter().collect();
    numbers.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let text = |(name, number): &(Option<String>, usize)| match name {
        Some(name) => format!("{number} {preposition} {name}"),
        None => format!("{number} {nameless}"),
    };
    if let [(Some(name), _)] = numbers.as_slice() {
        return format!("all {preposition} {name}");
    }
    let rest: usize = numbers.iter().skip(FEW).map(|(_, number)| number).sum();
    let mut texts: Vec<String> = numbers.iter().take(FEW).map(text).collect();
    if rest > 0 {
        texts.push(format!("{rest} {preposition} others"));
    }
    texts.join(", ")
}

/// The usable operator tokens that are left after these tokens stop working. Empty if one is, and
/// none remains: the question says so itself.
#[must_use]
pub fn operators_left(affected: &AffectedTokens) -> String {
    match (affected.other_operators, affected.operators()) {
        (0, 1..) => String::new(),
        (0, 0) => " No operator token is usable, before or after.".into(),
        (1, _) => " 1 usable operator token remains.".into(),
        (number, _) => format!(" {number} usable operator tokens remain."),
    }
}

/// One token as text.
#[must_use]
pub fn named(token: &AffectedToken) -> String {
    let Some(kind) = token.kind else {
        return format!("{} (can't be decoded)", token.id);
    };
    let mut text = format!("{} ({}", token.id, kind.name());
    if let Some(description) = token.description.as_deref().filter(|text| !text.is_empty()) {
        text.push_str(&format!(" {description:?}"));
    }
    match &token.user {
        Some(user) => text.push_str(&format!(" of {user:?}")),
        None => text.push_str(" without a user"),
    }
    if let Some(org) = &token.org {
        text.push_str(&format!(" in {org:?}"));
    }
    if !token.usable {
        text.push_str(", not usable");
    }
    text.push(')');
    printable(&text)
}

/// Writes a line for each token, or for the first ones unless `all`.
///
/// # Errors
/// Those of `out`.
pub fn write_lines(tokens: &[AffectedToken], all: bool, out: &mut dyn Write) -> io::Result<()> {
    let most = if all { tokens.len() } else { MOST_LINES };
    for token in tokens.iter().take(most) {
        writeln!(out, "  {}", named(token))?;
    }
    let more = tokens.len().saturating_sub(most) as u64;
    if more > 0 {
        let more = counted(more, "more token");
        writeln!(out, "  and {more}; --verbose lists all, --json too")?;
    }
    Ok(())
}
