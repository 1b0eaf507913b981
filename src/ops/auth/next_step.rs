//! The command that helps where a token does not work.

use crate::metadata::{Authorization, Can, Catalog, Id};

/// For the token of an authorization that a server rejects.
pub(crate) fn for_unusable(record: &Authorization<'_>, catalog: &Catalog) -> String {
    let id = record.id;
    let user = record.user_id.map(|user| catalog.users.get(&user));
    let owner_works = match user {
        None => true,
        Some(user) => user.is_some_and(|user| user.status != "inactive"),
    };
    if !owner_works {
        return "boltkey auth create --user NAME makes a token of another user".into();
    }
    if !record.is_active() {
        return format!("boltkey auth update {id} --status active activates it");
    }
    for_lost_value(id)
}

/// For an authorization whose token can't be used or is not known.
pub(crate) fn for_lost_value(id: Id) -> String {
    format!("boltkey auth rotate {id} gives the authorization a new token")
}

/// For the ID of an authorization that is given instead of its token.
pub(crate) fn for_id(record: &Authorization<'_>) -> String {
    let id = record.id;
    if record.token.is_empty() {
        return format!(
            "only the hash of its token is stored: boltkey residue recover --out FILE finds the \
             token if the file still shows it, {}",
            for_lost_value(id)
        );
    }
    format!("boltkey auth show {id} --reveal shows its token")
}

/// For a token with something that the given text lacks, such as a line feed at its end.
pub(crate) fn for_odd_token(id: Id) -> String {
    format!("boltkey auth rotate {id} --token-file FILE makes the text in FILE its token")
}

/// For a token that may not do what was asked.
pub(crate) fn for_permission(can: &Can) -> String {
    let can = can.to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/_.-".contains(c);
    let can = match can.chars().all(is_plain) {
        true => can,
        false => format!("'{}'", can.replace('\'', r"'\''")),
    };
    format!(
        "permissions of a token can't be changed: boltkey auth list --can {can} shows the tokens \
         that may do this, boltkey auth create makes one"
    )
}

/// For a token that the store does not know.
pub(crate) fn for_unknown() -> String {
    "boltkey auth list shows the tokens of this store, boltkey recover operator creates a new \
     operator token; boltkey locate finds other stores of this host"
        .into()
}

/// For a hash that is given instead of a token.
pub(crate) fn for_hash() -> String {
    "boltkey residue recover --out FILE finds the tokens of hashes that the file still shows".into()
}

/// For a 1.x user name that is given instead of a token.
pub(crate) fn for_user_name() -> String {
    "boltkey v1 auth list shows the 1.x users, and boltkey user verify with --v1 checks the password \
     of one"
        .into()
}

/// For a 1.x-compatible authorization that the 1.x endpoints refuse.
pub(crate) fn for_unusable_v1(
    record: &Authorization<'_>,
    catalog: &Catalog,
    has_password: bool,
) -> String {
    let id = record.id;
    let user = record.user_id.and_then(|user| catalog.users.get(&user));
    match user {
        _ if !catalog.orgs.contains_key(&record.org_id) => {
            format!("boltkey v1 auth delete --id {id} deletes it")
        }
        None => "boltkey v1 auth create with --user makes a 1.x user of another owner".into(),
        Some(user) if user.status != "active" => {
            let user = user.id;
            format!("boltkey user update --id {user} --status active activates its owner")
        }
        Some(_) if !record.is_active() => {
            format!("boltkey v1 auth update --id {id} --status active activates it")
        }
        Some(_) if !has_password => {
            format!("boltkey v1 auth password --id {id} sets a password")
        }
        Some(_) => "boltkey repair corrects the index of 1.x user names".into(),
    }
}
