//! Text from a database in a page: escaped, isolated from the direction of the text around it, and
//! cut if it is long.

use maud::{Markup, Render, html};

use crate::cli::terminal::report::printable;

/// Longer names are cut, with the whole text behind a control.
const LONG: usize = 160;
/// The same for messages.
const LONG_MESSAGE: usize = 700;

/// The first characters of a text, and whether that is all.
pub fn start(text: &str, most: usize) -> (&str, bool) {
    match text.char_indices().nth(most) {
        Some((end, _)) => (text.get(..end).unwrap_or(text), false),
        None => (text, true),
    }
}

/// A name or a description. All of a long one can be opened.
pub struct Text<'a>(pub &'a str);

impl Render for Text<'_> {
    fn render(&self) -> Markup {
        whole(self.0, LONG)
    }
}

/// A message that may quote names. All of a long one can be opened.
pub struct Message<'a>(pub &'a str);

impl Render for Message<'_> {
    fn render(&self) -> Markup {
        whole(self.0, LONG_MESSAGE)
    }
}

fn whole(text: &str, most: usize) -> Markup {
    let text = printable(text);
    let (begin, is_all) = start(&text, most);
    html! {
        @if is_all {
            bdi { (text) }
        } @else {
            details.long {
                summary {
                    bdi { (begin) "…" }
                    span.muted { " (" (text.chars().count()) " characters)" }
                }
                bdi { (text) }
            }
        }
    }
}

/// The first characters of a text that is whole in another place.
pub struct Brief<'a>(pub &'a str, pub usize);

impl Render for Brief<'_> {
    fn render(&self) -> Markup {
        // A character is at least one character when it is escaped.
        let (begin, is_all) = start(self.0, self.1);
        let text = printable(begin);
        let (begin, is_short) = start(&text, self.1);
        html! { bdi { (begin) @if !(is_all && is_short) { "…" } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_isolated_and_cut() {
        let hostile = "<script>\"'&\u{202e}\u{7}";
        let expected = "&lt;script&gt;&quot;'&amp;\\u{202e}\\u{7}";
        let shown = Text(hostile).render().into_string();
        assert_eq!(shown, format!("<bdi>{expected}</bdi>"));
        let long = "é".repeat(40_000);
        let shown = Text(&long).render().into_string();
        assert!(
            shown.starts_with("<details class=\"long\"><summary>"),
            "{shown:.80}"
        );
        assert!(shown.contains(&long) && shown.contains("(40000 characters)"));
        assert_eq!(
            Brief("metrics", 10).render().into_string(),
            "<bdi>metrics</bdi>"
        );
        assert_eq!(Brief(&long, 3).render().into_string(), "<bdi>ééé…</bdi>");
        let escaped = Brief("a\u{202e}b", 4).render().into_string();
        assert_eq!(escaped, "<bdi>a\\u{…</bdi>");
    }
}
