//! Tokens that stand in live records which are not about tokens: a telegraf configuration, a
//! task's script, a description.

use zeroize::Zeroizing;

use super::json::Object;
use super::residue::settings;
use super::{Id, names, parallel};
use crate::error::Result;
use crate::finding::Finding;
use crate::store::Snapshot;

/// A live record and the authorizations whose tokens it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// The bucket and key.
    pub place: String,
    /// Ascending.
    pub ids: Vec<Id>,
}

/// Looks through all live records but the token fields themselves and the index of raw tokens.
/// `owner` tells whose token a text is, if it is one.
///
/// # Errors
/// When the file can't be read; damage is in the findings.
pub fn find(
    snapshot: &dyn Snapshot,
    owner: &(dyn Fn(&[u8]) -> Option<Id> + Sync),
) -> Result<(Vec<Embedded>, Vec<Finding>)> {
    let (buckets, mut damage) = snapshot.buckets()?;
    let mut all = Vec::new();
    for bucket in buckets {
        let name = bucket.name.as_slice();
        if name == names::AUTHORIZATION_INDEX || name == names::AUTHORIZATION_HASHED_INDEX {
            continue;
        }
        damage.extend(parallel::scan(
            snapshot,
            name,
            &|some: &mut Vec<Embedded>, key, value| {
                let mut ids = Vec::new();
                let mut try_text = |text: &[u8]| ids.extend(owner(text));
                if name == names::AUTHORIZATIONS {
                    let description = Object::parse(value)
                        .and_then(|record| record.get("description"))
                        .unwrap_or_default();
                    strings(description, &mut try_text);
                } else {
                    strings(value, &mut try_text);
                    runs(value, &mut try_text);
                }
                if !ids.is_empty() {
                    ids.sort_unstable();
                    ids.dedup();
                    let place = format!(
                        "{}/{}",
                        String::from_utf8_lossy(name),
                        String::from_utf8_lossy(key)
                    );
                    some.push(Embedded { place, ids });
                }
            },
            &mut |some| all.extend(some),
        )?);
    }
    Ok((all, damage))
}

/// Shows what may be a token in each string of a JSON text: the string itself, the values of
/// settings in it, and its words.
fn strings(json: &[u8], found: &mut dyn FnMut(&[u8])) {
    let mut at = 0;
    while let Some(start) = memchr::memchr(b'"', json.get(at..).unwrap_or_default()) {
        let start = at + start;
        let mut end = start + 1;
        while let Some(byte) = json.get(end) {
            match byte {
                b'\\' => end += 2,
                b'"' => break,
                _ => end += 1,
            }
        }
        let quoted = json.get(start..=end).unwrap_or_default();
        if let Ok(text) = serde_json::from_slice::<String>(quoted) {
            let text = Zeroizing::new(text);
            found(text.as_bytes());
            if text.contains(['=', ':']) {
                settings::tokens(&text, &mut |value| found(value));
            }
            runs(text.as_bytes(), found);
        }
        at = end + 1;
    }
}

/// Shows the words of a text, and the parts that stand behind the signs which set off a value.
fn runs(text: &[u8], found: &mut dyn FnMut(&[u8])) {
    /// Parts of one word at most.
    const MOST: usize = 16;
    let ends =
        |byte: &u8| !byte.is_ascii_graphic() && *byte < 0x80 || b"\"'`\\,;<>(){}[]|".contains(byte);
    for word in text.split(ends).filter(|word| !word.is_empty()) {
        found(word);
        let begins = |(at, byte): (usize, &u8)| b"=:&?/@$".contains(byte).then_some(at + 1);
        for start in word.iter().enumerate().filter_map(begins).take(MOST) {
            let rest = word.get(start..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            found(rest);
            if let Some(end) = rest.iter().position(|byte| *byte == b'&') {
                found(rest.get(..end).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    #[test]
    fn wherever_people_put_tokens() {
        let id = Id::new(7).unwrap();
        let owner = |text: &[u8]| (text == b"it's my own=token!").then_some(id);
        let other = |text: &[u8]| (text == b"generated-token==").then_some(id);
        for (value, is_own) in [
            (r#"{"x":["it's my own=token!"]}"#, true),
            (
                r#"{"config":"[[outputs]]\n  token = \"it's my own=token!\"\n"}"#,
                true,
            ),
            (
                r#"{"config":"[[outputs]]\n  token = \"generated-token==\"\n"}"#,
                false,
            ),
            (r#"{"h":"Authorization: Token generated-token=="}"#, false),
            (r#"{"url":"http://x/write?p=generated-token==&u=a"}"#, false),
            ("generated-token==", false),
            ("\n\u{5}generated-token==\0\u{1}", false),
        ] {
            let mut model = Model::default();
            model.put(b"telegrafv1", b"0a", value.as_bytes());
            model.put(b"telegrafv1", b"0b", b"{\"name\":\"nothing\"}");
            let owner: &(dyn Fn(&[u8]) -> Option<Id> + Sync) = if is_own { &owner } else { &other };
            let (found, _) = find(&model, owner).unwrap();
            let place = String::from("telegrafv1/0a");
            assert_eq!(
                found,
                [Embedded {
                    place,
                    ids: vec![id]
                }],
                "{value}"
            );
        }
        let mut model = Model::default();
        let record = br#"{"token":"generated-token==","description":"is generated-token=="}"#;
        model.put(names::AUTHORIZATIONS, b"0c", record);
        model.put(names::AUTHORIZATION_INDEX, b"generated-token==", b"0c");
        assert_eq!(find(&model, &other).unwrap().0.len(), 1);
        model.put(
            names::AUTHORIZATIONS,
            b"0c",
            br#"{"token":"generated-token=="}"#,
        );
        assert_eq!(find(&model, &other).unwrap().0.len(), 0);
    }
}
