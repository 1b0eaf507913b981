//! A report as one HTML page that needs nothing else: no network, no script to read it.

mod holdings;
mod overview;
mod page_map;
mod store;
mod text;
mod tokens;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::cli::commands::report::document::{Document, Head};
use crate::cli::commands::report::html::text::{Text, start};
use crate::cli::terminal::report::printable;
use crate::error::Result;
use crate::finding::Severity;
use crate::ops::doctor::Verdict;
use crate::ops::report::StoreReport;
use crate::ops::report::tokens::State;

pub use page_map::in_words;
pub use text::start as cut;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page.
pub struct Page;

impl Document for Page {
    fn section(&self, store: &StoreReport, number: usize, alone: bool) -> Result<Vec<u8>> {
        let sections = store::sections(store, number, alone);
        let markup = match alone {
            true => sections,
            false => {
                let id = format!("s{number}");
                let path = store.status.database.path.display().to_string();
                html! {
                    article.store aria-labelledby=(id) {
                        h2 id=(id) { (Text(&path)) }
                        p { a href="#overview" { "Overview" } }
                        (sections)
                    }
                }
            }
        };
        Ok(markup.into_string().into_bytes())
    }

    fn begin(&self, head: &Head) -> Result<Vec<u8>> {
        // The end is cut off: sections follow.
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (title(head)) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#main" { "Skip to the report" }
                    header {
                        h1 { "InfluxDB token store report" }
                        p.muted { "Made by boltkey " (head.version) " at " (head.made) ". It contains no token, no hash and no password." }
                    }
                    (navigation(head))
                    main id="main" {
                        @if !head.alone { (overview::overview(head)) }
                        @else { (overview::unread(head)) }
                        (PreEscaped(CUT))
                    }
                }
            }
        };
        let page = page.into_string();
        let begin = page
            .split_once(CUT)
            .map_or(page.as_str(), |(begin, _)| begin);
        Ok(begin.as_bytes().to_vec())
    }

    fn end(&self) -> Vec<u8> {
        let footer = html! {
            footer { "The commands in this report are of boltkey. Stop influxd before you change a store." }
            script { (PreEscaped(SCRIPT)) }
        };
        let footer = footer.into_string();
        format!("</main>{footer}</body></html>\n").into_bytes()
    }
}

/// Where sections are inserted.
const CUT: &str = "<!--sections-->";

fn title(head: &Head) -> String {
    match (&head.rows[..], head.alone) {
        ([row], true) => {
            let path = printable(row.path());
            let (begin, _) = start(&path, 200);
            format!("{begin} - boltkey report")
        }
        (rows, _) => format!("{} stores - boltkey report", rows.len()),
    }
}

/// Nothing is loaded, and no script runs but ours.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn navigation(head: &Head) -> Markup {
    let read = head.rows.iter().any(|row| row.read().is_some());
    html! {
        @if head.alone && read {
            nav aria-label="Sections" {
                ul {
                    @for (name, title) in store::SECTIONS {
                        li { a href={ "#s0-" (name) } { (title) } }
                    }
                }
            }
        }
    }
}

/// The line below a list of which damage hides a part.
fn incomplete(hidden: bool, what: &str) -> Markup {
    html! {
        @if hidden {
            p { span.badge.warn { "incomplete" } " Damage hides records: there may be more " (what) "." }
        }
    }
}

/// A heading below that of a section.
fn subheading(title: &Markup, alone: bool) -> Markup {
    html! { @if alone { h3 { (title) } } @else { h4 { (title) } } }
}

/// A time as written, without its fraction.
fn date(time: &str) -> Markup {
    let day = time.get(..10).unwrap_or(time);
    let is_day = day.len() == 10 && day.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    html! {
        @if is_day { span.id { (day) } } @else { (text::Brief(time, 40)) }
    }
}

fn class_of(state: State) -> &'static str {
    match state {
        State::Usable => "ok",
        State::Inactive => "plain",
        State::Unknown | State::Orphaned => "warn",
        State::Unusable => "fail",
    }
}

fn class_of_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    }
}

fn class_of_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "plain",
        Severity::Warning => "warn",
        Severity::Error => "fail",
    }
}
