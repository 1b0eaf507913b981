//! Examples of every command, after its help and on its manual page. Each is tried by a test. There is
//! a file for each family of commands.

mod accounts;
mod files;
mod looking;
mod tokens;

use clap::Command;

/// A sentence, and a command line.
type Example = (&'static str, &'static str);

/// A command, and its examples.
type Of = (&'static str, &'static [Example]);

/// All of them.
fn all() -> impl Iterator<Item = &'static Of> {
    [
        looking::EXAMPLES,
        tokens::EXAMPLES,
        accounts::EXAMPLES,
        files::EXAMPLES,
    ]
    .into_iter()
    .flatten()
}

/// Adds the examples to the help of each command. With `short`, as for `-h`, its help says only where
/// they are.
pub fn add_to(program: Command, short: bool) -> Command {
    all().fold(program, |program, (path, examples)| {
        let text = match short {
            true => format!("See boltkey {path} --help for examples."),
            false => text(examples),
        };
        let path: Vec<&str> = path.split(' ').collect();
        add(program, &path, &text, short)
    })
}

/// The text is not that of the long help, because the parser prints options with blank lines between
/// them where there is one.
fn add(command: Command, path: &[&str], text: &str, short: bool) -> Command {
    let Some((name, rest)) = path.split_first() else {
        let before = command.get_after_help().filter(|_| !short);
        let text = match before {
            Some(before) => format!("{before}\n\n{text}"),
            None => text.to_owned(),
        };
        return command.after_help(text);
    };
    command.mut_subcommand(name, |subcommand| add(subcommand, rest, text, short))
}

fn text(examples: &[Example]) -> String {
    let lines = examples
        .iter()
        .map(|(sentence, command)| format!("  {sentence}:\n{}", broken(command)));
    format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// A command line of at most 80 columns, continued as a shell reads it.
fn broken(command: &str) -> String {
    const WIDTH: usize = 80;
    const INDENT: &str = "      ";
    let mut lines = vec![INDENT.to_owned()];
    // An option stays with its value.
    for (number, part) in command.split(" -").enumerate() {
        let part = match number {
            0 => part.to_owned(),
            _ => format!(" -{part}"),
        };
        match lines.last_mut() {
            Some(line) if line.len() + part.len() + " \\".len() <= WIDTH => line.push_str(&part),
            _ => lines.push(format!("{INDENT}   {part}")),
        }
    }
    lines.join(" \\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_continued_before_an_option() {
        let value = "x".repeat(60);
        assert_eq!(broken("boltkey status -d a"), "      boltkey status -d a");
        assert_eq!(
            broken(&format!("boltkey hash --db {value} --yes -n")),
            format!("      boltkey hash \\\n          --db {value} \\\n          --yes -n")
        );
        let lines = all().flat_map(|(_, examples)| examples.iter());
        for (_, command) in lines {
            assert!(
                broken(command).lines().all(|line| line.len() <= 80),
                "{command}"
            );
        }
    }
}
