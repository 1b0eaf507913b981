//! Reads a secret of unknown length.

use std::io::{self, Read};

use zeroize::Zeroizing;

use crate::store::fill;

/// Reads at most so many bytes. Memory that becomes too small is overwritten, so that no copy of the
/// secret is left behind.
///
/// # Errors
/// Any error of `source`, except [`io::ErrorKind::Interrupted`].
pub fn read_secret_bytes(source: &mut dyn Read, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    const PIECE: usize = 64 << 10;
    let mut source = source.take(most);
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    let mut bytes = Zeroizing::new(Vec::new());
    loop {
        let length = fill(&mut source, &mut piece)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else {
            return Ok(bytes);
        };
        if bytes.capacity() - bytes.len() < length {
            let room = PIECE.max(2 * bytes.capacity());
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        bytes.extend_from_slice(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_up_to_the_limit() {
        let content: Vec<u8> = (0..500_000_u32).map(|n| (n % 251) as u8).collect();
        for length in [0, 1, 65_535, 65_536, 65_537, 499_999, 500_000] {
            let content = content.get(..length).unwrap();
            let read = |most| read_secret_bytes(&mut &*content, most).unwrap();
            assert!(**read(u64::MAX) == *content);
            assert!(**read(length as u64) == *content);
            assert!(*read(100).as_slice() == content[..length.min(100)]);
        }
    }
}
