//! Tests of what the operator tokens of a backup decide: whether a supplied one opens it, and what
//! `influx restore --full` does.

use crate::metadata::new_authorization::{Kept, NewAuthorization};
use crate::metadata::permission::of_operator;
use crate::metadata::{Id, names};
use crate::metadata::{TokenHash, Variant};
use crate::ops::backup::full_restore::{Answer, full_restore};
use crate::ops::backup::summary::look_at_sound;
use crate::ops::backup::supplied_token::supplied;
use crate::secret::Token;
use crate::store::{ChangeSet, Commit, Model, Snapshot};

#[derive(Clone, Copy)]
enum Keeping {
    Plaintext,
    Hashed,
}

const USER: &str = "0000000000000002";
const ORG: &str = "0000000000000003";

fn store(tokens: &[(u64, &str, Keeping)]) -> Model {
    let mut model = Model::default();
    let mut changes = ChangeSet::default();
    for bucket in [
        names::AUTHORIZATIONS,
        names::AUTHORIZATION_INDEX,
        names::AUTHORIZATION_HASHED_INDEX,
    ] {
        changes.create_bucket(bucket);
    }
    for bucket in [names::USERS, names::ORGANIZATIONS, names::MIGRATIONS] {
        changes.create_bucket(bucket);
    }
    for number in 1..=21 {
        crate::metadata::migration::put_record(&mut changes, number, "2021-01-01T00:00:00Z");
    }
    let user = format!(r#"{{"id":"{USER}","name":"alice","status":"active"}}"#);
    changes.put(names::USERS, USER.as_bytes(), user.as_bytes());
    let org = format!(r#"{{"id":"{ORG}","name":"acme"}}"#);
    changes.put(names::ORGANIZATIONS, ORG.as_bytes(), org.as_bytes());
    for (id, token, keeping) in tokens {
        let hash = TokenHash::of(Variant::Sha256, token.as_bytes()).to_phc();
        let token = Token::new((*token).to_owned());
        NewAuthorization {
            id: Id::new(*id).unwrap(),
            kept: match keeping {
                Keeping::Plaintext => Kept::Plaintext(&token),
                Keeping::Hashed => Kept::Hash(&hash),
            },
            active: true,
            description: "",
            org_id: ORG.parse().unwrap(),
            user_id: USER.parse().unwrap(),
            permissions: &of_operator(21),
            created_at: "2021-01-01T00:00:00Z",
        }
        .put(&mut changes);
    }
    model.commit(&changes, &[]).unwrap();
    model
}

/// Sets a field of an authorization.
fn set(model: &mut Model, id: u64, from: &str, to: &str) {
    let key = Id::new(id).unwrap().to_string();
    let record = model
        .get(names::AUTHORIZATIONS, key.as_bytes())
        .unwrap()
        .unwrap();
    let record = String::from_utf8(record).unwrap().replace(from, to);
    model.put(names::AUTHORIZATIONS, key.as_bytes(), record.as_bytes());
}

fn answers(model: &Model, token: Option<&str>) -> (Answer, Answer, Option<String>) {
    let facts = look_at_sound(model).unwrap();
    let supplied =
        token.map(|token| supplied(model, &facts, &Token::new(token.to_owned())).unwrap());
    let answers = full_restore(model, &facts, supplied.as_ref()).unwrap();
    let reason = supplied.and_then(|s| if s.matches { None } else { s.reason });
    (answers.cli_before_28, answers.cli_28, reason)
}

#[test]
fn the_first_operator_token_decides() {
    use Answer::{Fails, NeedsOperatorToken, Ok};
    use Keeping::{Hashed, Plaintext};
    let cases: [(&[_], Option<&str>, _, _); 9] = [
        (&[], None, Fails, Fails),
        (&[(10, "a", Plaintext)], None, Ok, Ok),
        (&[(10, "a", Plaintext)], Some("wrong"), Ok, Ok),
        (&[(10, "a", Hashed)], None, Fails, NeedsOperatorToken),
        (&[(10, "a", Hashed)], Some("a"), Fails, Ok),
        (&[(10, "a", Hashed)], Some("wrong"), Fails, Fails),
        (&[(10, "a", Hashed)], Some(""), Fails, Fails),
        (
            &[(10, "a", Hashed), (11, "b", Plaintext)],
            None,
            Fails,
            NeedsOperatorToken,
        ),
        (&[(10, "b", Plaintext), (11, "a", Hashed)], None, Ok, Ok),
    ];
    for (tokens, token, before, since) in cases {
        let (old, new, _) = answers(&store(tokens), token);
        assert_eq!((old, new), (before, since), "{} {token:?}", tokens.len());
    }
    // The server skips an inactive token, but not one of a deleted user, which does not work.
    let tokens = [(10, "a", Plaintext), (11, "b", Hashed)];
    let mut model = store(&tokens);
    set(
        &mut model,
        10,
        r#""status":"active""#,
        r#""status":"inactive""#,
    );
    assert_eq!(answers(&model, None).1, NeedsOperatorToken);
    let mut model = store(&tokens);
    set(&mut model, 10, USER, "0000000000000009");
    assert_eq!(answers(&model, Some("b")).1, Fails);
    println!("cases: full-restore 11");
}

#[test]
fn what_is_wrong_with_a_supplied_token_is_told() {
    let mut model = store(&[
        (10, "sound", Keeping::Hashed),
        (11, "inactive", Keeping::Plaintext),
        (12, "orphan", Keeping::Hashed),
        (13, "custom", Keeping::Plaintext),
    ]);
    set(
        &mut model,
        11,
        r#""status":"active""#,
        r#""status":"inactive""#,
    );
    set(&mut model, 12, USER, "0000000000000009");
    set(
        &mut model,
        13,
        r#""type":"authorizations""#,
        r#""type":"labels""#,
    );
    let cases = [
        ("sound", None),
        ("", Some("is empty")),
        ("unknown", Some("no authorization of the backup")),
        ("inactive", Some("is inactive")),
        ("orphan", Some("was deleted")),
        ("custom", Some("a custom token")),
    ];
    for (token, expected) in cases {
        let reason = answers(&model, Some(token)).2;
        match expected {
            None => assert_eq!(reason, None),
            Some(text) => assert!(reason.as_ref().unwrap().contains(text), "{reason:?}"),
        }
    }
    println!("cases: supplied-tokens 6");
}
