//! Parses files of assignments: `EnvironmentFile=` of systemd, and `/etc/default/influxdb2` or
//! `/etc/conf.d/influxdb`, which start scripts read as shell code.

/// The assignments of a file, in order. Quotes are removed and escapes resolved, as systemd and the
/// shell do.
pub(crate) fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in joined_lines(text) {
        let line = line.trim_start();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let name = name.trim_end();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.is_empty() && name.chars().all(is_name) {
            found.push((name.to_owned(), unquoted(value)));
        }
    }
    found
}

/// Whether the last assignment of this name in a text has quotes around its value.
pub(crate) fn has_quotes(text: &str, name: &str) -> bool {
    let lines = text.lines().rev().map(str::trim_start);
    let mut values = lines.filter_map(|line| {
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name)?.trim_start().strip_prefix('=')
    });
    let value = values.next();
    value.is_some_and(|value| value.trim_start().starts_with(['"', '\'']))
}

/// The lines, with those joined that end in a backslash.
pub(crate) fn joined_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut continues = false;
    for line in text.lines() {
        let (line, goes_on) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| continues) {
            Some(last) => {
                last.push(' ');
                last.push_str(line.trim_start());
            }
            None => lines.push(line.to_owned()),
        }
        continues = goes_on;
    }
    lines
}

/// A value without its quotes. Text after a closing quote belongs to the value.
fn unquoted(value: &str) -> String {
    let mut result = String::new();
    // Spaces at the end count only if they are quoted.
    let mut kept = 0;
    let mut quote = None;
    let mut letters = value.trim_start().chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (_, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => result.extend(letters.next()),
            ('#', None) if result.ends_with([' ', '\t']) => break,
            _ => {
                result.push(letter);
                if quote.is_none() && letter.is_whitespace() {
                    continue;
                }
            }
        }
        kept = result.len();
    }
    result.truncate(kept);
    result
}

/// The words of a line, as systemd splits them: quotes group words, backslashes escape one letter.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, Some(open)) if letter == open => quote = None,
            ('\\', _) => word.get_or_insert_default().extend(letters.next()),
            _ if quote.is_none() && letter.is_whitespace() => found.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_removed() {
        let text = "# A=1\n; B=2\nexport C=\"/with space/x\" # told\n D = '/d' \nE=/e  \nF=/a\\ b\n\
                    G=\"a\"'b'c\nH=\"\"\nno assignment\nI-J=1\nK=/k\\\n  more\nL=\"it's\"\nM=a#b\n\
                    N=\"/unended\n";
        let found = assignments(text);
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (&**n, &**v)).collect();
        let wanted = [
            ("C", "/with space/x"),
            ("D", "/d"),
            ("E", "/e"),
            ("F", "/a b"),
            ("G", "abc"),
            ("H", ""),
            ("K", "/k more"),
            ("L", "it's"),
            ("M", "a#b"),
            ("N", "/unended"),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn quotes_are_noticed() {
        assert!(has_quotes("A=/x\n export A = \"/y\"\n#A=/z\n", "A"));
        assert!(has_quotes("A='/y'", "A"));
        assert!(!has_quotes("A='/y'\nA=/x\nAB='/z'", "A"));
    }

    #[test]
    fn words_are_split() {
        let wanted = ["/usr/bin/influxd", "--bolt-path=/a b", "c d", "", "e f"];
        let line = "  /usr/bin/influxd \"--bolt-path=/a b\" 'c d' \"\" e\\ f ";
        assert_eq!(words(line), wanted);
        assert!(words(" ").is_empty());
    }
}
