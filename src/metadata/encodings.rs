//! What a text holds in other encodings: escaped as JSON, percent-encoded, in base64, in hex, and
//! these in each other.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::store::MAX_KEY_SIZE;

/// How many encodings inside each other are decoded.
const MOST_LAYERS: u32 = 3;
/// Decoded bytes for each byte of the text, at most, so that hostile texts cost linear time.
const MOST_GROWTH: usize = 16;
/// Shorter runs of letters and digits are words.
const SHORTEST_RUN: usize = 8;

const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// Calls `visit` for `text`, and for everything in it that can be decoded to a text. The second
/// argument says that all of it was decoded from one word, so that it may be a token itself.
pub(crate) fn each(text: &[u8], visit: &mut dyn FnMut(&[u8], bool)) {
    visit(text, false);
    let mut left = text.len().saturating_mul(MOST_GROWTH);
    let mut waiting: Vec<(Zeroizing<Vec<u8>>, u32)> = Vec::new();
    decode(text, &mut left, &mut |decoded, is_word| {
        visit(&decoded, is_word);
        waiting.push((decoded, 1));
    });
    while let Some((text, layers)) = waiting.pop() {
        if layers >= MOST_LAYERS {
            continue;
        }
        decode(&text, &mut left, &mut |decoded, is_word| {
            visit(&decoded, is_word);
            waiting.push((decoded, layers + 1));
        });
    }
}

/// Decodes one layer, as long as bytes are `left`.
fn decode(text: &[u8], left: &mut usize, found: &mut dyn FnMut(Zeroizing<Vec<u8>>, bool)) {
    let mut give = |decoded: Zeroizing<Vec<u8>>, is_word: bool| {
        if let Some(rest) = left.checked_sub(decoded.len()) {
            *left = rest;
            found(decoded, is_word);
        }
    };
    if memchr::memchr(b'\\', text).is_some() {
        give(unescaped(text), false);
    }
    if let Some(decoded) = percent_decoded(text) {
        give(decoded, false);
    }
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let mut rest = text;
    while let Some(start) = rest.iter().position(is_digit) {
        rest = rest.get(start..).unwrap_or_default();
        let run = rest.iter().take_while(|byte| is_digit(byte)).count();
        let (word, after) = rest.split_at_checked(run).unwrap_or((rest, &[]));
        rest = after;
        if word.len() < SHORTEST_RUN {
            continue;
        }
        for decoded in [from_hex(word), from_base64(word)].into_iter().flatten() {
            give(decoded, true);
        }
    }
}

fn from_hex(word: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !word.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    hex::decode(word).ok().map(Zeroizing::new).filter(is_text)
}

fn from_base64(word: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let engine = match word.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        true => URL_SAFE,
        false => STANDARD,
    };
    engine.decode(word).ok().map(Zeroizing::new).filter(is_text)
}

/// Whether decoded bytes are a text. Random bytes are not: an ID, a digest, a generated token.
fn is_text(bytes: &Zeroizing<Vec<u8>>) -> bool {
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    !bytes.is_empty() && !bytes.iter().any(control) && std::str::from_utf8(bytes).is_ok()
}

/// A text with `%XX` decoded; none if it has no such escape.
pub(crate) fn percent_decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    let mut any = false;
    while let Some(at) = memchr::memchr(b'%', rest) {
        let (plain, escape) = rest.split_at_checked(at)?;
        decoded.extend_from_slice(plain);
        let mut byte = [0];
        let digits = escape.get(1..3).unwrap_or_default();
        if digits.len() == 2 && hex::decode_to_slice(digits, &mut byte).is_ok() {
            any = true;
            decoded.extend_from_slice(&byte);
            rest = escape.get(3..)?;
        } else {
            decoded.push(b'%');
            rest = escape.get(1..)?;
        }
    }
    decoded.extend_from_slice(rest);
    any.then_some(decoded)
}

