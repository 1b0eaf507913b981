//! The map of a file's pages: a picture, and a table that says the same.

use maud::{Markup, html};

use crate::cli::commands::report::html::text::Text;
use crate::cli::commands::report::percent;
use crate::ops::report::page_map::{Kind, PageMap, Use};

/// Cells in a row, at least and at most.
const COLUMNS: (u64, u64) = (16, 64);
/// The width and height of a cell, in units of the picture.
const CELL: u64 = 10;
/// The width of a cell on a wide screen, in pixels.
const PIXELS: u64 = 18;

/// The map of the store with this number.
pub fn page_map(map: &PageMap, number: usize) -> Markup {
    let cells: u64 = map.cells.iter().map(|(_, count)| count).sum();
    let columns = columns(cells);
    let rows = cells.div_ceil(columns).max(1);
    let classes = classes(&map.uses);
    let title = format!("s{number}-map-title");
    let description = format!("s{number}-map-text");
    html! {
        figure {
            svg.map role="img" aria-labelledby={ (title) " " (description) }
                width=(columns * PIXELS) height=(rows * PIXELS)
                viewBox={ "0 0 " (columns * CELL) " " (rows * CELL) } {
                title id=(title) { "Map of the file's pages by use" }
                desc id=(description) { (in_words(map)) }
                @for rect in rects(map, columns) {
                    rect x=(rect.x) y=(rect.y) width=(rect.width) height=(CELL - 1)
                        class={ "u-" (classes.get(rect.used).map_or("free", String::as_str)) } {}
                }
                @for path in marks(map, columns) {
                    path.mark d=(path) {}
                }
            }
            figcaption.muted {
                "Each cell is " (pages_of(map.pages_per_cell)) " of " (map.page_size)
                " bytes, in the order of the file, from left to right and from top to bottom."
                @if map.pages_per_cell > 1 {
                    " A cell shows the worst use of its pages, or else the most frequent one."
                }
            }
        }
        table.cards.pages {
            caption { "Pages by use" }
            thead { tr {
                th scope="col" { "Use" }
                th.number scope="col" { "Pages" }
                th.number scope="col" { "Share" }
            } }
            tbody {
                @for (used, class) in map.uses.iter().zip(&classes) {
                    tr {
                        th scope="row" {
                            svg.swatch viewBox="0 0 20 16" aria-hidden="true" {
                                rect x="1" y="1" width="18" height="14" class={ "u-" (class) } {}
                                @if is_marked(used.kind) {
                                    path.mark d=(mark(used.kind, 5, 3)) {}
                                }
                            }
                            " " (Text(&used.name))
                        }
                        td.number { (used.pages) }
                        td.number { (percent(used.pages, map.pages)) }
                    }
                }
            }
        }
    }
}

/// Four times as many columns as rows, within limits.
fn columns(cells: u64) -> u64 {
    let (least, most) = COLUMNS;
    (cells * 4).isqrt().clamp(least, most)
}

fn pages_of(number: u64) -> String {
    crate::finding::counted(number, "page")
}

/// The class of each use.
fn classes(uses: &[Use]) -> Vec<String> {
    let mut bucket = 0;
    let class = |used: &Use| match used.kind {
        Kind::Meta => String::from("meta"),
        Kind::Root => String::from("root"),
        Kind::Bucket => {
            bucket += 1;
            format!("b{}", bucket - 1)
        }
        Kind::Buckets => String::from("buckets"),
        Kind::Freelist => String::from("freelist"),
        Kind::Free => String::from("free"),
        Kind::Tail => String::from("tail"),
        Kind::Unreferenced => String::from("unreferenced"),
        Kind::Tokens => String::from("tokens"),
        Kind::Missing => String::from("missing"),
        Kind::Damaged => String::from("damaged"),
    };
    uses.iter().map(class).collect()
}

/// Uses that are marked with a sign too, so that color is not needed to see them.
fn is_marked(kind: Kind) -> bool {
    matches!(kind, Kind::Unreferenced | Kind::Tokens | Kind::Damaged)
}

struct Rect {
    x: u64,
    y: u64,
    width: u64,
    used: usize,
}

/// One rectangle for neighbouring cells of the same use in a row.
fn rects(map: &PageMap, columns: u64) -> Vec<Rect> {
    let mut rects = Vec::new();
    let mut at = 0;
    for (used, count) in &map.cells {
        let end = at + count;
        while at < end {
            let column = at % columns;
            let here = (columns - column).min(end - at);
            rects.push(Rect {
                x: column * CELL,
                y: at / columns * CELL,
                // A gap at the end of a row only, so that long runs are one piece.
                width: here * CELL - 1,
                used: *used,
            });
            at += here;
        }
    }
    rects
}

/// The signs of the cells that have one.
fn marks(map: &PageMap, columns: u64) -> Vec<String> {
    let mut marks = Vec::new();
    let mut at = 0;
    for (used, count) in &map.cells {
        let kind = map.uses.get(*used).map_or(Kind::Free, |used| used.kind);
        if is_marked(kind) {
            let cells = at..at + count;
            marks.extend(cells.map(|cell| {
                let (x, y) = (cell % columns * CELL, cell / columns * CELL);
                mark(kind, x, y)
            }));
        }
        at += count;
    }
    marks
}

/// A cross for damage, a bar for tokens, a stroke for unreferenced pages, in the cell at this place.
fn mark(kind: Kind, x: u64, y: u64) -> String {
    match kind {
        Kind::Damaged => format!("M{} {}l5 5m0 -5l-5 5", x + 2, y + 2),
        Kind::Tokens => format!("M{} {}h5", x + 2, y + 4),
        _ => format!("M{} {}l5 -5", x + 2, y + 7),
    }
}

/// The picture in words.
pub fn in_words(map: &PageMap) -> String {
    let uses = map.uses.iter().map(|used| {
        let name = crate::cli::terminal::report::printable(&used.name);
        let (name, _) = super::text::start(&name, 60);
        format!("{name}: {}", percent(used.pages, map.pages))
    });
    let uses: Vec<String> = uses.collect();
    format!("{} pages. {}.", map.pages, uses.join(", "))
}
