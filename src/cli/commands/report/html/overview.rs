//! The overview of many stores.

use maud::{Markup, html};

use crate::cli::commands::report::document::{Head, OverviewRow, Unread};
use crate::cli::commands::report::html::class_of_verdict;
use crate::cli::commands::report::html::text::{Brief, Message, Text};
use crate::cli::commands::report::{plaintext_in_words, summary, ways_in};

/// Characters of the most urgent step; the section of the store has all of it.
const STEP: usize = 200;
/// Characters of the reason for it.
const REASON: usize = 120;

/// A summary, and a row for each store.
pub fn overview(head: &Head) -> Markup {
    html! {
        section aria-labelledby="overview" {
            h2 id="overview" { "Overview" }
            ul { @for line in summary(&head.rows) { li { (line) } } }
            table.cards.tools.overview data-what="stores" {
                caption { "One row for each store, in the order of the search" }
                thead { tr {
                    th scope="col" { "Store" }
                    th scope="col" { "State" }
                    th scope="col" { "Release" }
                    th scope="col" { "Tokens" }
                    th scope="col" { "Ways in" }
                    th scope="col" { "Plaintext" }
                    th scope="col" { "Age in days" }
                    th scope="col" { "Next step" }
                } }
                tbody {
                    @for row in &head.rows {
                        @match row {
                            OverviewRow::Read { number, row } => tr {
                                th scope="row" { a href={ "#s" (number) } { (Brief(&row.path, 120)) } }
                                td {
                                    span class={ "badge " (class_of_verdict(row.verdict)) } {
                                        (row.verdict.name())
                                    }
                                }
                                td { (row.release) " (schema " (row.schema) ")" }
                                td { (row.tokens) }
                                td { (ways_in(row)) }
                                td { (plaintext_in_words(&row.plaintext)) }
                                td { @if let Some(days) = row.age_days { (days) } }
                                td {
                                    @if let Some(reason) = &row.reason { (Brief(reason, REASON)) }
                                    @if let Some(step) = &row.next_step { div { (Brief(step, STEP)) } }
                                    @if let Some(command) = &row.command { div { code { (Brief(command, STEP)) } } }
                                }
                            },
                            OverviewRow::Unread(row) => tr {
                                th scope="row" { (Text(&row.database.path)) }
                                td { span.badge.fail { "not read" } }
                                td {} td {} td {} td {} td {}
                                td { (reason(row)) }
                            },
                        }
                    }
                }
            }
        }
    }
}

/// Why the only store could not be read.
pub fn unread(head: &Head) -> Markup {
    let rows = head.rows.iter().filter_map(|row| match row {
        OverviewRow::Unread(row) => Some(row),
        OverviewRow::Read { .. } => None,
    });
    html! {
        @for row in rows {
            section aria-labelledby="unread" {
                h2 id="unread" { "Not read" }
                p { span.badge.verdict.fail { "FAIL" } }
                p { "File: " code { (Text(&row.database.path)) } }
                div { (reason(row)) }
            }
        }
    }
}

fn reason(row: &Unread) -> Markup {
    html! {
        (Message(&row.error.message))
        @if let Some(hint) = &row.error.hint { div { (Message(hint)) } }
    }
}
