//! `capture`: the plaintext tokens of a store, and the formats in which tokens are saved.

pub mod before_change;
pub mod of_pages;
pub mod read;
pub mod saved_values;
pub mod seal;
mod token_list;
pub mod unseal;
pub mod verify;

use std::io::{self, Write};

use serde::Serialize;
use zeroize::Zeroizing;

pub use token_list::TokenList;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::{Authorization, Catalog, Id, Kind, authorization, lost_records, names};
use crate::ops::auth::list::{Filters, Selection};
use crate::secret::{Token, TokenRef};
use crate::store::{Inspect, Snapshot};

/// A token in plaintext with the facts about its authorization.
pub struct Captured {
    /// The authorization's ID.
    pub id: Id,
    /// The token itself.
    pub token: Token,
    /// The kind of token. `None` where the record can't be decoded; then the other fields are
    /// empty.
    pub kind: Option<Kind>,
    /// As in the record.
    pub description: String,
    /// `active`, `inactive`, or another text from the record.
    pub status: String,
    /// The organization.
    pub org_id: Option<Id>,
    /// Its name; empty when it was deleted.
    pub org: String,
    /// The owner, if the record has one.
    pub user_id: Option<Id>,
    /// The owner's name; empty when the user was deleted.
    pub user: String,
    /// The permissions of a custom token, such as `read:buckets, write:tasks`; empty otherwise.
    pub permissions: String,
}

/// A [`Captured`] in memory of somebody else, to write it.
pub struct CapturedRef<'a> {
    /// The authorization's ID.
    pub id: Id,
    /// The token itself.
    pub token: TokenRef<'a>,
    kind: Option<Kind>,
    description: &'a str,
    status: &'a str,
    org_id: Option<Id>,
    org: &'a str,
    user_id: Option<Id>,
    user: &'a str,
    permissions: &'a str,
}

/// How captured tokens are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `{"format":"boltkey-capture/1","tokens":[…]}`.
    #[default]
    Json,
    /// A header line, then the fields of the JSON form in the same order, all quoted. Tokens and
    /// other exact fields are written byte for byte.
    Csv,
    /// `INFLUX_TOKEN_<ID>='…'`, for a shell to read, after a comment that describes the token.
    Env,
}

/// The plaintext tokens of `snapshot` that pass the filters, ascending by ID. Records that can't be
/// decoded are skipped and reported in the findings. For a damaged store, this includes tokens on
/// pages outside its trees and, without filters, tokens that are only in an index.
///
/// # Errors
/// [`crate::ErrorKind::NoSuchRecord`] when a filter names something that does not exist; otherwise
/// when the file can't be read.
pub fn capture(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    filters: Filters,
) -> Result<(TokenList, Vec<Finding>)> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    let all = filters.is_empty();
    let selection = Selection::new(filters, &catalog)?;
    let token_of =
        |record: &Authorization<'_>, catalog: &Catalog| plaintext(record, catalog, &selection);
    let (mut captured, mut findings) = collect(snapshot, &catalog, &token_of)?;
    let skipped = !findings.is_empty();
    for lost in lost_tokens(snapshot, inspect, &catalog, &token_of, all, skipped)? {
        captured.push(&lost);
    }
    captured.sort();
    findings.extend(catalog.skipped);
    findings.extend(lost);
    captured.hidden = skipped || catalog.hidden.hides(names::AUTHORIZATIONS);
    Ok((captured, findings))
}

/// The token of a record that passes the filters and has one in plaintext.
fn plaintext(
    record: &Authorization<'_>,
    catalog: &Catalog,
    selection: &Selection,
) -> Option<Token> {
    (!record.token.is_empty() && selection.takes(record, catalog))
        .then(|| Token::new(record.token.to_string()))
}

