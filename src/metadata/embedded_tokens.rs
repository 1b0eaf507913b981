//! Tokens inside other live records: a telegraf configuration, a task's script, a description.
//! Hashing does not change them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::authorization::Undecoded;
use crate::metadata::encodings::Layers;
use crate::metadata::hashing::StoredTokens;
use crate::metadata::residue::{Finder, Form};
use crate::metadata::{Authorization, Id, json, names, parallel_scan};
use crate::secret::Token;
use crate::store::Snapshot;

/// A live record that contains a token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Embedded {
    /// The KV bucket.
    pub bucket: String,
    /// The record's key; empty if the key itself contains the token.
    pub key: String,
    /// The authorization whose token it is.
    pub id: Id,
}

/// Finds records with tokens of the store: tokens of the generated form, and any token beside a name
/// such as `token`. Tokens chosen by users are also found in other texts if they are still stored in
/// plaintext and have at least [`SHORTEST`] bytes. Texts in base64 (as in `secretsv1`), in hex, in
/// URLs and in JSON are decoded.
///
/// # Errors
/// When the file can't be read. Damaged parts are skipped.
pub fn find<'s>(snapshot: &dyn Snapshot, stored: &'s StoredTokens) -> Result<BTreeSet<Embedded>> {
    let chosen = Arc::new(Chosen::new(&stored.chosen));
    // Searches are kept for the next batch of records: their buffers are large.
    let spare: Mutex<Vec<RecordSearch<'s>>> = Mutex::default();
    let next = || {
        let kept = spare.lock().ok().and_then(|mut spare| spare.pop());
        kept.unwrap_or_else(|| RecordSearch {
            texts: TextSearch::sharing(stored, Arc::clone(&chosen)),
            found: BTreeSet::new(),
        })
    };
    let mut found = BTreeSet::new();
    for bucket in snapshot.buckets()?.0 {
        let name = bucket.name.as_slice();
        let sink = &mut |search: Option<RecordSearch<'s>>| {
            let Some(mut search) = search else { return };
            found.append(&mut search.found);
            if let Ok(mut spare) = spare.lock() {
                spare.push(search);
            }
        };
        let look = |search: &mut Option<RecordSearch<'s>>, key: &[u8], text: &[u8]| {
            search.get_or_insert_with(next).look(name, key, text);
        };
        // Hashing handles the token field of an authorization itself.
        match name {
            names::AUTHORIZATION_INDEX | names::AUTHORIZATION_HASHED_INDEX => {}
            names::AUTHORIZATIONS if chosen.is_empty() && !stored.descriptions.are_too_many() => {
                parallel_scan::pairs(&|visit| stored.descriptions.each(visit), &look, sink);
            }
            names::AUTHORIZATIONS => {
                let of_record =
                    |search: &mut Option<RecordSearch<'s>>, key: &[u8], value: &[u8]| {
                        let record = Authorization::<'_, Undecoded<'_>>::decode(name, key, value);
                        if let Ok(record) = record {
                            look(search, key, record.description.as_bytes());
                        }
                    };
                parallel_scan::scan_any_order(snapshot, name, &of_record, sink)?;
            }
            _ => drop(parallel_scan::scan_any_order(snapshot, name, &look, sink)?),
        }
    }
    Ok(found)
}

/// The texts inside `text` that may be tokens, in whatever encoding: those of the generated form, and
/// those beside a name such as `token`. At most [`MOST_CANDIDATES`].
#[must_use]
pub fn candidates(text: &[u8]) -> Vec<Token> {
    let mut finder = Finder::with_named_values();
    let mut found = Vec::new();
    let mut add = |text: &[u8]| {
        if found.len() < MOST_CANDIDATES
            && let Ok(text) = std::str::from_utf8(text)
        {
            found.push(Token::new(text.to_owned()));
        }
    };
    Layers::default().each(text, &mut |text, is_word| {
        finder.feed(text, 0, false, &mut |text: &[u8], _, _| add(text));
        if is_word {
            add(text);
        }
    });
    found
}

/// The maximum number of [`candidates`] of one text.
const MOST_CANDIDATES: usize = 1000;

/// Shorter texts occur elsewhere by chance.
pub const SHORTEST: usize = 6;

struct RecordSearch<'s> {
    texts: TextSearch<'s>,
    found: BTreeSet<Embedded>,
}

impl RecordSearch<'_> {
    fn look(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        let TextSearch {
            stored,
            finder,
            chosen,
            ..
        } = &mut self.texts;
        let mut in_key_of = Vec::new();
        finder.feed(key, 0, false, &mut |text: &[u8], _, _| {
            in_key_of.extend(stored.owner(text));
        });
        chosen.each(key, &mut |id| in_key_of.push(id));
        let in_key = !in_key_of.is_empty();
        let mut owners = self.texts.owners(value);
        owners.extend(in_key_of);
        for id in owners {
            self.found.insert(Embedded {
                bucket: String::from_utf8_lossy(bucket).into_owned(),
                key: if in_key {
                    String::new()
                } else {
                    String::from_utf8_lossy(key).into_owned()
                },
                id,
            });
        }
    }
}

/// Searches texts for tokens of a store.
pub(in crate::metadata) struct TextSearch<'s> {
    stored: &'s StoredTokens,
    finder: Finder,
    layers: Layers,
    chosen: Arc<Chosen<'s>>,
}

