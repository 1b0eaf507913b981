//! Tasks and their runs. InfluxDB 2.5 and later reads the first 100 tasks when it starts, inactive
//! ones too. It does not start if something of them is missing or can't be read.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::{Code, Finding, Severity};
use crate::metadata::check::{Checker, MOST_OF_A_CODE, place, text};
use crate::metadata::go_json::{self, Field, Kind};
use crate::metadata::{Id, names};

/// The number of tasks that influxd reads when it starts (`TaskDefaultPageSize`).
const READ_AT_START: u64 = 100;

/// The fields of a task (`kv/task.go`).
const TASK: &[Field] = &[
    ("id", Kind::Id),
    ("type", Kind::Text),
    ("orgID", Kind::Id),
    ("org", Kind::Text),
    ("ownerID", Kind::Id),
    ("name", Kind::Text),
    ("description", Kind::Text),
    ("status", Kind::Text),
    ("every", Kind::Text),
    ("cron", Kind::Text),
    ("lastRunStatus", Kind::Text),
    ("lastRunError", Kind::Text),
    ("offset", Kind::Duration),
    ("latestCompleted", Kind::Time),
    ("latestScheduled", Kind::Time),
    ("latestSuccess", Kind::Time),
    ("latestFailure", Kind::Time),
    ("flux", Kind::Text),
    ("createdAt", Kind::Time),
    ("updatedAt", Kind::Time),
    ("metadata", Kind::Object),
];

/// The fields of a run (`task/taskmodel/task.go`).
const RUN: &[Field] = &[
    ("id", Kind::Id),
    ("taskID", Kind::Id),
    ("status", Kind::Text),
    ("scheduledFor", Kind::Time),
    ("runAt", Kind::Time),
    ("flux", Kind::Text),
    ("startedAt", Kind::Time),
    ("finishedAt", Kind::Time),
    ("requestedAt", Kind::Time),
    (
        "log",
        Kind::Objects(&[
            ("runID", Kind::Id),
            ("time", Kind::Text),
            ("message", Kind::Text),
        ]),
    ),
    ("traceID", Kind::Text),
    ("isSampled", Kind::Flag),
];

/// The IDs of a task and of its organization.
struct Task {
    id: Id,
    org: Id,
}

fn task(key: &[u8], value: &[u8]) -> std::result::Result<Task, String> {
    let text = go_json::text(value);
    let record = go_json::read(&text, TASK)?;
    let id = record.id("id").ok_or("it has no ID")?;
    if key != id.to_string().as_bytes() {
        return Err(format!("the ID in the record is {id}"));
    }
    let org = record.id("orgID").ok_or("it has no organization")?;
    Ok(Task { id, org })
}

/// The task of a run, by the key of the run.
fn task_of(key: &[u8]) -> Option<Id> {
    Id::from_bytes(key.get(..16)?).ok()
}

fn run(key: &[u8], value: &[u8]) -> std::result::Result<(), String> {
    let text = go_json::text(value);
    if key.ends_with(b"manualRuns") {
        go_json::read_list(&text, RUN)
    } else if key.ends_with(b"latestCompleted") {
        Ok(())
    } else {
        go_json::read(&text, RUN).map(|_| ())
    }
}

impl Checker<'_> {
    /// Tasks, their organizations and their runs.
    pub(super) fn tasks(&mut self) -> Result<()> {
        let mut found = Vec::new();
        // By organization: the tasks that influxd reads when it starts, and the others.
        let mut first = BTreeMap::<Id, Vec<Id>>::new();
        let mut later = BTreeMap::<Id, Vec<Id>>::new();
        let mut number = 0;
        let damage = self.snapshot.scan(names::TASKS, &mut |key, value| {
            number += 1;
            let at_start = number <= READ_AT_START;
            match task(key, value) {
                Ok(task) => {
                    let tasks = if at_start { &mut first } else { &mut later };
                    tasks.entry(task.org).or_default().push(task.id);
                }
                Err(why) if found.len() < MOST_OF_A_CODE => {
                    found.push(unreadable(key, &why, at_start));
                }
                Err(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        self.extend(damage);
        self.tasks = number;
        for (tasks, at_start) in [(&first, true), (&later, false)] {
            for (org, tasks) in tasks {
                if !self.finds_bucket(*org, "_tasks") {
                    self.without_bucket(*org, tasks, at_start, &mut found);
                }
            }
        }
        self.extend(found);
        self.runs(&first.into_values().flatten().collect())
    }

    /// Tasks of an organization in which influxd does not find the bucket for their logs.
    fn without_bucket(&self, org: Id, tasks: &[Id], at_start: bool, found: &mut Vec<Finding>) {
        let end = if at_start {
            "InfluxDB 2.5 and later does not start: bucket \"_tasks\" not found"
        } else {
            "influxd starts, because it reads only the first 100 tasks then; don't delete any of them"
        };
        let severity = severity(at_start);
        if self.is_org_gone(org) {
            for id in tasks {
                let message = format!("its organization {org} was deleted; {end}");
                let at = place(names::TASKS, *id);
                found.push(Finding::new(Code::TaskOrgGone, at, message).with_severity(severity));
            }
            return;
        }
        let name = match self.catalog.orgs.get(&org) {
            Some(org) => format!("{:?}", org.name),
            None => org.to_string(),
        };
        let message = format!(
            "organization {name} has tasks, but influxd does not find a bucket for their logs; {end}"
        );
        let at = place(names::ORGANIZATIONS, org);
        found.push(Finding::new(Code::TasksBucketAbsent, at, message).with_severity(severity));
    }

    /// The runs of tasks. `tasks` are the tasks that influxd reads when it starts.
    fn runs(&mut self, tasks: &HashSet<Id>) -> Result<()> {
        let mut found = Vec::new();
        let damage = self.snapshot.scan(names::TASK_RUNS, &mut |key, value| {
            if let Err(why) = run(key, value)
                && found.len() < MOST_OF_A_CODE
            {
                let at = format!("{}/{}", text(names::TASK_RUNS), text(key));
                let at_start = task_of(key).is_some_and(|id| tasks.contains(&id));
                let end = if at_start {
                    "InfluxDB 2.5 and later does not start"
                } else {
                    "influxd starts, because it does not read this run then"
                };
                let message = format!("influxd can't read it: {why}; {end}");
                found.push(
                    Finding::new(Code::RunUnreadable, at, message)
                        .with_severity(severity(at_start)),
                );
            }
            ControlFlow::Continue(())
        })?;
        self.extend(damage);
        self.extend(found);
        Ok(())
    }
}

fn severity(at_start: bool) -> Severity {
    if at_start {
        Severity::Error
    } else {
        Severity::Warning
    }
}

fn unreadable(key: &[u8], why: &str, at_start: bool) -> Finding {
    let end = if at_start {
        "InfluxDB 2.5 and later does not start"
    } else {
        "influxd starts, but this task and later ones don't run"
    };
    let at = format!("{}/{}", text(names::TASKS), text(key));
    let message = format!("influxd can't read it: {why}; {end}");
    Finding::new(Code::TaskUnreadable, at, message).with_severity(severity(at_start))
}
