//! Encoding the names of buckets, which are bytes, as names of tables, which are text.

/// The table with the sequences of buckets other than 0. It can't be the table of a bucket: there
/// `%` is always followed by two hex digits.
pub(super) const SEQUENCES: &str = "%sequences";

/// The table of zeros that a scrub uses to overwrite unused pages. It exists only during a scrub, or
/// after one that was interrupted.
pub(super) const FILLER: &str = "%filler";

/// The name of a table while it is rewritten, within one transaction.
pub(super) const REWRITTEN: &str = "%rewritten";

/// The table of a bucket: its name, with `%` and two hex digits for each byte that is not printable
/// ASCII, and for `%`. Names of InfluxDB do not change.
pub(super) fn table_of(bucket: &[u8]) -> String {
    let mut table = String::with_capacity(bucket.len());
    for byte in bucket {
        match byte {
            b'%' | 0..=0x20 | 0x7f.. => {
                table.push('%');
                table.push_str(&hex::encode([*byte]));
            }
            _ => table.push(char::from(*byte)),
        }
    }
    table
}

/// The bucket of a table; `None` if [`table_of`] does not make such a name.
pub(super) fn bucket_of(table: &str) -> Option<Vec<u8>> {
    let mut bucket = Vec::with_capacity(table.len());
    let mut rest = table.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            let (digits, after) = after.split_first_chunk::<2>()?;
            bucket.extend(hex::decode(digits).ok()?);
            rest = after;
        } else {
            bucket.push(*byte);
            rest = after;
        }
    }
    // Other encodings are rejected, so that no two tables are the same bucket.
    (!bucket.is_empty() && table_of(&bucket) == table).then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (bucket, table) in [
            (&b"authorizationsv1"[..], "authorizationsv1"),
            (b"legacy/authorizationsv1", "legacy/authorizationsv1"),
            (b"100%", "100%25"),
            (b"a b", "a%20b"),
            (b"\xff\x00", "%ff%00"),
            ("Zähler".as_bytes(), "Z%c3%a4hler"),
        ] {
            assert_eq!(table_of(bucket), table);
            assert_eq!(bucket_of(table).unwrap(), bucket);
        }
        for foreign in [
            SEQUENCES, FILLER, "", "%", "%4", "%41", "Zähler", "a b", "%FF",
        ] {
            assert_eq!(bucket_of(foreign), None, "{foreign}");
        }
    }
}
