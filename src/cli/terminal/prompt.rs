//! Questions on the terminal. Without a terminal, a question ends the command unless `--yes` answers
//! it.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::cli::terminal::report::printable;
use crate::cli::terminal::width::of_messages;
use crate::cli::terminal::wrap::fitting_message;
use crate::error::{Error, ErrorKind, Result};

/// Number of attempts to answer a question.
const TRIES: u32 = 3;

/// Asks a yes-or-no question, unless `yes` is set.
///
/// # Errors
/// [`ErrorKind::Confirmation`] without a terminal, [`ErrorKind::Refused`] when the answer is no.
pub fn confirm(yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    let text = format!("{question} [y/N]");
    let text = fitting_message(&text, of_messages());
    let answer = ask(&format!("{text} "), || {
        Error::new(
            ErrorKind::Confirmation,
            format!("confirmation required, but standard input is not a terminal: {question}"),
        )
        .with_hint("pass --yes to confirm")
    })?;
    if ["y", "yes"].contains(&answer.to_ascii_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Refused, "not confirmed"))
    }
}

/// Asks for one of several, by number, by its label in the list or by its name, and returns its place.
/// A name that several have is no answer. `--yes` does not answer this.
///
/// # Errors
/// `no_terminal` without a terminal, [`ErrorKind::Refused`] without a valid answer.
pub fn choose(
    what: &str,
    labels: &[String],
    names: &[&str],
    no_terminal: impl Fn() -> Error,
) -> Result<usize> {
    if !is_possible() {
        return Err(no_terminal());
    }
    let mut list = String::new();
    for (number, label) in (1..).zip(labels) {
        list.push_str(&format!("  {number}  {}\n", printable(label)));
    }
    say(&format!("There are several {what}s:\n{list}"));
    for _ in 0..TRIES {
        let answer = ask(&format!("Which {what}? Number or name: "), &no_terminal)?;
        let by_number = answer
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
            .filter(|number| *number < labels.len());
        let by_label = labels.iter().position(|label| *label == answer);
        let chosen = by_label
            .or_else(|| only_place(names, &answer))
            .or(by_number);
        if let Some(chosen) = chosen {
            return Ok(chosen);
        }
        say(&format!("{} is not in the list.\n", printable(&answer)));
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!("no {what} selected"),
    ))
}

/// The place of a name, if only one has it.
fn only_place(names: &[&str], name: &str) -> Option<usize> {
    let mut places = names
        .iter()
        .enumerate()
        .filter(|(_, known)| **known == name);
    let first = places.next();
    first
        .filter(|_| places.next().is_none())
        .map(|(place, _)| place)
}

/// Asks for a text.
///
/// # Errors
/// `no_terminal` without a terminal, [`ErrorKind::Refused`] when the answer is empty.
pub fn text(question: &str, no_terminal: impl Fn() -> Error) -> Result<String> {
    let answer = ask(question, no_terminal)?;
    if answer.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "the answer is empty"));
    }
    Ok(answer)
}

/// Whether a question can be asked: standard input and standard error are terminals.
fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Prints a question on standard error. Standard output is for reports.
fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn ask(question: &str, no_terminal: impl Fn() -> Error) -> Result<String> {
    if !is_possible() {
        return Err(no_terminal());
    }
    say(question);
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(0) | Err(_) => Err(no_terminal()),
        Ok(_) => Ok(answer.trim().to_owned()),
    }
}
