//! `explain`: what a finding means, or an error text of influxd, influx or bbolt, and what helps.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Code, Severity};

/// An error text of another program. The texts are those of InfluxDB 2.0 to 2.9 and of bbolt 1.3.6
/// to 1.5.0.
struct ErrorText {
    /// What identifies it, in lower case. `#` matches a number, `*` anything.
    pattern: &'static str,
    meaning: &'static str,
    cure: &'static str,
}

const DAMAGED: &str = "boltkey check names the damage. boltkey capture --out FILE and boltkey residue recover --out FILE \
     save the tokens that can still be read. Then restore a backup: boltkey backup restore.";

/// The first that matches is the answer, so the more exact ones come first.
const TEXTS: &[ErrorText] = &[
    ErrorText {
        pattern: "missing metadata for bucket",
        meaning: "influxd ends while starting: an InfluxDB bucket has no time-series metadata. influxd recovery org create makes such buckets.",
        cure: "boltkey check names the buckets. Restore a backup: boltkey backup restore.",
    },
    ErrorText {
        pattern: "unknown migration",
        meaning: "A newer influxd has opened this database. An older influxd does not start on it.",
        cure: "Start the newer release, or go back: boltkey downgrade check --to RELEASE shows the steps and what would be lost.",
    },
    ErrorText {
        pattern: "bucket \"_tasks\" not found",
        meaning: "influxd ends while starting: an organization has tasks, but its bucket _tasks does not exist.",
        cure: "boltkey check names the organization. Restore a backup: boltkey backup restore.",
    },
    ErrorText {
        pattern: "bucket \"*\" not found",
        meaning: "The file has no such bucket. Often the path is wrong, and influxd or influxd recovery has just created an empty file there.",
        cure: "boltkey status shows what the file is. boltkey locate lists every store of this host.",
    },
    ErrorText {
        pattern: "bucket not found",
        meaning: "The file has no such bucket. Often the path is wrong, and influxd or influxd recovery has just created an empty file there.",
        cure: "boltkey status shows what the file is. boltkey locate lists every store of this host.",
    },
    ErrorText {
        pattern: "unable to open boltdb file timeout",
        meaning: "Another process holds the lock of the database, usually a running influxd.",
        cure: "Stop it. boltkey status names the process.",
    },
    ErrorText {
        pattern: "unable to open boltdb",
        meaning: "influxd can't open the database: another process holds it, or it is not a valid bolt file.",
        cure: "boltkey status names the process or the damage.",
    },
    ErrorText {
        pattern: "timeout",
        meaning: "Another process holds the lock of the database, usually a running influxd.",
        cure: "Stop it. boltkey status names the process.",
    },
    ErrorText {
        pattern: "invalid page type: #: #",
        meaning: "bbolt reached a page of the wrong type: the tree of the database is damaged.",
        cure: DAMAGED,
    },
    ErrorText {
        pattern: "page # already freed",
        meaning: "The freelist of the database names a page that is in use, or a page twice.",
        cure: "boltkey check names the page. All records can still be read: boltkey compact --out FILE writes them to a new file.",
    },
    ErrorText {
        pattern: "invalid freelist page",
        meaning: "The page of the freelist is not a freelist. bbolt does not open the file.",
        cure: "All records can still be read: boltkey compact --out FILE writes them to a new file.",
    },
    ErrorText {
        pattern: "self identifies as",
        meaning: "bbolt reached a page whose header has another page's number: the tree of the database is damaged.",
        cure: DAMAGED,
    },
    ErrorText {
        pattern: "unexpected fault address",
        meaning: "bbolt read beyond the end of the file: it is shorter than its tree needs.",
        cure: DAMAGED,
    },
    ErrorText {
        pattern: "unauthorized access",
        meaning: "The server does not know the token, or the token or its user is inactive, or it lacks a permission.",
        cure: "boltkey auth verify --token-file FILE names the reason. boltkey recover operator makes a new operator token.",
    },
    ErrorText {
        pattern: "is unauthorized",
        meaning: "The server knows the token, but the token lacks the permission that is named.",
        cure: "boltkey auth verify --token-file FILE --can ACTION:TYPE checks it. boltkey recover operator makes an operator token.",
    },
    ErrorText {
        pattern: "authorization not found",
        meaning: "The server does not know the token.",
        cure: "boltkey auth verify --token-file FILE names the reason.",
    },
    ErrorText {
        pattern: "token is inactive",
        meaning: "The server knows the token, and it is inactive.",
        cure: "boltkey auth update ID --status active activates it.",
    },
    ErrorText {
        pattern: "user is inactive",
        meaning: "The user of the token is inactive, or was deleted.",
        cure: "boltkey auth show ID shows which. A token of a deleted user can't be revived: boltkey auth create makes another.",
    },
    ErrorText {
        pattern: "invalid database",
        meaning: "The file is not a bolt file, or neither of its meta pages is valid.",
        cure: "boltkey status shows what the file is.",
    },
    ErrorText {
        pattern: "version mismatch",
        meaning: "A meta page of the file has another version than bbolt knows: the page is damaged, or the file is of another program.",
        cure: "boltkey status shows what the file is.",
    },
    ErrorText {
        pattern: "checksum error",
        meaning: "Both meta pages of the file are damaged.",
        cure: "boltkey residue recover --out FILE needs a valid meta page. Restore a backup: boltkey backup restore.",
    },
];

/// What is known of a code or a text.
#[derive(Debug, Clone, Serialize)]
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
    /// What it means.
    pub meaning: &'static str,
    /// What helps.
    pub cure: &'static str,
}

/// Explains a code, with or without its first part, or an error text.
///
/// # Errors
/// [`ErrorKind::NoSuchRecord`] when neither is known; the hint names the nearest codes.
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
            meaning: code.meaning(),
            cure: code.cure(),
        });
    }
    let text = asked.to_lowercase();
    if let Some(known) = TEXTS.iter().find(|known| contains(&text, known.pattern)) {
        return Ok(Explanation {
            code: None,
            text: Some(known.pattern),
            severity: None,
            meaning: known.meaning,
            cure: known.cure,
        });
    }
    Err(Error::new(
        ErrorKind::NoSuchRecord,
        "this is neither the code of a finding nor a known error text",
    )
    .with_hint(format!(
        "the nearest codes are {}; docs/findings.md lists them all",
        nearest(name).join(", ")
    )))
}

/// The three codes whose names are most like this one.
fn nearest(name: &str) -> Vec<&'static str> {
    let likeness = |code: &Code| {
        let short = code.name().split_once('.').map_or("", |(_, short)| short);
        strsim::jaro_winkler(name, code.name()).max(strsim::jaro_winkler(name, short))
    };
    let mut codes: Vec<(f64, &str)> = Code::ALL
        .iter()
        .map(|code| (likeness(code), code.name()))
        .collect();
    codes.sort_by(|a, b| b.0.total_cmp(&a.0));
    codes.into_iter().take(3).map(|(_, name)| name).collect()
}

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
            // Not beyond the line, which is bounded.
            let line = found.lines().next().unwrap_or_default();
            return contains(line, tail);
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
                "bucket not found",
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