/// The tokens of a damaged store outside its readable records: those of records for which
/// `token_of` returns a token and, if `bare` is set, those without any record. `skipped` says that
/// some records can't be decoded.
///
/// # Errors
/// When the file can't be read.
pub(crate) fn lost_tokens(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    catalog: &Catalog,
    token_of: &dyn Fn(&Authorization<'_>, &Catalog) -> Option<Token>,
    bare: bool,
    skipped: bool,
) -> Result<Vec<Captured>> {
    let lost = lost_records::tokens(snapshot, inspect, skipped)?;
    let mut captured = Vec::new();
    for (id, value) in &lost.records {
        let key = id.to_string();
        if let Ok(record) = Authorization::decode(names::AUTHORIZATIONS, key.as_bytes(), value)
            && let Some(token) = token_of(&record, catalog)
        {
            captured.push(Captured::of(&record, token, catalog));
        }
    }
    if bare {
        let indexed = lost.indexed.into_iter();
        captured.extend(indexed.map(|(id, token)| Captured::bare(id, token)));
    }
    captured.sort_by_key(|one| one.id);
    Ok(captured)
}

/// The details of the records for which `token_of` returns a token, and findings about records that
/// can't be decoded.
pub(crate) fn collect(
    snapshot: &dyn Snapshot,
    catalog: &Catalog,
    token_of: &dyn Fn(&Authorization<'_>, &Catalog) -> Option<Token>,
) -> Result<(TokenList, Vec<Finding>)> {
    let mut captured = TokenList::default();
    let findings = each(snapshot, catalog, token_of, &mut |one| captured.push(&one))?;
    Ok((captured, findings))
}

/// Like [`collect`], but calls `visit` for each.
pub(crate) fn each(
    snapshot: &dyn Snapshot,
    catalog: &Catalog,
    token_of: &dyn Fn(&Authorization<'_>, &Catalog) -> Option<Token>,
    visit: &mut dyn FnMut(Captured),
) -> Result<Vec<Finding>> {
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if let Some(token) = token_of(record, catalog) {
            visit(Captured::of(record, token, catalog));
        }
    })
}

impl Captured {
    /// A token with the facts of its record.
    pub(crate) fn of(record: &Authorization<'_>, token: Token, catalog: &Catalog) -> Self {
        let org = catalog.orgs.get(&record.org_id);
        let user = record.user_id.and_then(|id| catalog.users.get(&id));
        let kind = record.class().kind;
        let permissions = match kind {
            Kind::Custom => {
                let texts: Vec<String> =
                    record.permissions.iter().map(ToString::to_string).collect();
                texts.join(", ")
            }
            _ => String::new(),
        };
        Self {
            id: record.id,
            token,
            kind: Some(kind),
            description: record.description.to_string(),
            status: record.shown_status().to_owned(),
            org_id: Some(record.org_id),
            org: org.map(|org| org.name.clone()).unwrap_or_default(),
            user_id: record.user_id,
            user: user.map(|user| user.name.clone()).unwrap_or_default(),
            permissions,
        }
    }

    /// A token of a record of which only the ID is known.
    pub(crate) fn bare(id: Id, token: Token) -> Self {
        Self {
            id,
            token,
            kind: None,
            description: String::new(),
            status: String::new(),
            org_id: None,
            org: String::new(),
            user_id: None,
            user: String::new(),
            permissions: String::new(),
        }
    }

    /// The same, lent.
    #[must_use]
    pub fn lent(&self) -> CapturedRef<'_> {
        CapturedRef {
            id: self.id,
            token: self.token.lent(),
            kind: self.kind,
            description: &self.description,
            status: &self.status,
            org_id: self.org_id,
            org: &self.org,
            user_id: self.user_id,
            user: &self.user,
            permissions: &self.permissions,
        }
    }
}

/// The columns of the CSV form, which are also the fields of the JSON form.
const COLUMNS: [&str; 9] = [
    "id",
    "token",
    "kind",
    "description",
    "status",
    "orgID",
    "org",
    "userID",
    "user",
];

/// Writes `tokens` to `out`.
///
/// # Errors
/// When `out` can't be written.
pub fn write<'t>(
    tokens: impl IntoIterator<Item = CapturedRef<'t>>,
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut writer = Writer::new(format, out)?;
    for token in tokens {
        writer.token(&token)?;
    }
    writer.end()
}

/// Writes tokens one by one through a buffer that is wiped.
pub struct Writer<'o> {
    out: &'o mut dyn Write,
    format: Format,
    line: Zeroizing<Vec<u8>>,
    first: bool,
}

impl<'o> Writer<'o> {
    /// Writes the start of the format.
    ///
    /// # Errors
    /// When `out` can't be written.
    pub fn new(format: Format, out: &'o mut dyn Write) -> io::Result<Self> {
        let mut line = Zeroizing::new(Vec::with_capacity(4096));
        match format {
            Format::Json => out.write_all(b"{\"format\":\"boltkey-capture/1\",\"tokens\":[")?,
            Format::Csv => csv_row(COLUMNS.map(|column| (Field::Exact, column)), &mut line),
            Format::Env => {}
        }
        out.write_all(&line)?;
        Ok(Self {
            out,
            format,
            line,
            first: true,
        })
    }

    /// Writes one token.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn token(&mut self, token: &CapturedRef<'_>) -> io::Result<()> {
        self.line.clear();
        match self.format {
            Format::Json => {
                let before: &[u8] = if self.first { b"\n" } else { b",\n" };
                self.line.extend_from_slice(before);
                json(token, &mut self.line)?;
            }
            Format::Csv => csv_line(token, &mut self.line),
            Format::Env => env_line(token, &mut self.line)?,
        }
        self.first = false;
        self.out.write_all(&self.line)
    }

    /// Writes the end of the format.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn end(self) -> io::Result<()> {
        if self.format == Format::Json {
            self.out.write_all(b"\n]}\n")?;
        }
        Ok(())
    }
}

