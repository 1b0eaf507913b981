//! Descriptions of authorizations that may hold a token, kept until all tokens are known.

use zeroize::Zeroizing;

/// Bytes of keys and descriptions of one piece.
const PIECE: usize = 16 << 10;

/// Maximum number of bytes that are kept. Of more, nothing is.
const MOST: usize = 16 << 20;

/// Some descriptions with the keys of their records. They may hold tokens, so their bytes never move.
#[derive(Default)]
pub struct Descriptions {
    pieces: Vec<Piece>,
    bytes: usize,
}

#[derive(Default)]
struct Piece {
    /// Keys and descriptions in a row.
    bytes: Zeroizing<Vec<u8>>,
    /// Where each key and each description ends.
    ends: Vec<(u32, u32)>,
}

impl Descriptions {
    /// Keeps one, unless there are too many.
    pub(super) fn add(&mut self, key: &[u8], text: &[u8]) {
        let length = key.len().saturating_add(text.len());
        self.count(length);
        if self.are_too_many() {
            return;
        }
        let has_room = |piece: &&mut Piece| piece.bytes.capacity() - piece.bytes.len() >= length;
        let piece = match self.pieces.last_mut().filter(has_room) {
            Some(piece) => piece,
            None => {
                self.pieces.push(Piece::new(length.max(PIECE)));
                let Some(piece) = self.pieces.last_mut() else {
                    return;
                };
                piece
            }
        };
        piece.add(key, text);
    }

    pub(super) fn append(&mut self, more: Self) {
        self.pieces.extend(more.pieces);
        self.count(more.bytes);
    }

    fn count(&mut self, length: usize) {
        self.bytes = self.bytes.saturating_add(length);
        if self.are_too_many() {
            self.pieces.clear();
        }
    }

    /// Whether there were so many that they are not kept, and must be read again.
    pub(super) fn are_too_many(&self) -> bool {
        self.bytes > MOST
    }

    /// Calls `visit` for all of them.
    pub(super) fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        for piece in &self.pieces {
            piece.each(visit);
        }
    }
}

impl Piece {
    fn new(room: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(room)),
            ends: Vec::new(),
        }
    }

    fn add(&mut self, key: &[u8], text: &[u8]) {
        let end = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(key);
        let middle = end(&self.bytes);
        self.bytes.extend_from_slice(text);
        self.ends.push((middle, end(&self.bytes)));
    }

    fn each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) {
        let mut start = 0;
        for (middle, end) in &self.ends {
            let (middle, end) = (*middle as usize, *end as usize);
            let part = |from, to| self.bytes.get(from..to).unwrap_or_default();
            visit(part(start, middle), part(middle, end));
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kept: &Descriptions) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        kept.each(&mut |key, text| all.push((key.to_vec(), text.to_vec())));
        all
    }

    #[test]
    fn what_is_added_is_there_in_order_and_in_bounds() {
        let mut kept = Descriptions::default();
        let mut wanted = Vec::new();
        for n in 0..3000_usize {
            let pair = (format!("{n:016x}").into_bytes(), vec![b'd'; n * 7 % 100]);
            kept.add(&pair.0, &pair.1);
            wanted.push(pair);
        }
        let long = (vec![b'k'; 16], vec![b'l'; 3 * PIECE]);
        let mut more = Descriptions::default();
        more.add(&long.0, &long.1);
        wanted.push(long);
        kept.append(more);
        assert!(kept.pieces.len() > 3);
        assert_eq!(all(&kept), wanted);
        assert!(!kept.are_too_many());
        kept.add(b"key", &vec![b'x'; MOST]);
        assert!(kept.are_too_many());
        assert!(all(&kept).is_empty());
        kept.add(b"key", b"text");
        assert!(all(&kept).is_empty());
    }
}
