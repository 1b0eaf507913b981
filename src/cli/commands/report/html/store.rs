//! The sections about one store.

use maud::{Markup, html};

use crate::cli::commands::report::html::text::{Brief, Message, Text};
use crate::cli::commands::report::html::{
    class_of_severity, class_of_verdict, date, holdings, incomplete, page_map, subheading, tokens,
};
use crate::cli::commands::report::{and_more, duration, known_or_unknown};
use crate::finding::{Severity, counted};
use crate::ops::bucket::list::Bucket;
use crate::ops::known::{List, Number};
use crate::ops::logins::Login;
use crate::ops::org::list::Org;
use crate::ops::report::StoreReport;
use crate::ops::report::findings::FindingsOfCode;
use crate::ops::report::who_holds_what::Reach;
use crate::ops::status::Status;
use crate::ops::token_counts::OperatorToken;
use crate::ops::user::list::User;

/// Characters of names that are whole in another table.
const NAME: usize = 60;
/// Live records with tokens that are listed.
const MOST_RECORDS: usize = 50;

/// The sections after the head: the end of an ID, and a heading.
pub const SECTIONS: [(&str, &str); 10] = [
    ("access", "Who can get in"),
    ("holdings", "Who holds what"),
    ("tokens", "Tokens"),
    ("users", "Users"),
    ("orgs", "Organizations"),
    ("buckets", "Buckets"),
    ("v1", "1.x access"),
    ("findings", "Findings and cures"),
    ("plaintext", "Plaintext still readable"),
    ("pages", "Pages of the file"),
];

/// All sections of a store. With `alone`, it is the only store of the page.
pub fn sections(store: &StoreReport, number: usize, alone: bool) -> Markup {
    let content = |name: &str| match name {
        "access" => access(&store.status),
        "holdings" => holdings::holdings(&store.holdings),
        "tokens" => tokens::tokens(&store.tokens, number, alone),
        "users" => users(&store.users),
        "orgs" => orgs(&store.orgs),
        "buckets" => buckets(&store.buckets, &store.holdings.reach),
        "v1" => tokens::v1(&store.v1, &store.dbrp, number, alone),
        "findings" => findings(&store.findings, alone),
        "plaintext" => plaintext(&store.status),
        _ => match &store.pages {
            Some(map) => page_map::page_map(map, number),
            None => html! { p { "A redb file does not tell how its pages are used." } },
        },
    };
    html! {
        (head(store, number, alone))
        @for (name, title) in SECTIONS {
            (part(&format!("s{number}-{name}"), title, &content(name), alone))
        }
    }
}

/// A section with its heading. Of many stores they are no landmarks: there would be too many.
fn part(id: &str, title: &str, content: &Markup, alone: bool) -> Markup {
    html! {
        @if alone {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                (content)
            }
        } @else {
            h3 id=(id) { (title) }
            (content)
        }
    }
}

/// Verdict, next steps and facts.
fn head(store: &StoreReport, number: usize, alone: bool) -> Markup {
    let (status, head) = (&store.status, &store.head);
    let content = html! {
            p {
                span class={ "badge verdict " (class_of_verdict(head.verdict)) } {
                    (head.verdict.name())
                }
            }
            @if head.steps.is_empty() {
                p { "Nothing has to be done." }
            } @else {
                ol.steps {
                    @for step in &head.steps {
                        li {
                            span class={ "badge " (class_of_verdict(step.verdict)) } {
                                (step.verdict.name())
                            }
                            " " (Message(&step.message)) (and_more(step.more))
                            div { (Message(&step.hint)) }
                            @if let Some(command) = &step.command {
                                div { code { (Message(command)) } }
                            }
                        }
                    }
                }
                @if head.more > 0 {
                    p { "and " (counted(head.more, "more step")) " in the findings" }
                }
            }
            (facts(store, status))
    };
    part(
        &format!("s{number}-head"),
        "Verdict and next steps",
        &content,
        alone,
    )
}

fn facts(store: &StoreReport, status: &Status) -> Markup {
    let (database, schema, tokens) = (&status.database, &status.schema, &status.tokens);
    let count = |number: Number, what: &str| format!("{number} {what}");
    html! {
        dl.facts {
            dt { "File" }
            dd { (Text(&database.path.display().to_string())) }
            dt { "Engine" }
            dd {
                (database.engine.name()) ", " (database.size_bytes) " bytes in pages of "
                (database.page_size)
                @if let Some(free) = database.free_bytes.filter(|free| *free > 0) {
                    ", " (free) " of them in free pages"
                }
            }
            dt { "Modified" }
            dd {
                (Brief(&store.modified, NAME))
                @if let Some(days) = store.age_days { " (" (counted(days.unsigned_abs(), "day")) " ago)" }
            }
            dt { "Schema" }
            dd {
                (schema.migrations)
                @if schema.known { ", written by InfluxDB " (schema.release) }
                @else { ", not known to this version" }
            }
            dt { "Tokens" }
            dd {
                (tokens.at_least()) ": "
                (count(tokens.operator, "operator")) ", "
                (count(tokens.all_access, "all-access")) ", "
                (count(tokens.custom, "custom")) "; "
                (count(tokens.inactive, "inactive")) ", "
                (count(tokens.orphaned, "orphaned"))
            }
            dt { "Stored as" }
            dd {
                (count(tokens.plaintext, "plaintext")) ", "
                (count(tokens.hashed, "hash")) ", "
                (count(tokens.both, "both")) ", "
                (count(tokens.missing, "no token"))
            }
        }
    }
}

