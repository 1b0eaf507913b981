//! The schema, the numbers of tokens and the operator tokens of a store as text.

use std::io::{self, Write};

use crate::cli::terminal::report::printable;
use crate::cli::terminal::style::{bad, good};
use crate::cli::terminal::wrap::write_wrapped;
use crate::finding::counted;
use crate::metadata::Storage;
use crate::metadata::embedded_tokens::Embedded;
use crate::ops::status::SchemaSummary;
use crate::ops::token_counts::{OnlyInIndex, OperatorToken, TokenNumbers};

/// The start of the lines after the first one.
const INDENT: &str = "           ";

/// Writes the line of the schema.
///
/// # Errors
/// When `out` can't be written.
pub fn write_schema(schema: &SchemaSummary, out: &mut dyn Write) -> io::Result<()> {
    let (number, release) = (schema.migrations, schema.release);
    if number.hidden {
        writeln!(out, "Schema:    {number}; damage hides migrations")
    } else if schema.known {
        writeln!(out, "Schema:    {number}, written by InfluxDB {release}")
    } else {
        writeln!(out, "Schema:    {number}, not known to this version")
    }
}

/// Writes the lines with the numbers of tokens.
///
/// # Errors
/// When `out` can't be written.
pub fn write_token_numbers(numbers: &TokenNumbers, out: &mut dyn Write) -> io::Result<()> {
    let hidden = numbers.total.hidden;
    let total = numbers.at_least();
    let [plaintext, hashed, both, missing] = [
        numbers.plaintext,
        numbers.hashed,
        numbers.both,
        numbers.missing,
    ]
    .map(|number| number.readable);
    let kinds =
        format!("{plaintext} plaintext + {hashed} hashed + {both} both + {missing} missing");
    let readable = numbers.total.readable;
    match (hidden, readable) {
        (false, _) => writeln!(out, "Tokens:    {total} = {kinds}")?,
        (true, 0) => writeln!(
            out,
            "Tokens:    {total}; damage hides records, none can be read"
        )?,
        (true, _) => {
            writeln!(out, "Tokens:    {total}; damage hides records")?;
            writeln!(out, "{INDENT}readable: {readable} = {kinds}")?;
        }
    }
    if !hidden || readable > 0 {
        let [operator, all_access, custom, inactive] = [
            numbers.operator,
            numbers.all_access,
            numbers.custom,
            numbers.inactive,
        ]
        .map(|number| number.readable);
        // Orphaned ones depend on users and organizations, which damage may hide too.
        let orphaned = match numbers.at_least {
            Some(readable) if hidden && numbers.orphaned.readable == readable.orphaned => {
                readable.orphaned.to_string()
            }
            _ => numbers.orphaned.to_string(),
        };
        writeln!(
            out,
            "{INDENT}{operator} operator, {all_access} all-access, {custom} custom; {inactive} \
             inactive, {orphaned} orphaned"
        )?;
    }
    if numbers.undecodable > 0 {
        let records = counted(numbers.undecodable, "record");
        writeln!(out, "{INDENT}{records} can't be decoded")?;
    }
    write_only_in_index(numbers.only_in_index, out)?;
    if numbers.legacy.hidden || numbers.legacy.readable > 0 {
        let legacy = numbers.legacy;
        writeln!(out, "{INDENT}{legacy} 1.x-compatible in addition")?;
    }
    Ok(())
}

fn write_only_in_index(only: OnlyInIndex, out: &mut dyn Write) -> io::Result<()> {
    let OnlyInIndex { plaintext, hashed } = only;
    if plaintext > 0 {
        let text = format!(
            "the index shows {} whose record can't be read; boltkey capture writes {} out",
            counted(plaintext, "plaintext token"),
            if plaintext == 1 { "it" } else { "them" }
        );
        write_wrapped(out, INDENT, INDENT.len(), &text)?;
    }
    if hashed > 0 {
        let text = format!(
            "the index of hashes shows {} whose record can't be read",
            counted(hashed, "hashed token")
        );
        write_wrapped(out, INDENT, INDENT.len(), &text)?;
    }
    Ok(())
}

/// One operator token: ID, whether it works, storage, owner, description.
pub fn operator_token_text(token: &OperatorToken) -> String {
    let usable = match token.usable {
        Some(true) => good("usable"),
        Some(false) => bad("NOT usable"),
        None => String::from("usable or not is unknown"),
    };
    let storage = match token.storage {
        Storage::Plaintext => "plaintext",
        Storage::Hashed => "hashed",
        Storage::Both => "plaintext and hashed",
        Storage::Missing => "no token",
    };
    let user = match (&token.user, token.user_hidden) {
        (Some(name), _) => name,
        (None, true) => "a user that damage may hide",
        (None, false) => "a deleted user",
    };
    format!(
        "{}  {usable}, {storage}, of {}: {}",
        token.id,
        printable(user),
        printable(&token.description)
    )
}

/// A live record that contains a token, and whose token it is.
pub fn embedded_text(place: &Embedded) -> String {
    let bucket = printable(&place.bucket);
    let record = match place.key.as_str() {
        "" => format!("a key of {bucket}"),
        key => format!("{bucket}/{}", printable(key)),
    };
    format!("{record} contains token {}", place.id)
}
