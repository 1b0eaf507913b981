//! Every call that `recover operator` makes on the database fails in turn: the outcome says what
//! the file then holds, nothing is written after the failure, and the file with the new token
//! goes only if the change was certainly not made.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic)] // test code

mod support;

use std::fs;
use std::path::Path;

use boltkey::metadata::Id;
use boltkey::ops::commit::Around;
use boltkey::secret::Token;
use boltkey::store::{Committed, Model, Outcome};
use boltkey::{Error, ErrorKind};
use support::device::{Call, Fault, Recorder, Stage};
use support::scene::{Engine, Scene, contents, lost, recovery, scenes, writable};

/// What the command did, and the token that it would have made.
struct Ran {
    committed: Result<Committed, Error>,
    token: Option<Token>,
    id: Option<Id>,
}

fn run(recorder: &Recorder, name: &str, folder: Option<&Path>) -> Ran {
    let mut ran = Ran {
        committed: Err(Error::new(ErrorKind::Io, "not begun")),
        token: None,
        id: None,
    };
    let mut store = match writable(recorder, name) {
        Ok(store) => store,
        Err(error) => {
            ran.committed = Err(error);
            return ran;
        }
    };
    let plan = match recovery(&store) {
        Ok(plan) => plan,
        Err(error) => {
            ran.committed = Err(error);
            return ran;
        }
    };
    ran.token = Some(Token::new(plan.token().reveal().to_owned()));
    ran.id = Some(plan.id());
    let (copy, out) = match folder {
        Some(folder) => (Some(folder.join("copy")), Some(folder.join("token"))),
        None => (None, None),
    };
    let around = Around {
        keep_copy: copy.as_deref(),
        token_out: out.as_deref().map(|path| (path, plan.token())),
    };
    ran.committed = plan.apply(&mut store, &around);
    ran
}

/// The file after a power failure that takes everything which was not synced.
fn durable(before: &[u8], log: &[Call]) -> Vec<u8> {
    let synced = log
        .iter()
        .rposition(|call| matches!(call, Call::Sync))
        .map_or(0, |at| at + 1);
    let mut bytes = before.to_vec();
    for call in log.get(..synced).unwrap_or_default() {
        match call {
            Call::Write {
                offset,
                bytes: written,
            } => {
                let start = usize::try_from(*offset).unwrap();
                let end = start + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes.splice(start..end, written.iter().copied());
            }
            Call::SetLength(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
            Call::Sync => {}
        }
    }
    bytes
}

/// Lets each call fail, in each way, on one store; how many times one did.
fn fail_everywhere(scene: &Scene, with_files: bool) -> usize {
    let mut failed = 0;
    for fault in [Fault::Io, Fault::Full, Fault::Short] {
        for number in 0.. {
            let recorder = Recorder::new(scene.bytes.clone());
            recorder.fail(number, fault);
            let folder = with_files.then(|| tempfile::tempdir().unwrap());
            let folder = folder.as_ref().map(|folder| folder.path());
            let ran = run(&recorder, &scene.name, folder);
            let place = format!("{}: call {number}, {fault:?}", scene.name);
            let Some(stage) = recorder.failed() else {
                if number >= recorder.calls() {
                    assert!(matches!(&ran.committed, Ok(done) if done.failure.is_none()));
                    break;
                }
                continue; // a fault of another kind of call
            };
            failed += 1;
            judge(scene, &recorder, &ran, stage, folder, &place);
        }
    }
    failed
}

/// What is known to hold.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Holds {
    Old,
    New,
    Either,
}