/// One token as an object of the JSON form.
fn json(captured: &CapturedRef<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    #[derive(Serialize)]
    struct Object<'a> {
        id: Id,
        token: &'a str,
        kind: Option<Kind>,
        description: &'a str,
        status: &'a str,
        #[serde(rename = "orgID")]
        org_id: Option<Id>,
        org: &'a str,
        #[serde(rename = "userID")]
        user_id: Option<Id>,
        user: &'a str,
    }
    let object = Object {
        id: captured.id,
        token: captured.token.reveal(),
        kind: captured.kind,
        description: captured.description,
        status: captured.status,
        org_id: captured.org_id,
        org: captured.org,
        user_id: captured.user_id,
        user: captured.user,
    };
    Ok(serde_json::to_writer(line, &object)?)
}

/// One token as a line of the CSV form. Names and descriptions, which people choose, may look like
/// a formula; all other fields are exact.
fn csv_line(captured: &CapturedRef<'_>, line: &mut Vec<u8>) {
    let id = |id: Option<Id>| id.map(|id| id.to_string()).unwrap_or_default();
    let fields: [(Field, &str); COLUMNS.len()] = [
        (Field::Exact, &captured.id.to_string()),
        (Field::Exact, captured.token.reveal()),
        (Field::Exact, captured.kind.map_or("", Kind::name)),
        (Field::Text, captured.description),
        (Field::Exact, captured.status),
        (Field::Exact, &id(captured.org_id)),
        (Field::Text, captured.org),
        (Field::Exact, &id(captured.user_id)),
        (Field::Text, captured.user),
    ];
    csv_row(fields, line);
}

/// What a CSV field contains.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    /// A value that is written byte for byte.
    Exact,
    /// A text that people choose. If a spreadsheet would treat it as a formula, it gets an
    /// apostrophe in front, as spreadsheets write it.
    Text,
}

/// Writes one line.
fn csv_row(fields: [(Field, &str); COLUMNS.len()], line: &mut Vec<u8>) {
    for (n, (kind, text)) in fields.into_iter().enumerate() {
        if n > 0 {
            line.push(b',');
        }
        csv_field(kind, text, line);
    }
    line.extend_from_slice(b"\r\n");
}

/// Writes one quoted field.
fn csv_field(kind: Field, text: &str, line: &mut Vec<u8>) {
    line.push(b'"');
    if kind == Field::Text && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        line.push(b'\'');
    }
    for (n, part) in text.split('"').enumerate() {
        if n > 0 {
            line.extend_from_slice(b"\"\"");
        }
        line.extend_from_slice(part.as_bytes());
    }
    line.push(b'"');
}

/// The start of a comment in the `env` form.
const COMMENT: &str = "# INFLUX_TOKEN_";

/// One token as a shell assignment. Only the ID is part of the name, because people choose all
/// other texts.
///
/// The comment before it describes the token. Debug output escapes line ends, control characters
/// and invisible ones.
fn env_line(captured: &CapturedRef<'_>, line: &mut Vec<u8>) -> io::Result<()> {
    write!(line, "{COMMENT}{}: ", captured.id)?;
    match captured.kind {
        None => write!(line, "its record can't be decoded")?,
        Some(kind) => write!(line, "{:?}, {}", captured.description, kind.name())?,
    }
    for (of, name) in [("of", captured.user), ("in", captured.org)] {
        if !name.is_empty() {
            write!(line, " {of} {name:?}")?;
        }
    }
    if !captured.permissions.is_empty() {
        let permissions = format!("{:?}", captured.permissions);
        write!(line, ": {}", permissions.trim_matches('"'))?;
    }
    line.push(b'\n');
    write!(line, "INFLUX_TOKEN_{}='", captured.id)?;
    for (n, part) in captured.token.reveal().split('\'').enumerate() {
        if n > 0 {
            line.extend_from_slice(b"'\\''");
        }
        line.extend_from_slice(part.as_bytes());
    }
    line.extend_from_slice(b"'\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(token: &str, description: &str, format: Format) -> String {
        let captured = Captured {
            description: description.into(),
            ..Captured::bare(Id::new(0xa01).unwrap(), Token::new(token.into()))
        };
        let mut out = Vec::new();
        write([captured.lent()], format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_form() {
        let text = text("a\"b", "", Format::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["format"], "boltkey-capture/1");
        assert_eq!(value["tokens"][0]["token"], "a\"b");
        let object = value["tokens"][0].as_object().unwrap();
        assert!(object.keys().eq(COLUMNS));
    }

    #[test]
    fn csv_quotes_everything_and_defuses_only_chosen_texts() {
        let text = text("-abc==", "=1+\"x\"\nnext", Format::Csv);
        let (header, line) = text.split_once("\r\n").unwrap();
        assert!(header.starts_with("\"id\",\"token\",\"kind\","));
        assert_eq!(
            line,
            "\"0000000000000a01\",\"-abc==\",\"\",\"'=1+\"\"x\"\"\nnext\",\"\",\"\",\"\",\"\",\"\"\r\n"
        );
    }

    #[test]
    fn a_shell_reads_back_what_env_wrote() {
        for token in ["plain", "it's", "''", "$(id) `id` \\ \"", "a\nb"] {
            let script = format!(
                "{}printf %s \"$INFLUX_TOKEN_0000000000000a01\"",
                text(token, "x", Format::Env)
            );
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), token);
        }
    }
}
