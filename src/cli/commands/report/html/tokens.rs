//! The tables of tokens and of 1.x access.

use std::collections::HashMap;
use std::sync::Arc;

use maud::{Markup, html};

use crate::cli::commands::report::html::text::{Brief, Message, Text, start};
use crate::cli::commands::report::html::{class_of, date, incomplete, subheading};
use crate::ops::known::List;
use crate::ops::report::tokens::{Grant, ReportedToken, State};
use crate::ops::report::v1_mappings::V1Mapping;

/// Characters of names that are whole in another table.
const NAME: usize = 60;
/// Longer texts about permissions are once below the table.
const LONG_ACCESS: usize = 300;

/// Texts about permissions that are too long for a row. Many tokens may share one.
struct LongTexts<'a> {
    prefix: String,
    numbers: HashMap<*const Grant, usize>,
    texts: Vec<&'a str>,
}

impl<'a> LongTexts<'a> {
    fn cell(&mut self, grant: &'a Arc<Grant>) -> Markup {
        let (begin, is_all) = start(&grant.access, LONG_ACCESS);
        if is_all {
            return html! { (Message(&grant.access)) };
        }
        let next = self.texts.len();
        let number = *self.numbers.entry(Arc::as_ptr(grant)).or_insert(next);
        if number == next {
            self.texts.push(&grant.access);
        }
        html! {
            (Brief(begin, LONG_ACCESS)) " "
            a href={ "#" (self.prefix) (number) } { "all permissions" }
        }
    }

    fn list(&self, alone: bool) -> Markup {
        html! {
            @if !self.texts.is_empty() {
                (subheading(&html! { "Permissions in full" }, alone))
                ul {
                    @for (number, text) in self.texts.iter().enumerate() {
                        li id={ (self.prefix) (number) } { (Message(text)) }
                    }
                }
            }
        }
    }
}

/// The table of tokens of the store with this number.
pub fn tokens(tokens: &List<ReportedToken>, number: usize, alone: bool) -> Markup {
    let mut long = LongTexts {
        prefix: format!("s{number}-permissions-"),
        numbers: HashMap::new(),
        texts: Vec::new(),
    };
    html! {
        @if tokens.readable.is_empty() {
            p { @if tokens.hidden { "Unknown." } @else { "None." } }
        } @else {
            table.cards.tools.tokens data-what="tokens" {
                caption { (tokens.readable.len()) " tokens. None of their values is in this report." }
                thead { tr {
                    th scope="col" { "ID" }
                    th scope="col" { "Description" }
                    th scope="col" { "Kind" }
                    th scope="col" { "User" }
                    th scope="col" { "Org" }
                    th scope="col" { "Status" }
                    th scope="col" { "Storage" }
                    th scope="col" { "Access" }
                    th scope="col" { "Created" }
                } }
                tbody {
                    @for token in &tokens.readable {
                        tr {
                            th.id scope="row" { (token.id) }
                            td { (Text(&token.description)) }
                            td { (token.kind.name()) }
                            td { (owner(token)) }
                            td { @match &token.org { Some(org) => (Brief(org, NAME)), None => "(gone)" } }
                            td { (status(token)) }
                            td { (token.storage.name()) }
                            td { (long.cell(&token.grant)) }
                            td { (date(&token.created_at)) }
                        }
                    }
                }
            }
            (long.list(alone))
        }
        (incomplete(tokens.hidden, "tokens"))
    }
}

fn owner(token: &ReportedToken) -> Markup {
    html! {
        @match (&token.user, token.user_id) {
            (Some(user), _) => (Brief(user, NAME)),
            (None, Some(_)) => "(gone)",
            (None, None) => {},
        }
    }
}

/// The status as written, the state if it differs, and the reasons.
fn status(token: &ReportedToken) -> Markup {
    let state = token.state();
    html! {
        @match state {
            State::Usable => "active",
            State::Inactive => span class={ "badge " (class_of(state)) } { (Brief(&token.status, NAME)) },
            _ => {
                (Brief(&token.status, NAME)) " "
                span class={ "badge " (class_of(state)) } { (state.name()) }
            },
        }
        @if !token.problems.is_empty() {
            ul.reasons { @for problem in &token.problems { li { (Message(problem)) } } }
        }
    }
}

/// 1.x-compatible authorizations and databases.
pub fn v1(
    v1: &List<ReportedToken>,
    mappings: &List<V1Mapping>,
    number: usize,
    alone: bool,
) -> Markup {
    let mut long = LongTexts {
        prefix: format!("s{number}-v1-permissions-"),
        numbers: HashMap::new(),
        texts: Vec::new(),
    };
    html! {
        @if v1.has_none() && mappings.has_none() {
            p { "None." }
        }
        @if !v1.readable.is_empty() {
            table.cards.tools.v1 data-what="1.x users" {
                caption { "1.x users for /write and /query" }
                thead { tr {
                    th scope="col" { "1.x user" }
                    th scope="col" { "ID" }
                    th scope="col" { "Password" }
                    th scope="col" { "Owner" }
                    th scope="col" { "Org" }
                    th scope="col" { "Status" }
                    th scope="col" { "Access" }
                } }
                tbody {
                    @for token in &v1.readable {
                        tr {
                            th scope="row" { (Text(token.username.as_deref().unwrap_or_default())) }
                            td.id { (token.id) }
                            td { @if token.has_password == Some(true) { "set" } @else { "not set" } }
                            td { (owner(token)) }
                            td { @match &token.org { Some(org) => (Brief(org, NAME)), None => "(gone)" } }
                            td { (status(token)) }
                            td { (long.cell(&token.grant)) }
                        }
                    }
                }
            }
            (long.list(alone))
        }
        (incomplete(v1.hidden, "1.x users"))
        @if !mappings.readable.is_empty() {
            table.cards.tools.dbrp data-what="1.x databases" {
                caption { "1.x databases and retention policies, and the buckets they mean" }
                thead { tr {
                    th scope="col" { "Database" }
                    th scope="col" { "Retention policy" }
                    th scope="col" { "Default" }
                    th scope="col" { "Org" }
                    th scope="col" { "Bucket" }
                } }
                tbody {
                    @for mapping in &mappings.readable {
                        tr {
                            th scope="row" { (Text(&mapping.database)) }
                            td { (Text(&mapping.retention_policy)) }
                            td { @if mapping.default { "yes" } @else { "no" } }
                            td { @match &mapping.org { Some(org) => (Brief(org, NAME)), None => "(gone)" } }
                            td { @match &mapping.bucket { Some(name) => (Brief(name, NAME)), None => "(gone)" } }
                        }
                    }
                }
            }
        }
        (incomplete(mappings.hidden, "1.x databases"))
    }
}
