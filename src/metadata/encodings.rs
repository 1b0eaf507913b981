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

/// How many buffers are kept for the next text.
const MOST_SPARE: usize = 8;

/// Decodes texts, layer by layer. Its buffers are used again, because wiping them for each text
/// would take longer than everything else.
#[derive(Default)]
pub(crate) struct Layers {
    spare: Vec<Zeroizing<Vec<u8>>>,
    waiting: Vec<(Zeroizing<Vec<u8>>, u32)>,
}

impl Layers {
    /// Calls `visit` for `text`, and for everything in it that can be decoded to a text. The second
    /// argument says that all of it was decoded from one word, so that it may be a token itself.
    pub(crate) fn each(&mut self, text: &[u8], visit: &mut dyn FnMut(&[u8], bool)) {
        visit(text, false);
        let mut left = text.len().saturating_mul(MOST_GROWTH);
        self.decode(text, 1, &mut left, visit);
        while let Some((text, layers)) = self.waiting.pop() {
            if layers < MOST_LAYERS {
                self.decode(&text, layers + 1, &mut left, visit);
            }
            keep(&mut self.spare, text);
        }
    }

    /// Decodes one layer, as long as bytes are `left`. What was decoded waits for its own turn.
    fn decode(
        &mut self,
        text: &[u8],
        layer: u32,
        left: &mut usize,
        visit: &mut dyn FnMut(&[u8], bool),
    ) {
        let Self { spare, waiting } = self;
        let mut give = |fill: &mut dyn FnMut(&mut Vec<u8>) -> bool, room: usize, is_word: bool| {
            let mut decoded = spare.pop().unwrap_or_default();
            if decoded.capacity() < room {
                // A reallocation would leave a copy of secrets in memory.
                decoded = Zeroizing::new(Vec::with_capacity(room));
            }
            decoded.clear();
            let rest = match fill(&mut decoded) {
                true => left.checked_sub(decoded.len()),
                false => None,
            };
            match rest {
                Some(rest) => {
                    *left = rest;
                    visit(&decoded, is_word);
                    waiting.push((decoded, layer));
                }
                None => keep(spare, decoded),
            }
        };
        let mut unescape = |into: &mut Vec<u8>| {
            unescaped(text, into);
            true
        };
        if memchr::memchr(b'\\', text).is_some() {
            give(&mut unescape, text.len(), false);
        }
        let mut unpercent = |into: &mut Vec<u8>| unpercented(text, into);
        if memchr::memchr(b'%', text).is_some() {
            give(&mut unpercent, text.len(), false);
        }
        each_word(text, &mut |word| {
            if may_be_hex(word) {
                give(&mut |into| from_hex(word, into), word.len(), true);
            }
            if may_be_base64(word) {
                give(&mut |into| from_base64(word, into), word.len() + 2, true);
            }
        });
    }
}

fn keep(spare: &mut Vec<Zeroizing<Vec<u8>>>, buffer: Zeroizing<Vec<u8>>) {
    if spare.len() < MOST_SPARE {
        spare.push(buffer);
    }
}

/// Which bytes are digits of one of the encodings: letters, digits and `+/-_`. For each of them the
/// value in base64, for others [`NO_DIGIT`].
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    let mut rest: &[u8] = digits;
    let mut value = 0;
    while let Some((digit, after)) = rest.split_first() {
        let (_, from) = values.split_at_mut(*digit as usize);
        if let Some(slot) = from.first_mut() {
            // `-` and `_` have the values of `+` and `/`.
            *slot = if value < 64 { value } else { value - 2 };
        }
        value += 1;
        rest = after;
    }
    values
};

const NO_DIGIT: u8 = 0xff;

fn value(byte: u8) -> u8 {
    VALUES.get(usize::from(byte)).copied().unwrap_or(NO_DIGIT)
}

