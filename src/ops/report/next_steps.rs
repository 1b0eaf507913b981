//! The head of a store's report: how bad its state is, and what to do next.

use serde::Serialize;

use crate::finding::{Code, Severity};
use crate::ops::status::Status;

/// Steps that the head has.
const MOST_STEPS: usize = 8;

/// How bad the state of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing has to be done.
    Ok,
    /// Something is off, but influxd starts and everybody gets in who should.
    Warn,
    /// influxd would not start, nobody gets in, or the file is damaged.
    Fail,
}

impl Verdict {
    /// Its name as reports print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// The head.
#[derive(Debug, Serialize)]
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
pub struct Step {
    /// How bad the reason is.
    pub verdict: Verdict,
    /// The reason.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// The head that follows from the findings of `status`. `advice` is what helps with a damaged file,
/// after a trial.
pub(super) fn head(status: &Status, advice: Option<String>) -> Head {
    let mut findings: Vec<_> = status
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info)
        .collect();
    // The sort is stable: damage of the structure stays first.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut steps: Vec<Step> = Vec::new();
    if let Some(advice) = advice {
        steps.push(Step {
            verdict: Verdict::Fail,
            message: String::from("the structure of the file is damaged"),
            hint: advice,
        });
    }
    let is_nobody = |code: Code| code == Code::NobodyGetsIn;
    if !findings.iter().any(|finding| is_nobody(finding.code))
        && !status.operator_tokens.hidden
        && !status
            .operator_tokens
            .iter()
            .any(|t| t.usable != Some(false))
    {
        steps.push(Step {
            verdict: Verdict::Warn,
            message: String::from("no operator token is usable"),
            hint: String::from("boltkey recover operator creates one"),
        });
    }
    steps.extend(findings.into_iter().map(|finding| Step {
        verdict: match finding.severity {
            Severity::Error => Verdict::Fail,
            Severity::Warning | Severity::Info => Verdict::Warn,
        },
        message: format!("{}: {}", finding.place, finding.message),
        hint: match &finding.hint {
            Some(hint) => hint.clone(),
            None => finding.code.cure().to_owned(),
        },
    }));
    steps.sort_by_key(|step| std::cmp::Reverse(step.verdict));
    let verdict = steps.first().map_or(Verdict::Ok, |step| step.verdict);
    let more = steps.len().saturating_sub(MOST_STEPS) as u64;
    steps.truncate(MOST_STEPS);
    Head {
        verdict,
        steps,
        more,
    }
}
