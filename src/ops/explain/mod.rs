//! `explain`: what a finding means, or an error text of influxd, influx or bbolt, and what helps.

pub mod texts;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, Repair, Severity};
use crate::ops::explain::texts::{ErrorText, TEXTS};

/// What is known of a code or a text.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Explanation {
    /// The code, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The text that was recognized, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'static str>,
    /// How bad a finding with this code is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Whether a finding with this code can be told only if every record could be read.
    #[serde(rename = "needsAll", skip_serializing_if = "Option::is_none")]
    pub needs_all: Option<bool>,
    /// What `boltkey repair` does about findings with this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<Repair>,
    /// What it means.
    pub meaning: &'static str,
    /// What helps.
    pub cure: &'static str,
}

/// Explains a code, with or without its first part, or an error text.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when neither is known; the hint names the nearest ones.
pub fn explain(asked: &str) -> Result<Explanation> {
    let asked = asked.trim();
    let name = asked.trim_matches(['[', ']']);
    let code = Code::by_name(name).or_else(|| {
        let short = |code: &&Code| {
            code.name()
                .split_once('.')
                .is_some_and(|(_, short)| short == name)
        };
        Code::ALL.iter().find(short).copied()
    });
    if let Some(code) = code {
        return Ok(Explanation {
            code: Some(code),
            text: None,
            severity: Some(code.severity()),
            needs_all: Some(code.needs_all()),
            repair: Some(code.repair()),
            meaning: code.meaning(),
            cure: code.cure(),
        });
    }
    let text = plain(asked);
    if let Some(known) = TEXTS.iter().find(|known| is_in(known, &text)) {
        return Ok(Explanation {
            code: None,
            text: Some(known.name()),
            severity: None,
            needs_all: None,
            repair: None,
            meaning: known.meaning,
            cure: known.cure,
        });
    }
    Err(Error::new(
        ErrorKind::NoSuchRecord,
        "this is neither the code of a finding nor a known error text",
    )
    .with_hint(format!(
        "the nearest known ones are {}; docs/findings.md lists all codes",
        nearest(&text).join(", ")
    )))
}

/// A text as it is compared: in lower case, on one line, its quotes as the program wrote them. Logs
/// put a backslash before quotes, terminals break lines, and editors make curly quotes.
fn plain(asked: &str) -> String {
    let text = asked.to_lowercase().replace("\\\"", "\"");
    let text = text.replace(['\u{201c}', '\u{201d}', '\u{201e}'], "\"");
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Whether a text has one of the patterns.
fn is_in(known: &ErrorText, text: &str) -> bool {
    let mut patterns = known.patterns.iter();
    patterns.any(|pattern| match pattern.strip_prefix('=') {
        Some(whole) => text == whole,
        None => contains(text, pattern),
    })
}

/// The three codes and texts that are most like this one.
fn nearest(asked: &str) -> Vec<String> {
    let codes = Code::ALL.iter().map(|code| {
        let short = code.name().split_once('.').map_or("", |(_, short)| short);
        let likeness = strsim::jaro_winkler(asked, code.name());
        let likeness = likeness.max(strsim::jaro_winkler(asked, short));
        (likeness, code.name().to_owned())
    });
    let texts = TEXTS.iter().map(|known| {
        let likeness = strsim::jaro_winkler(asked, known.name());
        (likeness, format!("{:?}", known.name()))
    });
    let mut all: Vec<(f64, String)> = codes.chain(texts).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `*` of a pattern stands for fewer characters than this.
const MOST_IN_A_GAP: usize = 300;

/// Whether a text contains a pattern.
fn contains(text: &str, pattern: &str) -> bool {
    text.char_indices()
        .any(|(at, _)| text.get(at..).is_some_and(|rest| begins(rest, pattern)))
}

fn begins(mut text: &str, pattern: &str) -> bool {
    let mut rest = pattern;
    while let Some(at) = rest.find(['#', '*']) {
        let (literal, after) = rest.split_at(at);
        let Some(found) = text.strip_prefix(literal) else {
            return false;
        };
        if let Some(tail) = after.strip_prefix('#') {
            let number = found.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            if number.len() == found.len() {
                return false;
            }
            (text, rest) = (number, tail);
        } else {
            let tail = after.get(1..).unwrap_or_default();
            let end = found.char_indices().nth(MOST_IN_A_GAP);
            let gap = found.get(..end.map_or(found.len(), |(at, _)| at));
            return contains(gap.unwrap_or_default(), tail);
        }
    }
    text.starts_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_are_known() {
        for asked in [
            "structure.leaked",
            "leaked",
            "[structure.leaked]",
            " leaked\n",
        ] {
            assert_eq!(explain(asked).unwrap().code, Some(Code::Leaked), "{asked}");
        }
        for (asked, pattern) in [
            (
                "panic: invalid page type: 41: 10",
                "invalid page type: #: #",
            ),
            ("panic: page 113 already freed", "page # already freed"),
            (
                "unable to open boltdb file timeout",
                "unable to open boltdb file timeout",
            ),
            (
                "Error: bucket \"authorizationsv1\": bucket not found",
                "bucket \"*\" not found",
            ),
            (
                "Failed to start: bucket \"_tasks\" not found",
                "bucket \"_tasks\" not found",
            ),
            ("bucket \"metrics\" not found", "bucket \"*\" not found"),
            (
                "DB contains record of unknown migration \"x\"",
                "unknown migration",
            ),
            (
                "assertion failed: Page expected to be: 5, but self identifies as 0",
                "self identifies as",
            ),
            (
                "401 Unauthorized: Unauthorized access",
                "unauthorized access",
            ),
        ] {
            assert_eq!(explain(asked).unwrap().text, Some(pattern), "{asked}");
        }
    }

    #[test]
    fn what_is_unknown_names_the_nearest() {
        let error = explain("metadata.token-index-absnt").unwrap_err();
        assert!(
            error
                .hint()
                .unwrap()
                .contains("metadata.token-index-absent")
        );
        for asked in ["", "#", "invalid page type: x", "bucket \"", "\u{1f600}"] {
            let _ = explain(asked);
        }
    }
}
