//! Names of buckets, which are bytes, as names of tables, which are text.

/// The table that holds each bucket's sequence, where that is not 0. No bucket's table can be
/// called so: behind `%` those have two hex digits.
pub(super) const SEQUENCES: &str = "%sequences";

/// The table of nothing by which unused pages are overwritten. It is there only while they are,
/// or after that was interrupted.
pub(super) const FILLER: &str = "%filler";

/// The table of a bucket: its name, with every byte but printable ASCII as `%` and two hex digits,
/// and `%` itself too. All of InfluxDB's names stay as they are.
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

/// The bucket that a table stands for; none for a table of somebody else's.
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
    // Only what we would write ourselves, so that no two tables stand for one bucket.
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
