//! A report as Markdown, for tickets and wikis.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use crate::cli::commands::report::document::{Document, Head, OverviewRow};
use crate::cli::commands::report::html::{cut, in_words};
use crate::cli::commands::report::{
    and_more, duration, known_or_unknown, percent, plaintext_in_words, summary, ways_in,
};
use crate::cli::terminal::report::printable;
use crate::error::Result;
use crate::finding::counted;
use crate::ops::known::Number;
use crate::ops::report::StoreReport;
use crate::ops::report::tokens::{Grant, ReportedToken, State};
use crate::ops::report::who_holds_what::What;

/// Characters of names that are whole in another table.
const NAME: usize = 60;
/// Longer texts about permissions are once below the table.
const LONG_ACCESS: usize = 300;

/// The document.
pub struct Markdown;

impl Document for Markdown {
    fn section(&self, store: &StoreReport, _: usize, alone: bool) -> Result<Vec<u8>> {
        let mut page = Page::new(alone);
        if !alone {
            let path = store.status.database.path.display().to_string();
            page.line(&format!("## {}", text(&path)));
        }
        page.store(store);
        Ok(page.text.into_bytes())
    }

    fn begin(&self, head: &Head) -> Result<Vec<u8>> {
        let mut page = Page::new(head.alone);
        page.line("# InfluxDB token store report");
        page.line(&format!(
            "Made by boltkey {} at {}. It contains no token, no hash and no password.",
            head.version, head.made
        ));
        if head.alone {
            for row in &head.rows {
                if let OverviewRow::Unread(row) = row {
                    page.line(&format!("**FAIL**: {}", text(&row.error.message)));
                    if let Some(hint) = &row.error.hint {
                        page.line(&text(hint));
                    }
                    page.line(&format!("File: {}", text(&row.database.path)));
                }
            }
        } else {
            page.overview(head);
        }
        Ok(page.text.into_bytes())
    }

