//! On random stores: each token that authenticated before does so after, as the same authorization.
//! No other token does, except those that a broken index had made unusable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use boltkey::metadata::authenticate::find;
use boltkey::metadata::{TokenHash, Variant, json, names};
use boltkey::secret::Token;
use boltkey::store::Model;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::stores::{How, hash, record};
use crate::support::device::Recorder;
use crate::support::fixtures::fixture;
use crate::support::store_image::{Both, open, writable};
use boltkey::store::Engine;

/// How one record keeps its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Plain,
    Hashed,
    Both,
    /// It has none.
    Dead,
}

/// What the indexes say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexed {
    Rightly,
    /// By the raw token, for any record.
    Raw,
    /// By the hash, for any record.
    Hash,
    Nowhere,
    /// To another authorization.
    Elsewhere,
}

#[derive(Debug, Clone)]
struct One {
    token: String,
    kept: Kept,
    indexed: Indexed,
    sha512: bool,
}

fn one() -> impl Strategy<Value = One> {
    let generated = "[A-Za-z0-9_-]{86}==";
    let token = prop_oneof![
        4 => generated.prop_map(|text| text),
        2 => "[a-c]{1,2}".prop_map(|text| text),
        2 => "[ -~]{1,40}".prop_map(|text| text),
        1 => "[äß日\u{2028}<>&\"\\\\]{1,12}".prop_map(|text| text),
    ];
    let kept = prop_oneof![
        5 => Just(Kept::Plain),
        3 => Just(Kept::Hashed),
        1 => Just(Kept::Both),
        1 => Just(Kept::Dead),
    ];
    let indexed = prop_oneof![
        6 => Just(Indexed::Rightly),
        1 => Just(Indexed::Raw),
        1 => Just(Indexed::Hash),
        1 => Just(Indexed::Nowhere),
        1 => Just(Indexed::Elsewhere),
    ];
    (token, kept, indexed, any::<bool>()).prop_map(|(token, kept, indexed, sha512)| One {
        token,
        kept,
        indexed,
        sha512,
    })
}

fn id(n: usize) -> String {
    format!("0b{n:014x}")
}

fn store_of(base: &Model, all: &[One]) -> Model {
    let mut model = base.clone();
    model.create_bucket(names::AUTHORIZATION_HASHED_INDEX);
    for (n, one) in all.iter().enumerate() {
        let id = id(n);
        let variant = match one.sha512 {
            true => Variant::Sha512,
            false => Variant::Sha256,
        };
        let hash = TokenHash::of(variant, one.token.as_bytes()).to_phc();
        let token = format!("\"token\":{}", json::string(&one.token));
        let hashed = format!("\"hashedToken\":\"{hash}\"");
        let fields = match one.kept {
            Kept::Plain => token,
            Kept::Hashed => hashed,
            Kept::Both => format!("{token},{hashed}"),
            Kept::Dead => String::from("\"token\":\"\""),
        };
        model.put(names::AUTHORIZATIONS, id.as_bytes(), &record(&id, &fields));
        let leads = match one.indexed {
            Indexed::Elsewhere => self::id(n + 1),
            _ => id.clone(),
        };
        let raw = match one.indexed {
            Indexed::Nowhere => continue,
            Indexed::Raw => true,
            Indexed::Hash => false,
            Indexed::Rightly | Indexed::Elsewhere => one.kept != Kept::Hashed,
        };
        let (bucket, key) = match raw {
            true => (names::AUTHORIZATION_INDEX, one.token.as_bytes()),
            false => (names::AUTHORIZATION_HASHED_INDEX, hash.as_bytes()),
        };
        model.put(bucket, key, leads.as_bytes());
    }
    model
}

fn found(store: &dyn Both, tokens: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for token in tokens {
        let secret = Token::new(token.clone());
        if let Some(id) = find(store, &secret).unwrap() {
            found.insert(token.clone(), id.to_string());
        }
    }
    found
}

