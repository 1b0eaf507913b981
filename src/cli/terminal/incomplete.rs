//! The line that says that damage hides a part of a list.

use std::io::{self, Write};

use crate::cli::terminal::wrap::write_wrapped;
use crate::ops::known::Number;

/// Writes the line below a list of `readable` things, if damage hides others.
///
/// # Errors
/// When `out` can't be written.
pub fn write_incomplete(
    readable: usize,
    hidden: bool,
    noun: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    if !hidden {
        return Ok(());
    }
    let number = Number::new(readable as u64, true);
    let text = match readable {
        0 => format!("number of {noun}s: unknown; damage hides records (see boltkey check)"),
        _ => format!(
            "{}; damage hides records (see boltkey check)",
            number.of(noun)
        ),
    };
    write_wrapped(out, "", 2, &text)
}
