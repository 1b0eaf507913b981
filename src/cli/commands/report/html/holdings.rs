//! The table of who holds what.

use maud::{Markup, html};

use crate::cli::commands::report::html::text::{Brief, start};
use crate::cli::terminal::report::printable;
use crate::finding::counted;
use crate::ops::report::tokens::State;
use crate::ops::report::who_holds_what::{Cell, Column, Extent, Holder, Holdings, What};

/// Characters of a name in the table. The whole name is in the tables of users and buckets.
const NAME: usize = 40;

/// The table.
pub fn holdings(holdings: &Holdings) -> Markup {
    if holdings.rows.is_empty() {
        return html! { p { "Nobody: there are no tokens, and no user can sign in." } };
    }
    html! {
        p.muted {
            "R: may read, W: may write; small letters: only some resources of these types. A login has \
             the permissions of all tokens of its user, whatever their state. Tokens of one user that differ in nothing here are one row."
        }
        table.holdings.cards {
            caption { "Users and tokens against powers and buckets" }
            thead { tr {
                th scope="col" { "Holder" }
                @for column in &holdings.columns {
                    th.column scope="col" title=(title(column)) {
                        span { (Brief(&column.name, NAME)) }
                    }
                }
            } }
            tbody {
                @for row in &holdings.rows {
                    tr.login[row.what == What::Login] {
                        th scope="row" { (holder(row)) }
                        @for (cell, column) in row.cells.iter().zip(&holdings.columns) {
                            (cell_of(*cell, column))
                        }
                    }
                }
            }
        }
        @if holdings.buckets_left_out > 0 {
            p.muted {
                (counted(holdings.buckets_left_out, "more bucket"))
                " without a column; the buckets below say how many tokens reach each."
            }
        }
        @if holdings.rows_left_out > 0 {
            p.muted {
                (counted(holdings.rows_left_out, "more row"))
                " with less power; the tokens below say what each may do."
            }
        }
    }
}

fn title(column: &Column) -> String {
    let cut = |text: &str| {
        let text = printable(text);
        let (begin, is_all) = start(&text, 3 * NAME);
        format!("{begin}{}", if is_all { "" } else { "…" })
    };
    let name = cut(&column.name);
    match (&column.org, column.id) {
        (_, None) => name,
        (Some(org), _) => format!("bucket {name} of {}", cut(org)),
        (None, _) => format!("bucket {name}"),
    }
}

fn holder(row: &Holder) -> Markup {
    let user = html! {
        @match (&row.user, row.user_id) {
            (Some(name), _) => (Brief(name, NAME)),
            (None, Some(id)) => { "user " span.id { (id) } " (gone)" },
            (None, None) => "no user",
        }
    };
    html! {
        @match row.what {
            What::Login => { "Login of " (user) },
            What::V1 => {
                @if row.tokens == 1 { "1.x user " (Brief(&row.description, NAME)) " of " (user) }
                @else { (row.tokens) " 1.x users of " (user) }
            },
            What::Tokens => {
                @let kind = row.kind.map_or("", |kind| kind.name());
                @if row.tokens == 1 {
                    (kind) " token “" (Brief(&row.description, NAME)) "” of " (user)
                } @else {
                    (row.tokens) " " (kind) " tokens of " (user)
                }
            },
        }
        @if let (Some(org), What::Tokens) = (&row.org, row.what) {
            span.muted { " in " (Brief(org, NAME)) }
        }
        @match row.state {
            None | Some(State::Usable) => {},
            Some(state) => { " " span class={ "badge " (super::class_of(state)) } { (state.name()) } },
        }
    }
}

fn cell_of(cell: Cell, column: &Column) -> Markup {
    let text = cell.text();
    if text.is_empty() {
        return html! { td {} };
    }
    let is_all = cell.read == Extent::All || cell.write == Extent::All;
    let extent = match (is_all, cell.write) {
        (true, Extent::All) => "all write",
        (true, _) => "all",
        (false, _) => "some",
    };
    html! {
        td class=(extent) {
            span.label { (Brief(&column.name, NAME)) ": " }
            span aria-hidden="true" { (text) }
            span.vh { (in_words(cell)) }
        }
    }
}

fn in_words(cell: Cell) -> &'static str {
    use Extent::{All, None, Some};
    match (cell.read, cell.write) {
        (None, None) => "nothing",
        (Some, None) => "reads some",
        (All, None) => "reads",
        (None, Some) => "writes some",
        (None, All) => "writes",
        (Some, Some) => "reads and writes some",
        (All, Some) => "reads, writes some",
        (Some, All) => "reads some, writes",
        (All, All) => "reads and writes",
    }
}