    fn end(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// A command as code; as text if it has what would end the code.
fn code(command: &str) -> String {
    match command.contains('`') {
        true => text(command),
        false => format!("`{}`", printable(command)),
    }
}

/// Escapes text from a database: no character of it has a meaning in Markdown or HTML.
fn text(text: &str) -> String {
    let text = printable(text);
    let mut safe = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '@' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            // Many programs make links of addresses.
            ':' if rest.starts_with("://") => safe.push_str("\\:"),
            'w' if rest.starts_with("www.") => safe.push_str("&#119;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The first characters of a text that is whole in another place.
fn brief(whole: &str, most: usize) -> String {
    let (begin, is_all) = cut(whole, most);
    match is_all {
        true => text(begin),
        false => format!("{}…", text(begin)),
    }
}

struct Page {
    text: String,
    /// The marks of a heading.
    heading: &'static str,
}

impl Page {
    fn new(alone: bool) -> Self {
        Self {
            text: String::new(),
            heading: if alone { "##" } else { "###" },
        }
    }

    /// A paragraph.
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str("\n\n");
    }

    fn heading(&mut self, title: &str) {
        let heading = self.heading;
        self.line(&format!("{heading} {title}"));
    }

    fn item(&mut self, item: &str) {
        // Writing to memory can't fail.
        let _ = writeln!(self.text, "- {item}");
    }

    fn end_of_list(&mut self) {
        self.text.push('\n');
    }

    fn table<const N: usize>(
        &mut self,
        columns: [&str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return self.line("None.");
        }
        let line = |text: &mut String, cells: &[&str]| {
            text.push('|');
            for cell in cells {
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        };
        line(&mut self.text, &columns);
        line(&mut self.text, &["---"; N]);
        for row in rows {
            line(&mut self.text, &row.each_ref().map(String::as_str));
        }
        self.text.push('\n');
    }

    /// A table of records, of which damage may hide some or all.
    fn table_of_known<const N: usize>(
        &mut self,
        columns: [&str; N],
        rows: impl Iterator<Item = [String; N]>,
        hidden: bool,
    ) {
        let mut rows = rows.peekable();
        match hidden && rows.peek().is_none() {
            true => self.line("Unknown."),
            false => self.table(columns, rows),
        }
    }

    fn incomplete(&mut self, hidden: bool, what: &str) {
        if hidden {
            self.line(&format!(
                "**Incomplete**: damage hides records; there may be more {what}."
            ));
        }
    }

    fn overview(&mut self, head: &Head) {
        self.heading = "##";
        self.heading("Overview");
        for line in summary(&head.rows) {
            self.item(&line);
        }
        self.end_of_list();
        let columns = [
            "Store",
            "State",
            "Release",
            "Tokens",
            "Ways in",
            "Plaintext",
            "Age in days",
            "Next step",
        ];
        let rows = head.rows.iter().map(|row| match row {
            OverviewRow::Read { row, .. } => [
                text(&row.path),
                row.verdict.name().to_owned(),
                format!("{} (schema {})", row.release, row.schema),
                row.tokens.to_string(),
                ways_in(row),
                plaintext_in_words(&row.plaintext),
                row.age_days
                    .map(|days| days.to_string())
                    .unwrap_or_default(),
                match (&row.reason, &row.next_step) {
                    (Some(reason), Some(step)) => {
                        format!("{}: {}", brief(reason, NAME), brief(step, LONG_ACCESS))
                    }
                    _ => String::new(),
                },
            ],
            OverviewRow::Unread(row) => {
                let hint = row.error.hint.as_deref().unwrap_or_default();
                let reason = format!("{}: {hint}", row.error.message);
                let empty = String::new;
                let path = text(&row.database.path);
                let state = String::from("not read");
                [
                    path,
                    state,
                    empty(),
                    empty(),
                    empty(),
                    empty(),
                    empty(),
                    text(&reason),
                ]
            }
        });
        self.table(columns, rows);
    }

    fn store(&mut self, store: &StoreReport) {
        self.head(store);
        self.access(store);
        self.holdings(store);
        self.tokens(store);
        self.people(store);
        self.v1(store);
        self.findings(store);
        self.plaintext(store);
        self.pages(store);
    }

    fn head(&mut self, store: &StoreReport) {
        let (status, head) = (&store.status, &store.head);
        self.heading("Verdict and next steps");
        self.line(&format!("**{}**", head.verdict.name()));
        for (at, step) in head.steps.iter().enumerate() {
            let _ = writeln!(
                self.text,
                "{}. **{}** {}{}: {}",
                at + 1,
                step.verdict.name(),
                text(&step.message),
                and_more(step.more),
                text(&step.hint)
            );
            if let Some(command) = &step.command {
                let _ = writeln!(self.text, "   {}", code(command));
            }
        }
        self.end_of_list();
        let (database, schema, tokens) = (&status.database, &status.schema, &status.tokens);
        let release = match schema.known {
            true => format!(", written by InfluxDB {}", schema.release),
            false => String::from(", not known to this version"),
        };
        let age = store
            .age_days
            .map(|days| counted(days.unsigned_abs(), "day"));
        for item in [
            format!("File: {}", text(&database.path.display().to_string())),
            format!(
                "Engine: {}, {} bytes in pages of {}",
                database.engine.name(),
                database.size_bytes,
                database.page_size
            ),
            format!(
                "Modified: {} ({} ago)",
                store.modified,
                age.unwrap_or_default()
            ),
            format!("Schema: {}{release}", schema.migrations),
            format!(
                "Tokens: {}: {} operator, {} all-access, {} custom; {} inactive, {} orphaned",
                tokens.at_least(),
                tokens.operator,
                tokens.all_access,
                tokens.custom,
                tokens.inactive,
                tokens.orphaned
            ),
            format!(
                "Stored as: {} plaintext, {} hash, {} both, {} no token",
                tokens.plaintext, tokens.hashed, tokens.both, tokens.missing
            ),
        ] {
            self.item(&item);
        }
        self.end_of_list();
    }

    fn access(&mut self, store: &StoreReport) {
        let status = &store.status;
        self.heading("Who can get in");
        self.line("Operator tokens:");
        let tokens = status.operator_tokens.iter().map(|token| {
            [
                token.id.to_string(),
                text(&token.description),
                name(token.user.as_deref()),
                token.storage.name().to_owned(),
                known_or_unknown(token.usable).to_owned(),
                text(token.because.as_deref().unwrap_or_default()),
            ]
        });
        let columns = ["ID", "Description", "User", "Storage", "Usable", "Because"];
        self.table_of_known(columns, tokens, status.operator_tokens.hidden);
        self.incomplete(status.operator_tokens.hidden, "operator tokens");
        self.line("Users with a password:");
        let logins = status.logins.iter().map(|login| {
            let power = match (login.signs_in, login.operator) {
                (Some(false), _) => "can't sign in",
                (_, Some(true)) => "operator",
                (_, Some(false)) => "no operator",
                (_, None) => "unknown",
            };
            [
                text(&login.user),
                known_or_unknown(Some(login.active)).to_owned(),
                power.to_owned(),
                text(&login.because),
            ]
        });
        self.table_of_known(
            ["User", "Active", "Power", "Because"],
            logins,
            status.logins.hidden,
        );
        self.incomplete(status.logins.hidden, "logins");
    }

    fn holdings(&mut self, store: &StoreReport) {
        let holdings = &store.holdings;
        self.heading("Who holds what");
        self.line("R: may read, W: may write; small letters: only some resources of these types.");
        let mut columns = vec![String::from("Holder")];
        columns.extend(
            holdings
                .columns
                .iter()
                .map(|column| brief(&column.name, NAME)),
        );
        let mut line = |cells: &[String]| {
            let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        };
        line(&columns);
        line(&vec![String::from("---"); columns.len()]);
        for row in &holdings.rows {
            let user = match (&row.user, row.user_id) {
                (Some(user), _) => brief(user, NAME),
                (None, Some(id)) => format!("user {id} (gone)"),
                (None, None) => String::from("no user"),
            };
            let kind = row.kind.map_or("", |kind| kind.name());
            let mut holder = match (row.what, row.tokens) {
                (What::Login, _) => format!("Login of {user}"),
                (What::V1, 1) => format!("1.x user {} of {user}", brief(&row.description, NAME)),
                (What::Tokens, 1) => {
                    format!("{kind} token “{}” of {user}", brief(&row.description, NAME))
                }
                (What::V1, number) => format!("{number} 1.x users of {user}"),
                (What::Tokens, number) => format!("{number} {kind} tokens of {user}"),
            };
            if let Some(state) = row.state.filter(|state| *state != State::Usable) {
                let _ = write!(holder, " ({})", state.name());
            }
            let mut cells = vec![holder];
            cells.extend(row.cells.iter().map(|cell| cell.text().to_owned()));
            line(&cells);
        }
        self.end_of_list();
        for (number, what) in [
            (holdings.buckets_left_out, "more bucket"),
            (holdings.rows_left_out, "more row"),
        ] {
            if number > 0 {
                self.line(&format!("{} left out.", counted(number, what)));
            }
        }
    }

    fn tokens(&mut self, store: &StoreReport) {
        self.heading("Tokens");
        let mut long = LongTexts::default();
        let rows = store.tokens.iter().map(|token| {
            [
                token.id.to_string(),
                text(&token.description),
                token.kind.name().to_owned(),
                owner(token),
                name(token.org.as_deref()),
                status(token),
                token.storage.name().to_owned(),
                long.cell(&token.grant),
                brief(cut(&token.created_at, 10).0, 10),
            ]
        });
        let columns = [
            "ID",
            "Description",
            "Kind",
            "User",
            "Org",
            "Status",
            "Storage",
            "Access",
            "Created",
        ];
        self.table_of_known(columns, rows, store.tokens.hidden);
        self.long_texts(&long);
        self.incomplete(store.tokens.hidden, "tokens");
    }

    fn long_texts(&mut self, long: &LongTexts<'_>) {
        for (at, whole) in long.texts.iter().enumerate() {
            self.line(&format!("Permissions {}: {}", at + 1, text(whole)));
        }
    }

    fn people(&mut self, store: &StoreReport) {
        self.heading("Users");
        let users = store.users.iter().map(|user| {
            let because = user
                .because
                .as_deref()
                .map(|why| format!(": {}", text(why)));
            let owns = user
                .owns
                .iter()
                .take(5)
                .map(|org| name(org.name.as_deref()));
            let mut owns: Vec<String> = owns.collect();
            if user.owns.len() > owns.len() {
                owns.push(format!("and {} more", user.owns.len() - owns.len()));
            }
            let signs_in = known_or_unknown(user.signs_in);
            [
                text(&user.name),
                user.id.to_string(),
                brief(&user.status, NAME),
                format!("{signs_in}{}", because.unwrap_or_default()),
                owns.join(", "),
            ]
        });
        self.table_of_known(
            ["Name", "ID", "Status", "Signs in", "Owns"],
            users,
            store.users.hidden,
        );
        self.incomplete(store.users.hidden, "users");
        self.heading("Organizations");
        let orgs = store
            .orgs
            .iter()
            .map(|org| [text(&org.name), org.id.to_string(), text(&org.description)]);
        self.table_of_known(["Name", "ID", "Description"], orgs, store.orgs.hidden);
        self.incomplete(store.orgs.hidden, "organizations");
        self.heading("Buckets");
        let buckets = store.buckets.iter().zip(&store.holdings.reach);
        let buckets = buckets.map(|(bucket, reach)| {
            let keeps = bucket
                .retention_rules
                .iter()
                .map(|rule| duration(rule.every_seconds));
            [
                text(&bucket.name),
                bucket.id.to_string(),
                name(bucket.org.as_deref()),
                bucket.kind.to_owned(),
                keeps.collect(),
                reach.readers.to_string(),
                reach.writers.to_string(),
            ]
        });
        let columns = [
            "Name",
            "ID",
            "Org",
            "Type",
            "Keeps",
            "Read by",
            "Written by",
        ];
        self.table_of_known(columns, buckets, store.buckets.hidden);
        self.incomplete(store.buckets.hidden, "buckets");
    }

    fn v1(&mut self, store: &StoreReport) {
        self.heading("1.x access");
        let mut long = LongTexts::default();
        let users = store.v1.iter().map(|token| {
            [
                text(token.username.as_deref().unwrap_or_default()),
                token.id.to_string(),
                known_or_unknown(token.has_password).to_owned(),
                owner(token),
                name(token.org.as_deref()),
                status(token),
                long.cell(&token.grant),
            ]
        });
        let columns = [
            "1.x user", "ID", "Password", "Owner", "Org", "Status", "Access",
        ];
        self.table_of_known(columns, users, store.v1.hidden);
        self.long_texts(&long);
        self.incomplete(store.v1.hidden, "1.x users");
        if !store.dbrp.readable.is_empty() {
            let mappings = store.dbrp.iter().map(|mapping| {
                [
                    text(&mapping.database),
                    text(&mapping.retention_policy),
                    known_or_unknown(Some(mapping.default)).to_owned(),
                    name(mapping.org.as_deref()),
                    name(mapping.bucket.as_deref()),
                ]
            });
            let columns = ["Database", "Retention policy", "Default", "Org", "Bucket"];
            self.table(columns, mappings);
        }
        self.incomplete(store.dbrp.hidden, "1.x databases");
    }

    fn findings(&mut self, store: &StoreReport) {
        self.heading("Findings and cures");
        if store.findings.is_empty() {
            self.line("None: the structure of the file and all records are in order.");
        }
        for group in &store.findings {
            let code = text(group.code.name());
            self.line(&format!(
                "**{}** {code}: {}",
                group.severity.name(),
                text(group.meaning)
            ));
            self.line(&format!("Cure: {}", text(group.cure)));
            for place in &group.places {
                self.item(&format!("{}: {}", text(&place.place), text(&place.message)));
            }
            let more = group.count.saturating_sub(group.places.len() as u64);
            if more > 0 {
                self.item(&format!("and {more} more"));
            }
            self.end_of_list();
        }
    }

    fn plaintext(&mut self, store: &StoreReport) {
        let status = &store.status;
        self.heading("Plaintext still readable");
        let tokens = &status.tokens;
        let records = Number::new(
            tokens.plaintext.readable + tokens.both.readable,
            tokens.plaintext.hidden,
        );
        self.item(&format!("in records of tokens: {records}"));
        self.item(&format!(
            "in unused parts of the file: {}, {} of them the last copy",
            status.residue.plaintext_tokens, status.residue.recoverable
        ));
        self.item(&format!("in other records: {}", status.embedded.len()));
        for place in status.embedded.iter().take(20) {
            let key = brief(&place.key, NAME);
            let bucket = brief(&place.bucket, NAME);
            self.item(&format!("in {bucket}/{key}: token {}", place.id));
        }
        for file in &status.siblings {
            let path = text(&file.path.display().to_string());
            self.item(&format!("in {path}: {}", file.plaintext_tokens));
        }
        self.end_of_list();
    }

    fn pages(&mut self, store: &StoreReport) {
        self.heading("Pages of the file");
        let Some(map) = &store.pages else {
            return self.line("A redb file does not tell how its pages are used.");
        };
        self.line(&text(&in_words(map)));
        let uses = map.uses.iter().map(|used| {
            [
                brief(&used.name, NAME),
                used.pages.to_string(),
                percent(used.pages, map.pages),
            ]
        });
        self.table(["Use", "Pages", "Share"], uses);
    }
}

/// A name that is whole in another table.
fn name(name: Option<&str>) -> String {
    name.map_or(String::from("(gone)"), |name| brief(name, NAME))
}

fn owner(token: &ReportedToken) -> String {
    match (&token.user, token.user_id) {
        (None, None) => String::new(),
        (user, _) => name(user.as_deref()),
    }
}

fn status(token: &ReportedToken) -> String {
    let mut shown = brief(&token.status, NAME);
    let state = token.state();
    if !matches!(state, State::Usable | State::Inactive) {
        let _ = write!(shown, " ({})", state.name());
    }
    for problem in &token.problems {
        let _ = write!(shown, "; {}", text(problem));
    }
    shown
}

/// Texts about permissions that are too long for a row.
#[derive(Default)]
struct LongTexts<'a> {
    numbers: HashMap<*const Grant, usize>,
    texts: Vec<&'a str>,
}

impl<'a> LongTexts<'a> {
    fn cell(&mut self, grant: &'a Arc<Grant>) -> String {
        let (begin, is_all) = cut(&grant.access, LONG_ACCESS);
        if is_all {
            return text(&grant.access);
        }
        let next = self.texts.len();
        let number = *self.numbers.entry(Arc::as_ptr(grant)).or_insert(next);
        if number == next {
            self.texts.push(&grant.access);
        }
        format!("{}… (see permissions {})", text(begin), number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_name_has_a_meaning() {
        for (name, shown) in [
            ("metrics", "metrics"),
            ("a|b", "a\\|b"),
            ("<b>", "&lt;b&gt;"),
            ("[x](http://y)", "\\[x\\](http\\://y)"),
            ("a_b*c`d", "a\\_b\\*c\\`d"),
            ("a\nb\u{202e}", "a\\\\u{a}b\\\\u{202e}"),
            ("www.example.com", "&#119;ww.example.com"),
            ("it was deleted: the end", "it was deleted: the end"),
            ("me@example.com", "me\\@example.com"),
        ] {
            assert_eq!(text(name), shown);
        }
    }
}