/// Calls `visit` for each run of at least [`SHORTEST_RUN`] digits. Looks at every eighth byte only,
/// because such a run has one of them.
fn each_word(text: &[u8], visit: &mut dyn FnMut(&[u8])) {
    let is_digit = |byte: &u8| value(*byte) != NO_DIGIT;
    // Everything before this is done.
    let mut done = 0;
    let mut at = SHORTEST_RUN - 1;
    while let Some(byte) = text.get(at) {
        if is_digit(byte) {
            let before = text.get(done..at).unwrap_or_default().iter();
            let before = before.rev().take_while(|byte| is_digit(byte)).count();
            let after = text.get(at..).unwrap_or_default().iter();
            let after = after.take_while(|byte| is_digit(byte)).count();
            done = at + after;
            if before + after >= SHORTEST_RUN {
                visit(text.get(at - before..done).unwrap_or_default());
            }
            at = done;
        }
        at += SHORTEST_RUN;
    }
}

/// Whether the first two bytes could begin a text. Of what is no text, most are told by them.
fn may_be_hex(word: &[u8]) -> bool {
    let mut start = [0; 2];
    let digits = word.get(..4).unwrap_or_default();
    word.len().is_multiple_of(2)
        && hex::decode_to_slice(digits, &mut start).is_ok()
        && may_begin_text(&start)
}

/// Whether the first bytes could begin a text. Of what is no text, most are told by them.
fn may_be_base64(word: &[u8]) -> bool {
    let Some([a, b, c, d, e, f, g, h]) = word.first_chunk::<SHORTEST_RUN>() else {
        return false;
    };
    let group = |digits: [&u8; 4]| {
        let bits = digits
            .iter()
            .fold(0, |bits, digit| bits << 6 | u32::from(value(**digit)));
        let [_, bytes @ ..] = bits.to_be_bytes();
        bytes
    };
    let ([a, b, c], [d, e, f]) = (group([a, b, c, d]), group([e, f, g, h]));
    word.len() % 4 != 1 && may_begin_text(&[a, b, c, d, e, f])
}

/// Whether a text may begin with these bytes, of which the last character may be cut.
fn may_begin_text(start: &[u8]) -> bool {
    let cut = |error: std::str::Utf8Error| error.error_len().is_none();
    !start.iter().any(is_control) && std::str::from_utf8(start).map_or_else(cut, |_| true)
}

fn from_hex(word: &[u8], into: &mut Vec<u8>) -> bool {
    into.resize(word.len() / 2, 0);
    hex::decode_to_slice(word, into).is_ok() && is_text(into)
}

fn from_base64(word: &[u8], into: &mut Vec<u8>) -> bool {
    let engine = match word.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        true => URL_SAFE,
        false => STANDARD,
    };
    into.resize(word.len().div_ceil(4) * 3, 0);
    match engine.decode_slice(word, into) {
        Ok(length) => {
            into.truncate(length);
            is_text(into)
        }
        Err(_) => false,
    }
}

/// Whether decoded bytes are a text. Random bytes are not: an ID, a digest, a generated token.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes.iter().any(is_control) && std::str::from_utf8(bytes).is_ok()
}

fn is_control(byte: &u8) -> bool {
    *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// A text with `%XX` decoded; none if it has no such escape.
pub(crate) fn percent_decoded(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    memchr::memchr(b'%', text)?;
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    unpercented(text, &mut decoded).then_some(decoded)
}

/// Appends a text with `%XX` decoded. Whether it has such an escape.
fn unpercented(text: &[u8], decoded: &mut Vec<u8>) -> bool {
    let mut rest = text;
    let mut any = false;
    while let Some(at) = memchr::memchr(b'%', rest) {
        decoded.extend_from_slice(rest.get(..at).unwrap_or_default());
        let mut byte = [0];
        let digits = rest.get(at + 1..at + 3).unwrap_or_default();
        let after = if digits.len() == 2 && hex::decode_to_slice(digits, &mut byte).is_ok() {
            any = true;
            decoded.extend_from_slice(&byte);
            at + 3
        } else {
            decoded.push(b'%');
            at + 1
        };
        rest = rest.get(after..).unwrap_or_default();
    }
    decoded.extend_from_slice(rest);
    any
}

/// Appends a text with all escapes of JSON decoded. What is not a valid escape stays.
fn unescaped(text: &[u8], decoded: &mut Vec<u8>) {
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
        Layers::default().each(text, &mut |layer, _| {
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
            Layers::default().each(text.as_bytes(), &mut |layer, _| bytes += layer.len());
            assert!(bytes <= (MOST_GROWTH + 1) * text.len());
        }
    }
}
