//! The question which user or organization a new operator token belongs to.

use crate::cli::terminal::prompt::choose;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::recover::operator::Choice;
use crate::ops::resolve::By;

/// Prompts for a missing name if there are several. Returns whether it prompted.
///
/// # Errors
/// [`ErrorKind::Confirmation`] without a terminal, [`ErrorKind::Refused`] without a valid answer.
pub(crate) fn choose_missing(
    by: &mut Option<By>,
    what: &str,
    option: &str,
    choices: &[Choice],
) -> Result<bool> {
    if by.is_some() || choices.len() < 2 {
        return Ok(false);
    }
    let labels: Vec<String> = choices.iter().map(Choice::label).collect();
    let names: Vec<&str> = choices.iter().map(|choice| choice.name.as_str()).collect();
    let chosen = choose(what, &labels, &names, || {
        let labels: Vec<String> = labels.iter().map(|label| format!("{label:?}")).collect();
        Error::new(
            ErrorKind::Confirmation,
            format!(
                "there are several {what}s ({}), but there is no terminal to ask which",
                labels.join(", ")
            ),
        )
        .with_hint(format!("pass {option} NAME"))
    })?;
    *by = choices.get(chosen).map(|choice| By::Id(choice.id));
    Ok(true)
}