impl<'s> TextSearch<'s> {
    pub(in crate::metadata) fn new(stored: &'s StoredTokens) -> Self {
        Self::sharing(stored, Arc::new(Chosen::new(&stored.chosen)))
    }

    fn sharing(stored: &'s StoredTokens, chosen: Arc<Chosen<'s>>) -> Self {
        Self {
            stored,
            finder: Finder::with_named_values(),
            layers: Layers::default(),
            chosen,
        }
    }
}

impl TextSearch<'_> {
    /// Whether a text has something of the form of a generated token, or a token field, in whatever
    /// encoding.
    pub(in crate::metadata) fn has_token_form(&mut self, text: &[u8]) -> bool {
        let mut found = false;
        let finder = &mut self.finder;
        self.layers.each(text, &mut |text, _| {
            finder.feed(text, 0, false, &mut |_: &[u8], _, form| {
                found |= form == Form::Token;
            });
        });
        found
    }

    /// The authorizations whose tokens are in a text, in whatever encoding.
    pub(in crate::metadata) fn owners(&mut self, text: &[u8]) -> Vec<Id> {
        let mut owners = Vec::new();
        let Self {
            stored,
            finder,
            chosen,
            ..
        } = self;
        self.layers.each(text, &mut |text, is_word| {
            finder.feed(text, 0, false, &mut |text: &[u8], _, _| {
                owners.extend(stored.owner(text));
            });
            chosen.each(text, &mut |id| owners.push(id));
            if is_word {
                owners.extend(stored.owner(text));
            }
        });
        owners
    }
}

/// Texts to search for, grouped by their first bytes.
struct Chosen<'s> {
    texts: HashMap<[u8; SHORTEST], Vec<(Id, Text<'s>)>>,
}

enum Text<'s> {
    AsIs(&'s Token),
    /// Escaped as in JSON, without the quotes.
    Escaped(Token),
}

impl Text<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::AsIs(token) => token.reveal().as_bytes(),
            Self::Escaped(token) => token.reveal().as_bytes(),
        }
    }
}

impl<'s> Chosen<'s> {
    fn new(tokens: &'s [(Id, Token)]) -> Self {
        let mut texts: HashMap<_, Vec<_>> = HashMap::new();
        let mut add = |id: Id, text: Text<'s>| {
            if let Some(first) = text.bytes().first_chunk::<SHORTEST>() {
                texts.entry(*first).or_default().push((id, text));
            }
        };
        for (id, token) in tokens {
            let quoted = Zeroizing::new(json::string(token.reveal()));
            let escaped = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            if escaped != token.reveal() {
                add(*id, Text::Escaped(Token::new(escaped.to_owned())));
            }
            add(*id, Text::AsIs(token));
        }
        Self { texts }
    }

    fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    fn each(&self, bytes: &[u8], found: &mut dyn FnMut(Id)) {
        if self.texts.is_empty() {
            return;
        }
        for (at, window) in bytes.windows(SHORTEST).enumerate() {
            let Some(texts) = window.first_chunk().and_then(|w| self.texts.get(w)) else {
                continue;
            };
            let rest = bytes.get(at..).unwrap_or_default();
            for (id, text) in texts {
                if rest.starts_with(text.bytes()) {
                    found(*id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Variant;
    use crate::store::Model;

    #[test]
    fn records_that_show_a_token_are_named_and_the_token_is_not() {
        const A: &str = "0000000000000a01";
        let generated = format!("{}==", "g".repeat(86));
        let mut model = Model::default();
        for (id, token, description) in [
            (
                A,
                "chosen & <long>",
                "says chosen \\u0026 \\u003clong\\u003e",
            ),
            ("0000000000000b02", &generated, ""),
            ("0000000000000c03", "short", ""),
        ] {
            let token = token.replace('&', "\\u0026");
            let record = format!(
                r#"{{"id":"{id}","token":"{token}","description":"{description}","orgID":"{A}"}}"#
            );
            model.put(names::AUTHORIZATIONS, id.as_bytes(), record.as_bytes());
        }
        model.put(
            b"telegrafv1",
            b"one",
            format!("token = {generated}").as_bytes(),
        );
        model.put(
            b"tasksv1",
            b"two",
            br#"{"flux":"chosen \u0026 \u003clong\u003e"}"#,
        );
        model.put(
            b"bucketindexv1",
            format!("xchosen & <long>{A}").as_bytes(),
            b"id",
        );
        model.put(b"usersv1", b"three", br#"{"name":"short"}"#);
        model.put(b"scraperv2", b"four", br#"{"token":"short"}"#);
        model.put(names::AUTHORIZATION_INDEX, generated.as_bytes(), b"id");
        let stored = StoredTokens::load(&model, Variant::Sha256).unwrap();
        let found = find(&model, &stored).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|e| format!("{}/{} {:x}", e.bucket, e.key, e.id.get()))
            .collect();
        assert_eq!(
            found,
            [
                "authorizationsv1/0000000000000a01 a01",
                "bucketindexv1/ a01",
                "scraperv2/four c03",
                "tasksv1/two a01",
                "telegrafv1/one b02",
            ]
        );
    }
}