fn judge(
    scene: &Scene,
    recorder: &Recorder,
    ran: &Ran,
    stage: Stage,
    folder: Option<&Path>,
    place: &str,
) {
    assert!(
        !recorder.changed_after_failure(),
        "{place}: went on writing {:?}",
        ran.committed
            .as_ref()
            .map(|done| (done.outcome, done.failure.is_some()))
            .map_err(|error| error.to_string())
    );
    let (holds, error) = match &ran.committed {
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::Incomplete, "{place}: {error}");
            (Holds::Old, Some(error))
        }
        Ok(done) => {
            if let Some(failure) = &done.failure {
                assert_eq!(failure.kind(), ErrorKind::Incomplete, "{place}");
                assert!(failure.hint().is_some(), "{place}");
            }
            let holds = match done.outcome {
                Outcome::Changed => Holds::New,
                Outcome::Unknown => Holds::Either,
                Outcome::Unchanged => panic!("{place}: nothing to change"),
            };
            (holds, done.failure.as_ref())
        }
    };
    if scene.engine == Engine::Bolt {
        let expected = match stage {
            Stage::Before => Holds::Old,
            Stage::During => Holds::Either,
            Stage::After => Holds::New,
        };
        assert_eq!(holds, expected, "{place}");
        assert!(error.is_some(), "{place}: a failure without a word");
    }
    if let Some(error) = error {
        let message = error.message();
        let words = match holds {
            Holds::Old => "nothing was changed",
            Holds::New => "committed",
            Holds::Either => "may or may not hold",
        };
        assert!(message.contains(words), "{place}: {message}");
        let texts = format!("{error} {error:?} {}", error.hint().unwrap_or_default());
        let token = ran.token.as_ref().map_or("-", |token| token.reveal());
        assert!(token == "-" || !texts.contains(token), "{place}: shows it");
    }
    for bytes in [recorder.bytes(), durable(&scene.bytes, &recorder.log())] {
        let found = contents(scene.engine, &bytes).unwrap_or_else(|why| panic!("{place}: {why}"));
        let is_old = found == scene.old;
        match holds {
            Holds::Old => assert!(is_old, "{place}: changed all the same"),
            Holds::New => assert!(has_new(&found, scene, ran), "{place}: it does not hold"),
            Holds::Either => assert!(is_old || has_new(&found, scene, ran), "{place}: a third"),
        }
        if !scene.lost.is_empty() {
            let left = lost(scene.engine, &bytes);
            let all = scene.lost.iter().all(|id| left.binary_search(id).is_ok());
            assert!(all, "{place}: the last copy of a token is gone");
        }
    }
    let Some(folder) = folder else { return };
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    if holds == Holds::Old {
        // The copy may be complete already; it is named then.
        names.retain(|name| name != "copy" || !error.unwrap().message().contains("/copy"));
        assert!(names.is_empty(), "{place}: {names:?} are left");
    } else {
        assert_eq!(names, ["copy", "token"], "{place}");
        assert!(fs::read(folder.join("copy")).unwrap() == scene.bytes);
        let token = ran.token.as_ref().unwrap().reveal();
        let written = fs::read_to_string(folder.join("token")).unwrap();
        assert_eq!(written.trim_end(), token, "{place}");
    }
}

/// Whether the new authorization is there, beside all that was.
fn has_new(found: &Model, scene: &Scene, ran: &Ran) -> bool {
    use boltkey::store::Snapshot;
    let id = ran.id.unwrap().to_string();
    let record = found.get(b"authorizationsv1", id.as_bytes()).unwrap();
    let mut without = found.clone();
    without.delete(b"authorizationsv1", id.as_bytes());
    for index in [&b"authorizationindexv1"[..], b"authorizationhashedindexv1"] {
        let mut keys = Vec::new();
        found
            .scan(index, &mut |key, value| {
                if value == id.as_bytes() {
                    keys.push(key.to_vec());
                }
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        keys.iter().for_each(|key| without.delete(index, key));
    }
    record.is_some() && without == scene.old
}

fn fail_all(engine: Engine) -> usize {
    let mut failed = 0;
    for (n, scene) in scenes(engine).iter().enumerate() {
        failed += fail_everywhere(scene, n == 4);
    }
    failed
}

#[test]
fn bolt() {
    println!("cases: fault-bolt {}", fail_all(Engine::Bolt));
}

#[test]
fn redb() {
    println!("cases: fault-redb {}", fail_all(Engine::Redb));
}
