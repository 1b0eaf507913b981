//! Copying bytes that may hold tokens.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use crate::store::fill;

/// Bytes read at a time.
pub const CHUNK: usize = 256 << 10;

/// Copies `source` to its end through a buffer that is wiped. Calls `seen` from time to time with
/// the number of bytes copied.
///
/// # Errors
/// I/O errors of source and output.
pub fn copy(
    source: &mut dyn Read,
    out: &mut dyn Write,
    seen: &mut dyn FnMut(u64),
) -> io::Result<u64> {
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    let mut copied = 0;
    loop {
        let length = fill(source, &mut buffer)?;
        if length == 0 {
            return Ok(copied);
        }
        out.write_all(buffer.get(..length).unwrap_or_default())?;
        copied += length as u64;
        seen(copied);
    }
}
