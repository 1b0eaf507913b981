//! `residue recover`: finds the plaintext of hashed tokens where it is still readable.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::residue::Known;
use crate::metadata::{Authorization, Catalog, Id};
use crate::ops::capture::{Captured, TokenList, collect, lost_tokens};
use crate::ops::residue::missing::HashedTokens;
use crate::ops::residue::scan::Counts;
use crate::ops::residue::{Options, Wanted, embedded, look};
use crate::secret::Token;
use crate::store::Store;

/// The result of [`recover`].
pub struct Recovered {
    /// As [`scan`](super::scan::scan) counts.
    pub counts: Counts,
    /// The hashed tokens of this store that were found in plaintext: in unused parts, in other
    /// files, and in other live records such as a telegraf configuration. For a damaged store also
    /// plaintext tokens whose records are not in its trees.
    pub tokens: TokenList,
    /// The hashed tokens of the store, and those that are not in `tokens`.
    pub hashed: HashedTokens,
    /// The tokens of the store, for a search in other files.
    pub known: Known,
    /// Damage that may hide tokens.
    pub findings: Vec<Finding>,
}

/// Finds the plaintext of hashed tokens in the store's file and in `options.files`.
///
/// # Errors
/// When the store or one of the files can't be read.
pub fn recover(store: &Store, options: &Options) -> Result<Recovered> {
    let Wanted {
        known,
        hidden,
        mut findings,
    } = Wanted::of(store.snapshot(), store.inspect())?;
    let (residue, damage) = look(store, &known, options)?;
    findings.extend(damage);
    let mut counts = Counts::of(&residue, hidden);
    if hidden {
        counts.incomplete.push("recovered");
    }
    let mut found: BTreeMap<Id, Token> = residue.matching.into_iter().collect();
    found.extend(embedded(store.snapshot(), &known)?.matching);
    let catalog = Catalog::load(store.snapshot())?;
    let token_of = |record: &Authorization<'_>, _: &Catalog| {
        (!record.token.is_empty()).then(|| Token::new(record.token.to_string()))
    };
    let (mut tokens, skipped) = collect(store.snapshot(), &catalog, &|record, _| {
        found.get(&record.id).cloned()
    })?;
    let lost = lost_tokens(
        store.snapshot(),
        store.inspect(),
        &catalog,
        &token_of,
        true,
        !skipped.is_empty(),
    )?;
    findings.extend(skipped);
    for one in lost {
        tokens.push(&one);
    }
    // A record of which only ID and hash can be decoded has a token too.
    let mut bare = found;
    for captured in tokens.iter() {
        bare.remove(&captured.id);
    }
    for (id, token) in bare {
        tokens.push(&Captured::bare(id, token));
    }
    tokens.sort();
    let ids = tokens.iter().map(|token| token.id);
    let hashed = HashedTokens::of(store.snapshot(), store.inspect(), ids)?;
    Ok(Recovered {
        counts,
        tokens,
        hashed,
        known,
        findings,
    })
}
