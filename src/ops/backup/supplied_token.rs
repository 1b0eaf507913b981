//! Operator tokens of a backup: whether a supplied token opens it, and the result of `influx
//! restore --full`.

use serde::Serialize;

use crate::error::Result;
use crate::metadata::authenticate::{find, judge};
use crate::metadata::{Authorization, Class, Id, Kind as TokenKind, Storage, authorization, names};
use crate::ops::backup::source::Kind;
use crate::ops::backup::summary::StoreFacts;
use crate::secret::Token;
use crate::store::Snapshot;

/// Since this migration, operator tokens have all resource types that current servers require.
/// Older stores are migrated during the restore, and their operator tokens get the missing types.
const COMPLETE_SINCE: u64 = 19;

/// The check of a supplied operator token.
#[derive(Debug, Clone, Serialize)]
pub struct Supplied {
    /// Whether it opens the backup.
    pub matches: bool,
    /// Its authorization, if it belongs to one.
    pub id: Option<Id>,
    /// How its authorization stores it.
    #[serde(skip)]
    pub storage: Option<Storage>,
    /// Why it does not open the backup, or a note although it does.
    pub reason: Option<String>,
}

/// Whether a server accepts this kind of token as an operator token after the restore.
fn is_operator(class: Class, schema: u64) -> bool {
    class.kind == TokenKind::Operator && (!class.old_vintage || schema < COMPLETE_SINCE)
}

/// Checks a supplied operator token.
///
/// # Errors
/// When the store can't be read, or the token's record is damaged.
pub fn supplied(snapshot: &dyn Snapshot, facts: &StoreFacts, token: &Token) -> Result<Supplied> {
    let refused = |id, storage, reason: &str| Supplied {
        matches: false,
        id,
        storage,
        reason: Some(reason.to_owned()),
    };
    if token.reveal().is_empty() {
        return Ok(refused(None, None, "the given operator token is empty"));
    }
    let Some(id) = find(snapshot, token)? else {
        return Ok(refused(
            None,
            None,
            "no authorization of the backup has this token",
        ));
    };
    let schema = facts.summary.schema.migrations;
    let judged = authorization::with(snapshot, id, |record| {
        let verdict = judge(record, &facts.catalog, &facts.indexes);
        let storage = Some(record.storage());
        let class = record.class();
        if class.kind != TokenKind::Operator {
            let why = format!("it is not an operator token, it is {}", article(class.kind));
            return refused(Some(id), storage, &why);
        }
        if !is_operator(class, schema) {
            let why = "it lacks resource types that later releases added, so servers since 2.1 \
                       don't accept it as an operator token";
            return refused(Some(id), storage, why);
        }
        if !verdict.authenticates {
            return refused(Some(id), storage, &verdict.reasons.join("; "));
        }
        Supplied {
            matches: true,
            id: Some(id),
            storage,
            reason: (!verdict.reasons.is_empty()).then(|| verdict.reasons.join("; ")),
        }
    })?;
    Ok(judged.unwrap_or_else(|| refused(Some(id), None, "its authorization does not exist")))
}

fn article(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Operator => "an operator token",
        TokenKind::AllAccess => "an all-access token",
        TokenKind::Custom => "a custom token",
    }
}

/// The result of `influx restore --full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It succeeds.
    Ok,
    /// It succeeds if an operator token of the backup is given with `--operator-token`.
    NeedsOperatorToken,
    /// It replaces the metadata and then fails with 401.
    Fails,
}

/// The results with both generations of the influx CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// Without `--operator-token`.
    pub cli_before_28: Answer,
    /// With `--operator-token`, which is used only when the server's reply contains no token.
    pub cli_28: Answer,
}

/// Predicts a full restore from the server's reply and the CLI's token. The reply contains the
/// plaintext of the first active operator token in ID order, or nothing if that token is hashed.
///
/// # Errors
/// When the store can't be read.
pub fn full_restore(
    snapshot: &dyn Snapshot,
    facts: &StoreFacts,
    supplied: Option<&Supplied>,
) -> Result<Answers> {
    let schema = facts.summary.schema.migrations;
    // For the first operator token: whether its plaintext is stored, and whether it works.
    let mut first: Option<(bool, bool)> = None;
    let mut one_would_do = false;
    authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
        if !is_operator(record.class(), schema) {
            return;
        }
        let works = works(record, facts);
        one_would_do |= works;
        if first.is_none() && record.is_active() {
            first = Some((!record.token.is_empty(), works));
        }
    })?;
    let all = |answer| Answers {
        cli_before_28: answer,
        cli_28: answer,
    };
    Ok(match (first, supplied) {
        // A store without an operator token fails, but only after the server has replaced its
        // metadata.
        (None, _) | (Some((true, false)), _) => all(Answer::Fails),
        (Some((true, true)), _) => all(Answer::Ok),
        (Some((false, _)), supplied) => Answers {
            cli_before_28: Answer::Fails,
            cli_28: match supplied {
                Some(supplied) if supplied.matches => Answer::Ok,
                None if one_would_do => Answer::NeedsOperatorToken,
                _ => Answer::Fails,
            },
        },
    })
}

fn works(record: &Authorization<'_>, facts: &StoreFacts) -> bool {
    judge(record, &facts.catalog, &facts.indexes).authenticates
}

impl Kind {
    /// Whether `influx restore` accepts it as it is.
    #[must_use]
    pub fn has_manifest(self) -> bool {
        self == Self::Influx
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::new_authorization::{Kept, NewAuthorization};
    use crate::metadata::permission::of_operator;
    use crate::metadata::{TokenHash, Variant};
    use crate::ops::backup::summary::look;
    use crate::store::{ChangeSet, Commit, Model};

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
        let facts = look(model).unwrap();
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
}
