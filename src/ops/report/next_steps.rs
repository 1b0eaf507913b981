//! The head of a store's report: the verdict of `doctor`, and its next steps.

use serde::Serialize;

use crate::metadata::shown_tokens::ShownTokens;
use crate::ops::doctor::{Check, Verdict};

/// Steps that the head has.
const MOST_STEPS: usize = 8;

/// The head.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Head {
    /// The worst result.
    pub verdict: Verdict,
    /// What to do, the most urgent first. Empty if nothing has to be done.
    pub steps: Vec<Step>,
    /// How many further steps there are. All findings have them.
    pub more: u64,
}

/// One step.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// How bad the reason is.
    pub verdict: Verdict,
    /// The reason.
    pub message: String,
    /// How many more reasons of this verdict there are for the same.
    pub more: u64,
    /// What to do.
    pub hint: String,
    /// The command for it, as `doctor` names it; none if there is none that can be run as it is: for
    /// a packed copy, or a transaction that is not the current one.
    pub command: Option<String>,
}

/// The head that follows from the checks of `doctor`. The first step is the one that `doctor` names.
pub(super) fn head(checks: &[Check], shown: &mut ShownTokens<'_>) -> Head {
    let mut found = Vec::new();
    problems(checks, &mut found);
    // The sort is stable: of equally bad ones, the order is that in which one acts on them.
    found.sort_by_key(|check| (std::cmp::Reverse(check.result), check.command.is_none()));
    let verdict = found.first().map_or(Verdict::Ok, |check| check.result);
    // The number of checks that ask for the same as the first of them.
    let mut distinct: Vec<(&Check, u64)> = Vec::new();
    for check in found {
        let of = |(first, _): &&mut (&Check, u64)| {
            (first.result, &first.hint, &first.command)
                == (check.result, &check.hint, &check.command)
        };
        match distinct.iter_mut().find(of) {
            Some((_, more)) => *more += 1,
            None => distinct.push((check, 0)),
        }
    }
    let steps = distinct.iter().take(MOST_STEPS).map(|(check, more)| {
        let mut text = |text: &str| {
            let mut text = text.to_owned();
            shown.leave_out(&mut text);
            text
        };
        let message = text(&check.message);
        let hint = text(check.hint.as_deref().unwrap_or_default());
        let command = check.command.clone();
        Step {
            verdict: check.result,
            message,
            more: *more,
            hint,
            command: command.filter(|command| !shown.are_in(command)),
        }
    });
    Head {
        verdict,
        steps: steps.collect(),
        more: distinct.len().saturating_sub(MOST_STEPS) as u64,
    }
}

/// The checks that found something and are not the sum of others, in order.
fn problems<'c>(checks: &'c [Check], found: &mut Vec<&'c Check>) {
    for check in checks.iter().filter(|check| check.result > Verdict::Ok) {
        match check.checks.is_empty() {
            true => found.push(check),
            false => problems(&check.checks, found),
        }
    }
}