/// Operator tokens and logins.
fn access(status: &Status) -> Markup {
    let (tokens, logins) = (&status.operator_tokens, &status.logins);
    html! {
        @if tokens.has_none() && logins.has_none() {
            p { "Nobody: no operator token, no user with a password." }
        }
        @if !tokens.readable.is_empty() {
            table.cards.operators {
                caption { "Operator tokens: they may do everything" }
                thead { tr {
                    th scope="col" { "ID" }
                    th scope="col" { "Description" }
                    th scope="col" { "User" }
                    th scope="col" { "Storage" }
                    th scope="col" { "Usable" }
                    th scope="col" { "Because" }
                } }
                tbody { @for token in &tokens.readable { (operator_token(token)) } }
            }
        }
        (incomplete(tokens.hidden, "operator tokens"))
        @if !logins.readable.is_empty() {
            table.cards.logins {
                caption { "Users with a password" }
                thead { tr {
                    th scope="col" { "User" }
                    th scope="col" { "Active" }
                    th scope="col" { "Power" }
                    th scope="col" { "Because" }
                } }
                tbody { @for login in &logins.readable { (row_of_login(login)) } }
            }
        }
        (incomplete(logins.hidden, "logins"))
    }
}

fn operator_token(token: &OperatorToken) -> Markup {
    html! {
        tr {
            th.id scope="row" { (token.id) }
            td { (Text(&token.description)) }
            td { @match &token.user { Some(user) => (Brief(user, NAME)), None => "(gone)" } }
            td { (token.storage.name()) }
            td { (yes_or_no(token.usable)) }
            td { @if let Some(because) = &token.because { (Message(because)) } }
        }
    }
}

fn row_of_login(login: &Login) -> Markup {
    html! {
        tr {
            th scope="row" { (Text(&login.user)) }
            td { @if login.active { "yes" } @else { span.badge.warn { "inactive" } } }
            td {
                @match (login.signs_in, login.operator) {
                    (Some(false), _) => span.badge.warn { "can't sign in" },
                    (_, Some(true)) => "operator",
                    (_, Some(false)) => "no operator",
                    (_, None) => "unknown",
                }
            }
            td { (Message(&login.because)) }
        }
    }
}

fn yes_or_no(answer: Option<bool>) -> Markup {
    html! {
        @match answer {
            Some(true) => span.badge.ok { "yes" },
            Some(false) => span.badge.fail { "no" },
            None => span.badge.warn { "unknown" },
        }
    }
}

fn users(users: &List<User>) -> Markup {
    html! {
        @if users.has_none() { p { "None." } }
        @if !users.readable.is_empty() {
            table.cards.tools.users data-what="users" {
                caption { (counted(users.readable.len() as u64, "user")) }
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "ID" }
                    th scope="col" { "Status" }
                    th scope="col" { "Signs in" }
                    th scope="col" { "Owns" }
                } }
                tbody {
                    @for user in &users.readable {
                        tr {
                            th scope="row" { (Text(&user.name)) }
                            td.id { (user.id) }
                            td { (Brief(if user.status.is_empty() { "none" } else { &user.status }, NAME)) }
                            td {
                                (known_or_unknown(user.signs_in))
                                @if let Some(because) = &user.because { ": " (Message(because)) }
                            }
                            td { (owned(user)) }
                        }
                    }
                }
            }
        }
        (incomplete(users.hidden, "users"))
    }
}

/// The organizations that a user owns; the first ones, since every user may own all of them.
fn owned(user: &User) -> Markup {
    const MOST: usize = 5;
    let owns = &user.owns.readable;
    html! {
        @if user.owns_instance == Some(true) { "the whole instance" @if !owns.is_empty() { ", " } }
        @for (at, org) in owns.iter().take(MOST).enumerate() {
            @if at > 0 { ", " }
            @match &org.name { Some(name) => (Brief(name, NAME)), None => { span.id { (org.id) } " (gone)" } }
        }
        @if let Some(more) = owns.len().checked_sub(MOST).filter(|more| *more > 0) { " and " (more) " more" }
        @if user.owns.hidden { " (incomplete)" }
    }
}

