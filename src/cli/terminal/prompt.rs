//! Questions at the terminal. Without one, and without `--yes`, they end the command.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::cli::terminal::ui::printable;
use crate::error::{Error, ErrorKind, Result};

/// How often an answer that is none may be given.
const TRIES: u32 = 3;

/// Asks for a yes, unless `--yes` has given it.
///
/// # Errors
/// [`ErrorKind::Confirmation`] when nobody is there to answer, [`ErrorKind::Refused`] for a no.
pub fn confirm(yes: bool, question: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    let answer = ask(&format!("{question} [y/N] "), || {
        Error::new(
            ErrorKind::Confirmation,
            format!("this has to be confirmed: {question} Nobody is there to be asked"),
        )
        .with_hint("give --yes if the answer is yes")
    })?;
    if ["y", "yes"].contains(&answer.to_ascii_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Refused, "not confirmed"))
    }
}

/// Lets one of several names be chosen, by its number or as it is, and returns its place in
/// `names`. Never guesses, whatever `--yes` says.
///
/// # Errors
/// `nobody` when nobody is there to answer, [`ErrorKind::Refused`] when no answer is one.
pub fn choose(what: &str, names: &[String], nobody: impl Fn() -> Error) -> Result<usize> {
    if !is_possible() {
        return Err(nobody());
    }
    let mut list = String::new();
    for (number, name) in (1..).zip(names) {
        list.push_str(&format!("  {number}  {}\n", printable(name)));
    }
    say(&format!("There are several {what}s:\n{list}"));
    for _ in 0..TRIES {
        let answer = ask(&format!("Which {what}? Number or name: "), &nobody)?;
        let by_number = answer
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
            .filter(|number| *number < names.len());
        if let Some(chosen) = names.iter().position(|name| *name == answer).or(by_number) {
            return Ok(chosen);
        }
        say(&format!("{} is none of them.\n", printable(&answer)));
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!("no {what} was chosen"),
    ))
}

/// Asks for a text that has no default.
///
/// # Errors
/// `nobody` when nobody is there to answer, [`ErrorKind::Refused`] when the answer is empty.
pub fn text(question: &str, nobody: impl Fn() -> Error) -> Result<String> {
    let answer = ask(question, nobody)?;
    if answer.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "nothing was answered"));
    }
    Ok(answer)
}

/// Whether somebody is there to answer.
fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Standard output is for reports, so questions go to standard error.
fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn ask(question: &str, nobody: impl Fn() -> Error) -> Result<String> {
    if !is_possible() {
        return Err(nobody());
    }
    say(question);
    let mut answer = String::new();
    match io::stdin().lock().read_line(&mut answer) {
        Ok(0) | Err(_) => Err(nobody()),
        Ok(_) => Ok(answer.trim().to_owned()),
    }
}