#[test]
fn what_authenticated_before_does_so_after() {
    let compared = AtomicUsize::new(0);
    let base = fixture("fresh-2.9.1-plaintext");
    let base = open(Engine::Bolt, &base).unwrap();
    let (base, _) = Model::copy_of(&*base).unwrap();
    let config = ProptestConfig {
        // On average 78 tokens each: far more than the minimum, which chance must not miss.
        cases: 64,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let all = proptest::collection::vec(one(), 0..40);
    let done = TestRunner::new(config).run(&(all, any::<bool>()), |(all, sha512)| {
        let model = store_of(&base, &all);
        let mut tokens: BTreeSet<String> = all.iter().map(|one| one.token.clone()).collect();
        let hashes: Vec<String> = tokens
            .iter()
            .map(|token| TokenHash::of(Variant::Sha256, token.as_bytes()).to_phc())
            .collect();
        // A stolen hash opens nothing.
        tokens.extend(hashes.iter().cloned());
        for engine in [Engine::Bolt, Engine::Redb] {
            let bytes = made_of(engine, &model);
            let before = found(&*open(engine, &bytes).unwrap(), &tokens);
            let recorder = Recorder::new(bytes);
            let mut store = writable(&recorder, "random").unwrap();
            let how = How {
                sha512,
                keep_residue: false,
            };
            let ended = hash(&mut store, how, None).unwrap();
            assert!(
                ended.committed.failure.is_none(),
                "{:?}",
                ended.committed.failure
            );
            drop(store);
            let after = found(&*open(engine, &recorder.bytes()).unwrap(), &tokens);
            for (token, id) in &before {
                // Of two records with one token and hashes of two kinds a server finds another.
                let mut kinds = BTreeSet::new();
                for one in all.iter().filter(|one| one.token == *token) {
                    if one.kept == Kept::Plain {
                        kinds.insert(sha512);
                    }
                    if one.kept != Kept::Plain || one.indexed == Indexed::Hash {
                        kinds.insert(one.sha512);
                    }
                }
                let another = kinds.len() > 1 && after.contains_key(token);
                prop_assert!(after.get(token) == Some(id) || another);
            }
            for (token, id) in &after {
                prop_assert!(!hashes.contains(token));
                // It is this record's, and the index had not led to it.
                let its = all.iter().enumerate().any(|(n, one)| {
                    self::id(n) == *id && one.token == *token && one.kept != Kept::Dead
                });
                prop_assert!(before.contains_key(token) || its);
                let broken = all
                    .iter()
                    .any(|one| one.token == *token && one.indexed != Indexed::Rightly);
                let twins = all.iter().filter(|one| one.token == *token).count() > 1;
                prop_assert!(before.contains_key(token) || broken || twins);
            }
            // None is lost: every record with a token is found by some token.
            for one in all.iter().filter(|one| one.kept != Kept::Dead) {
                prop_assert!(after.contains_key(&one.token));
            }
            compared.fetch_add(tokens.len(), Ordering::Relaxed);
        }
        Ok(())
    });
    if let Err(failed) = done {
        panic!("{failed}");
    }
    let compared = compared.into_inner();
    println!("cases: hash-authenticates {compared}");
}

/// Tokens so short that their bytes stand somewhere in any file.
#[test]
fn short_tokens_raise_no_alarm() {
    let base = fixture("fresh-2.9.1-plaintext");
    let base = open(Engine::Bolt, &base).unwrap();
    let (base, _) = Model::copy_of(&*base).unwrap();
    let short: Vec<String> = (b'!'..=b'~')
        .map(|byte| char::from(byte).to_string())
        .collect();
    for kept in [Kept::Plain, Kept::Hashed] {
        let all: Vec<One> = short
            .iter()
            .map(|token| One {
                token: token.clone(),
                kept,
                indexed: Indexed::Rightly,
                sha512: false,
            })
            .collect();
        let model = store_of(&base, &all);
        for engine in [Engine::Bolt, Engine::Redb] {
            let recorder = Recorder::new(made_of(engine, &model));
            let mut store = writable(&recorder, "short").unwrap();
            let how = How {
                sha512: false,
                keep_residue: false,
            };
            let ended = hash(&mut store, how, None).unwrap();
            let failure = ended.committed.failure;
            assert!(failure.is_none(), "{kept:?} {engine:?}: {failure:?}");
        }
    }
}

fn made_of(engine: Engine, model: &Model) -> Vec<u8> {
    use std::path::Path;
    use std::sync::Arc;

    use boltkey::store::{Device, Progress, bolt, redb};

    let file = Recorder::new(Vec::new());
    let device: Arc<dyn Device> = Arc::new(file.clone());
    let (path, progress) = (Path::new("made"), Progress::new(&|_| {}));
    match engine {
        Engine::Bolt => bolt::create(model, 4096, &device, path, &progress).unwrap(),
        Engine::Redb => redb::create(model, &device, path, &progress).unwrap(),
    }
    file.bytes()
}
