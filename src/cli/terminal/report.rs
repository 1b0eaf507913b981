//! Prints reports on standard output and all other messages on standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::exit;
use crate::cli::globals::Globals;
use crate::cli::terminal::style::{ERROR, HINT, WARNING};
use crate::cli::terminal::width;
use crate::cli::terminal::wrap::{fitting_message, write_fitting};
use crate::error::{Effect, Error, ErrorKind, Result};
use crate::finding::{Finding, Severity};

/// A report as text. The same value, serialized, is its JSON form.
pub trait Human {
    /// Writes the report as text. Names from the database go through [`printable`].
    ///
    /// # Errors
    /// When `out` can't be written.
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Whether its lines are exact, such as those of a script. They are never wrapped.
    fn is_exact(&self) -> bool {
        false
    }
}

/// Output streams and verbosity.
#[derive(Debug, Clone)]
pub struct Ui {
    json: bool,
    quiet: bool,
    verbose: bool,
}

impl Ui {
    /// The streams of this process, configured by the global options.
    #[must_use]
    pub fn new(globals: &Globals) -> Self {
        width::look_at_stdout();
        Self {
            json: globals.json,
            quiet: globals.quiet,
            verbose: globals.verbose,
        }
    }

    /// For arguments that failed to parse: only `--json` is known.
    pub(crate) fn of_raw_arguments(json: bool) -> Self {
        Self {
            json,
            quiet: false,
            verbose: false,
        }
    }

    /// Whether `--json` is set.
    #[must_use]
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether `--quiet` is set.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Whether `--verbose` is set.
    #[must_use]
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Prints a report as text or as one JSON document.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub fn report<R: Serialize + Human>(&self, report: &R) -> Result<()> {
        self.print([&self.render(report)?])
    }

    /// Renders a report for printing. Render while the store is open and print after it is closed, so
    /// that a slow reader of standard output does not hold the lock.
    ///
    /// # Errors
    /// When the report can't be rendered.
    pub fn render<R: Serialize + Human>(&self, report: &R) -> Result<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::new());
        let rendered = if self.json {
            serde_json::to_writer_pretty(&mut *text, report)
                .map_err(io::Error::from)
                .and_then(|()| text.write_all(b"\n"))
        } else {
            self.write_human(report, &mut text)
        };
        rendered.map_err(|cause| {
            Error::new(ErrorKind::Io, format!("can't render the report: {cause}"))
        })?;
        Ok(text)
    }

    /// Writes a report as text that fits the terminal, if standard output is one.
    fn write_human<R: Human>(&self, report: &R, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(width) = width::of_reports().filter(|_| !report.is_exact()) else {
            return report.write(out);
        };
        let mut lines = Zeroizing::new(Vec::new());
        report.write(&mut *lines)?;
        match std::str::from_utf8(&lines) {
            Ok(text) => write_fitting(out, text, width),
            Err(_) => out.write_all(&lines),
        }
    }

    /// Prints rendered text. A closed pipe is not an error.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub fn print<T: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = T>) -> Result<()> {
        match self.send(parts) {
            Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(stdout_failed(&cause)),
            _ => Ok(()),
        }
    }

    /// Prints rendered text that has no other copy, such as a new token. A closed pipe is an error.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub fn deliver(&self, text: &[u8]) -> Result<()> {
        self.send([text]).map_err(|cause| stdout_failed(&cause))
    }

    fn send<T: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = T>) -> io::Result<()> {
        let mut out: Box<dyn Write> = if self.json {
            // JSON contains no styles.
            Box::new(io::stdout().lock())
        } else {
            Box::new(anstream::stdout().lock())
        };
        parts
            .into_iter()
            .try_for_each(|part| out.write_all(part.as_ref()))?;
        out.flush()
    }

    /// Prints text that is not a report.
    ///
    /// # Errors
    /// When standard output can't be written.
    pub fn text(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut text = Zeroizing::new(Vec::new());
        write(&mut *text).map_err(|cause| {
            Error::new(ErrorKind::Io, format!("can't render the report: {cause}"))
        })?;
        self.print([&text])
    }

    /// Prints a status message on standard error unless `--quiet` is set.
    pub fn status(&self, text: &str) {
        if !self.quiet {
            self.line(&printable(text));
        }
    }

    /// Prints a message on standard error if `--verbose` is set.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            self.line(&printable(text));
        }
    }

    /// Prints a warning on standard error.
    pub fn warning(&self, text: &str) {
        self.line(&format!("{WARNING}warning:{WARNING:#} {}", printable(text)));
    }

    /// Prints findings on standard error. `--quiet` omits those of severity info.
    pub fn warn(&self, findings: &[Finding]) {
        for finding in findings {
            let text = format!("{}: {}", finding.place, finding.message);
            match finding.severity {
                Severity::Info if self.quiet => continue,
                Severity::Info => self.line(&format!("note: {}", printable(&text))),
                Severity::Warning | Severity::Error => self.warning(&text),
            }
            if let Some(hint) = &finding.hint {
                self.line(&format!("  {}", printable(hint)));
            }
        }
    }

    /// Prints the error on standard error and returns its exit code.
    #[must_use]
    pub fn fail(&self, error: &Error) -> ExitCode {
        let (number, code) = exit::code_of(error.kind());
        let message = sentence(error);
        if self.json {
            let body = serde_json::json!({
                "error": {"code": code, "message": message, "hint": error.hint()}
            });
            self.line(&body.to_string());
        } else {
            let message = printable(&message);
            self.line(&format!("{ERROR}error:{ERROR:#} {message}"));
            if let Some(hint) = error.hint() {
                self.line(&format!("{HINT}hint:{HINT:#} {}", printable(hint)));
            }
        }
        ExitCode::from(number)
    }

    /// Prints one line on standard error. Errors are ignored, since they can't be reported.
    fn line(&self, text: &str) {
        // The line of JSON stays one line.
        let width = width::of_messages().filter(|_| !self.json);
        let text = fitting_message(text, width);
        let mut err = anstream::stderr().lock();
        let _ = writeln!(err, "{text}");
    }
}