fn orgs(orgs: &List<Org>) -> Markup {
    html! {
        @if orgs.has_none() { p { "None." } }
        @if !orgs.readable.is_empty() {
            table.cards.tools.orgs data-what="organizations" {
                caption { (counted(orgs.readable.len() as u64, "organization")) }
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "ID" }
                    th scope="col" { "Description" }
                    th scope="col" { "Created" }
                } }
                tbody {
                    @for org in &orgs.readable {
                        tr {
                            th scope="row" { (Text(&org.name)) }
                            td.id { (org.id) }
                            td { (Text(&org.description)) }
                            td { (date(&org.created_at)) }
                        }
                    }
                }
            }
        }
        (incomplete(orgs.hidden, "organizations"))
    }
}

fn buckets(buckets: &List<Bucket>, reach: &[Reach]) -> Markup {
    html! {
        @if buckets.has_none() { p { "None." } }
        @if !buckets.readable.is_empty() {
            table.cards.tools.buckets data-what="buckets" {
                caption {
                    (counted(buckets.readable.len() as u64, "bucket"))
                    ", and how many working tokens may read and write each"
                }
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "ID" }
                    th scope="col" { "Org" }
                    th scope="col" { "Type" }
                    th scope="col" { "Keeps" }
                    th.number scope="col" { "Read by" }
                    th.number scope="col" { "Written by" }
                } }
                tbody {
                    @for (bucket, reach) in buckets.readable.iter().zip(reach) {
                        tr {
                            th scope="row" { (Text(&bucket.name)) }
                            td.id { (bucket.id) }
                            td { @match &bucket.org { Some(org) => (Brief(org, NAME)), None => "(gone)" } }
                            td { (bucket.kind) }
                            td {
                                @for rule in &bucket.retention_rules { (duration(rule.every_seconds)) }
                            }
                            td.number { (reach.readers) }
                            td.number { (reach.writers) }
                        }
                    }
                }
            }
        }
        (incomplete(buckets.hidden, "buckets"))
    }
}

fn findings(findings: &[FindingsOfCode], alone: bool) -> Markup {
    let (of_note, others): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|group| group.severity != Severity::Info);
    html! {
        @if findings.is_empty() {
            p { "None: the structure of the file and all records are in order." }
        }
        @for group in of_note.into_iter().chain(others) {
            @let title = html! {
                span class={ "badge " (class_of_severity(group.severity)) } { (group.severity.name()) }
                " " code { (group.code.name()) }
            };
            (subheading(&title, alone))
            p { (group.meaning) }
            p { strong { "Cure: " } (group.cure) }
            ul {
                @for place in &group.places {
                    li {
                        code { (Message(&place.place)) } ": " (Message(&place.message))
                        @if let Some(hint) = &place.hint { div { (Message(hint)) } }
                    }
                }
            }
            @if let Some(more) = group.count.checked_sub(group.places.len() as u64).filter(|m| *m > 0) {
                p { "and " (more) " more; boltkey check lists them" }
            }
        }
    }
}

fn plaintext(status: &Status) -> Markup {
    let records = Number::new(
        status.tokens.plaintext.readable + status.tokens.both.readable,
        status.tokens.plaintext.hidden,
    );
    let residue = &status.residue;
    html! {
        table.cards.plaintext {
            caption { "Tokens that whoever has these files can read" }
            thead { tr { th scope="col" { "Where" } th.number scope="col" { "Tokens" } } }
            tbody {
                tr { th scope="row" { "in records of tokens" } td.number { (records) } }
                tr {
                    th scope="row" { "in unused parts of the file" }
                    td.number { (residue.plaintext_tokens) }
                }
                tr {
                    th scope="row" { "of these, the last copy" }
                    td.number { (residue.recoverable) }
                }
                tr {
                    th scope="row" { "in other records" }
                    td.number { (status.embedded.len()) }
                }
                @for file in &status.siblings {
                    tr {
                        th scope="row" { "in " (Text(&file.path.display().to_string())) }
                        td.number { (file.plaintext_tokens) }
                    }
                }
            }
        }
        @if !status.embedded.is_empty() {
            p { "Other records that contain a token:" }
            ul {
                @for place in status.embedded.iter().take(MOST_RECORDS) {
                    li {
                        code { (Brief(&place.bucket, NAME)) }
                        @if place.key.is_empty() { " (in a key)" }
                        @else { "/" code { (Brief(&place.key, NAME)) } }
                        ": token " span.id { (place.id) }
                    }
                }
            }
            @if let Some(more) = status.embedded.len().checked_sub(MOST_RECORDS).filter(|m| *m > 0) {
                p { "and " (counted(more as u64, "more record")) }
            }
        }
    }
}
