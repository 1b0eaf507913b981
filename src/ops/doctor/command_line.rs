//! Command lines that can be copied into a shell.

use std::path::Path;

/// A command of boltkey. Arguments are quoted where a shell needs it. A value in `<…>` is for the
/// user to fill in, and stays as it is.
pub(super) fn boltkey(arguments: &[&str]) -> String {
    command("boltkey", arguments)
}

/// A command of another program.
pub(super) fn command(program: &str, arguments: &[&str]) -> String {
    let mut line = program.to_owned();
    for argument in arguments {
        line.push(' ');
        line.push_str(&quoted(argument));
    }
    line
}

/// The text of a path, for [`command`].
pub(super) fn text(path: &Path) -> String {
    path.display().to_string()
}

fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    let is_placeholder = argument.starts_with('<') && argument.ends_with('>');
    if is_placeholder || (!argument.is_empty() && argument.chars().all(is_plain)) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        for (argument, expected) in [
            (
                "/var/lib/influxdb/influxd.bolt",
                "/var/lib/influxdb/influxd.bolt",
            ),
            ("<new file>", "<new file>"),
            ("my file", "'my file'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(argument), expected);
        }
    }
}