/// The text for an unchanged database, in reports and errors.
pub const NOTHING_CHANGED: &str = "nothing was changed";

/// What a report says of the change: the first text in a dry run, the second one otherwise.
#[must_use]
pub fn told<'t>(dry_run: bool, would: &'t str, done: &'t str) -> &'t str {
    if dry_run { would } else { done }
}

/// The end of a report's sentence in a dry run.
#[must_use]
pub fn unchanged(dry_run: bool) -> &'static str {
    if dry_run { "; nothing was changed" } else { "" }
}

/// An error as one sentence: the cause, its effect on the database, further notes. Usage errors
/// have no effect, so none is printed.
fn sentence(error: &Error) -> String {
    let mut sentence = error.what();
    if error.effect() == Effect::Nothing && error.kind() != ErrorKind::Usage {
        sentence.push_str("; ");
        sentence.push_str(NOTHING_CHANGED);
    }
    for note in error.notes() {
        sentence.push_str("; ");
        sentence.push_str(note);
    }
    sentence
}

/// The error for a failed write to standard output.
pub(crate) fn stdout_failed(cause: &io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("can't write standard output: {cause}"),
    )
}

/// Escapes text for a terminal: control characters and bidirectional controls become `\u{…}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(
                c,
                '\u{061c}' | '\u{00ad}' | '\u{180e}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
            )
            // Zero width, and marks of direction.
            || ('\u{200b}'..='\u{200f}').contains(&c)
            || ('\u{2060}'..='\u{2064}').contains(&c)
            || ('\u{e0000}'..='\u{e007f}').contains(&c)
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if hostile(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable("ad\u{200b}min"), "ad\\u{200b}min");
        assert_eq!(printable("ad\u{2060}min"), "ad\\u{2060}min");
        assert_eq!(printable("Zähler 日本"), "Zähler 日本");
    }
}