/// A text with all escapes of JSON decoded. What is not a valid escape stays.
fn unescaped(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        decoded.extend_from_slice(rest.get(..at).unwrap_or_default());
        let escape = rest.get(at + 1..).unwrap_or_default();
        let (literal, length) = match escape {
            [b'n', ..] => (Some('\n'), 1),
            [b'r', ..] => (Some('\r'), 1),
            [b't', ..] => (Some('\t'), 1),
            [letter @ (b'"' | b'\\' | b'/' | b'\''), ..] => (Some(char::from(*letter)), 1),
            [b'u', digits @ ..] => match code_unit(digits) {
                Some(unit @ 0xd800..0xdc00) => {
                    let low = digits.get(4..).and_then(|rest| rest.strip_prefix(b"\\u"));
                    let low = low
                        .and_then(code_unit)
                        .and_then(|low| low.checked_sub(0xdc00));
                    let whole = low.map(|low| 0x10000 + ((unit - 0xd800) << 10) + low);
                    (whole.and_then(char::from_u32), 11)
                }
                unit => (unit.and_then(char::from_u32), 5),
            },
            _ => (None, 0),
        };
        match literal {
            Some(literal) => {
                decoded.extend_from_slice(literal.encode_utf8(&mut [0; 4]).as_bytes());
                rest = escape.get(length..).unwrap_or_default();
            }
            None => {
                decoded.push(b'\\');
                rest = escape;
            }
        }
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// The number that the four hexadecimal digits behind `\\u` stand for.
fn code_unit(digits: &[u8]) -> Option<u32> {
    let mut unit = [0; 2];
    hex::decode_to_slice(digits.get(..4)?, &mut unit).ok()?;
    Some(u16::from_be_bytes(unit).into())
}

/// Decodes the inside of a JSON string and appends it. `None` when it is not a valid JSON string,
/// or is longer than any token.
pub(crate) fn unescape(raw: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at_checked(at)?;
        push(text, plain)?;
        let (letter, after) = escape.get(1..)?.split_first()?;
        rest = after;
        let literal = match letter {
            b'"' | b'\\' | b'/' => *letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut unit = code_unit(rest)?;
                rest = rest.get(4..)?;
                let mut character = char::from_u32(unit);
                if (0xd800..0xdc00).contains(&unit) {
                    let low = code_unit(rest.strip_prefix(b"\\u")?)?;
                    rest = rest.get(6..)?;
                    unit = 0x10000 + ((unit - 0xd800) << 10) + low.checked_sub(0xdc00)?;
                    character = char::from_u32(unit).filter(|_| low < 0xe000);
                }
                push(text, character?.encode_utf8(&mut [0; 4]).as_bytes())?;
                continue;
            }
            _ => return None,
        };
        push(text, &[literal])?;
    }
    push(text, rest)?;
    let valid = !raw.iter().any(|byte| *byte < 0x20) && std::str::from_utf8(text).is_ok();
    valid.then_some(())
}

/// Never grows `text` beyond the longest token.
fn push(text: &mut Vec<u8>, more: &[u8]) -> Option<()> {
    (text.len() + more.len() <= MAX_KEY_SIZE).then(|| text.extend_from_slice(more))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;

    use super::*;

    fn shows(text: &[u8], token: &str) -> bool {
        let mut there = false;
        each(text, &mut |layer, _| {
            there |= memchr::memmem::find(layer, token.as_bytes()).is_some();
        });
        there
    }

    #[test]
    fn a_token_is_seen_through_every_encoding_and_two_together() {
        let base64 = |text: &str| general_purpose::STANDARD.encode(text);
        let url_safe = |text: &str| general_purpose::URL_SAFE_NO_PAD.encode(text);
        let percent =
            |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let json = |text: &str| serde_json::to_string(text).unwrap();
        let go = |text: &str| json(text).replace('&', "\\u0026");
        let hex = |text: &str| hex::encode(text);
        let forms: [&dyn Fn(&str) -> String; 6] = [&base64, &url_safe, &percent, &json, &go, &hex];
        let generated = format!("{}==", "aB3-_".repeat(18).get(..86).unwrap());
        for token in ["chosen & \"long\" ☂", "plain-token", &generated] {
            for inner in forms {
                for outer in forms {
                    let text = format!("before {} after", outer(&format!("x {}", inner(token))));
                    assert!(shows(text.as_bytes(), token), "{text}");
                }
            }
        }
        println!("cases: encodings {}", 3 * forms.len() * forms.len());
    }

    #[test]
    fn decoding_is_bounded() {
        for text in ["\\u005c", "%25", "YWFhYWFhYWFh ", "\\\\", "%5cu005c"] {
            let text = text.repeat(1 << 16);
            let mut bytes = 0;
            each(text.as_bytes(), &mut |layer, _| bytes += layer.len());
            assert!(bytes <= (MOST_GROWTH + 1) * text.len());
        }
    }
}
