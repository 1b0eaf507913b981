//! A new store on a disk that fails, or does the wrong thing without an error. `setup` reports it,
//! or the file is right.

use std::fs;
use std::path::Path;

use crate::support::device::{Call, Fault, Recorder};
use boltkey::metadata::{Release, authenticate, check};
use boltkey::ops::setup::{Options, Plan, plan};
use boltkey::ops::timestamp::Timestamp;
use boltkey::ops::token_plan::new_token::Making;
use boltkey::secret::Token;
use boltkey::store::{Engine, OpenOptions, Store};
use boltkey::{Error, ErrorKind};
use jiff::Zoned;
use memchr::memmem::find;

const PASSWORD: &str = "correct horse battery";

fn new_store() -> Plan {
    let options = Options {
        user: "alice".into(),
        password: Token::new(PASSWORD.into()),
        strong_passwords: false,
        org: "acme".into(),
        bucket: "metrics".into(),
        retention: 0,
        making: Making::default(),
        release: Release::NEWEST,
        shards: Vec::new(),
    };
    plan(&options, &Timestamp::from(&Zoned::now())).unwrap()
}

/// Fills a new file on this device.
fn fill(plan: &Plan, engine: Engine, recorder: &Recorder) -> Result<(), Error> {
    plan.fill(engine, Box::new(recorder.clone()), Path::new("new"))
}

/// The bytes are the store, and show neither token nor password.
fn is_the_store(plan: &Plan, bytes: &[u8], place: &str) {
    let token = plan.token.token().unwrap();
    for secret in [token.reveal(), PASSWORD] {
        assert!(find(bytes, secret.as_bytes()).is_none(), "{place}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let store = Store::open(file.path(), &OpenOptions::default()).unwrap();
    assert_eq!(check::check(store.snapshot()).unwrap(), [], "{place}");
    let mut findings = store.inspect().check().unwrap().findings;
    // All that redb does about it is to look through the store once more.
    findings.retain(|finding| finding.code != "structure.unclean");
    assert_eq!(findings, [], "{place}");
    let found = authenticate::find(store.snapshot(), token).unwrap();
    assert_eq!(found, Some(plan.token.id()), "{place}");
}

#[test]
fn a_disk_that_fails_or_lies_is_told_of() {
    let plan = new_store();
    let mut cases = 0;
    for engine in [Engine::Bolt, Engine::Redb] {
        let recorder = Recorder::new(Vec::new());
        fill(&plan, engine, &recorder).unwrap();
        is_the_store(&plan, &recorder.bytes(), engine.name());
        // Nothing is written after the last sync: what gets its name is on disk.
        let log = recorder.log();
        assert!(matches!(log.last(), Some(Call::Sync)), "{}", engine.name());
        let last_sync = recorder.noted().last().copied().unwrap();
        for number in 0..recorder.calls() {
            for fault in [
                Fault::Io,
                Fault::Full,
                Fault::Short,
                Fault::Lost,
                Fault::Flipped,
            ] {
                let recorder = Recorder::new(Vec::new());
                recorder.fail(number, fault);
                let ended = fill(&plan, engine, &recorder);
                let place = format!("{}: call {number}, {fault:?}", engine.name());
                cases += 1;
                match ended {
                    Ok(()) => {
                        // What is only read, after the last sync, may be read another way.
                        let fails = fault.is_told() && recorder.failed().is_some();
                        assert!(!fails || number > last_sync, "{place}: not told");
                        is_the_store(&plan, &recorder.bytes(), &place);
                    }
                    Err(error) => {
                        let kind = error.kind();
                        let fits = matches!(
                            kind,
                            ErrorKind::Io | ErrorKind::Corrupt | ErrorKind::NotAStore
                        );
                        assert!(fits, "{place}: {error}");
                        let token = plan.token.token().unwrap().reveal();
                        let text = format!("{error} {error:?}");
                        assert!(!text.contains(token) && !text.contains(PASSWORD), "{place}");
                    }
                }
            }
        }
    }
    println!("cases: fault-setup {cases}");
}
