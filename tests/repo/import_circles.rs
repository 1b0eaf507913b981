//! Files don't import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::layers::{Source, all_sources, join_uses, lines, source};

/// Imports that may close a circle, as file and imported file, with the reason in a comment.
const DEFENDED: [(&str, &str); 0] = [];

type Path = Vec<String>;

/// The source files, and what they export again.
struct Files<'a> {
    by_module: BTreeMap<&'a [String], &'a Source>,
    /// By module and name: the path that `pub use` gives the name to.
    exported: BTreeMap<(&'a [String], String), Path>,
}

impl<'a> Files<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let by_module: BTreeMap<&[String], &Source> = sources
            .iter()
            .map(|source| (source.module.as_slice(), source))
            .collect();
        let mut exported = BTreeMap::new();
        for source in sources {
            for statement in statements(source) {
                let Some((from, tree)) = statement.split_once("use ") else {
                    continue;
                };
                if !from.starts_with("pub") {
                    continue;
                }
                for path in leaves(tree.trim_end_matches(';')) {
                    if let Some(name) = path.last() {
                        let key = (source.module.as_slice(), name.clone());
                        exported.insert(key, absolute(&source.module, &path));
                    }
                }
            }
        }
        Self {
            by_module,
            exported,
        }
    }

    /// The file in which the thing at `path` is defined.
    fn defining(&self, path: &[String]) -> Option<&'a Source> {
        let module = (0..=path.len())
            .rev()
            .map(|length| &path[..length])
            .find(|module| self.by_module.contains_key(module))?;
        let file = self.by_module[module];
        let Some(name) = path.get(module.len()) else {
            return Some(file);
        };
        match self.exported.get(&(module, name.clone())) {
            Some(target) if target.len() > module.len() || !target.starts_with(module) => {
                let rest = &path[module.len() + 1..];
                self.defining(&[target, rest].concat())
            }
            _ => Some(file),
        }
    }

    /// The files that a file imports, with the names of what it takes.
    fn imports(&self, source: &Source) -> BTreeMap<&'a str, BTreeSet<String>> {
        let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for statement in statements(source) {
            let mut paths = Vec::new();
            match statement.split_once("use ") {
                // What is only passed on is imported from where it is defined.
                Some((from, _)) if from.starts_with("pub") => continue,
                Some(("", tree)) => paths.extend(leaves(tree.trim_end_matches(';'))),
                _ => paths.extend(written_paths(&statement).into_iter().filter(|path| {
                    path.len() > 1 && ["crate", "super"].contains(&path[0].as_str())
                })),
            }
            for path in paths {
                let path = absolute(&source.module, &path);
                let file = self.defining(&path);
                if let Some(file) = file.filter(|file| !are_one_tree(file, source)) {
                    let name = path.last().cloned().unwrap_or_default();
                    found.entry(&file.path).or_default().insert(name);
                }
            }
        }
        found
    }
}

/// Whether two files are the same, or one is the `mod.rs` of a folder that holds the other: a
/// folder is one module in several files, and may use itself.
fn are_one_tree(one: &Source, other: &Source) -> bool {
    let holds = |above: &Source, below: &Source| {
        above.path.ends_with("/mod.rs") && below.module.starts_with(&above.module)
    };
    one.path == other.path || holds(one, other) || holds(other, one)
}

/// The lines of a file outside its tests, each `use` on one.
fn statements(source: &Source) -> Vec<String> {
    let text = join_uses(&source.text);
    let code = lines(&text).into_iter().filter(|line| !line.test);
    code.map(|line| line.code.trim().to_owned()).collect()
}

/// A path from the root of the crate.
fn absolute(module: &[String], path: &[String]) -> Path {
    match path.first().map(String::as_str) {
        Some("crate") => path[1..].to_vec(),
        Some("super") => absolute(&module[..module.len() - 1], &path[1..]),
        _ => [module, path].concat(),
    }
}

/// The paths of a `use`: of `a::{b, c::{self, d as e}}` they are `a::b`, `a::c` and `a::c::d`.
fn leaves(tree: &str) -> Vec<Path> {
    let tree = tree.trim();
    let Some((start, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let names = path.split("::").filter(|name| !["self", ""].contains(name));
        return vec![names.map(str::to_owned).collect()];
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let mut depth = 0;
    let parts = group.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    let parts = parts.filter(|part| !part.trim().is_empty());
    parts
        .flat_map(|part| leaves(&format!("{start}{}", part.trim())))
        .collect()
}

/// The paths in a line of code.
fn written_paths(code: &str) -> Vec<Path> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
        .map(|word| {
            let names = word.split("::").filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        })
        .filter(|path: &Path| !path.is_empty())
        .collect()
}

/// Each circle as text: the imports that tie it.
fn circles(sources: &[Source], defended: &[(&str, &str)]) -> Vec<String> {
    let files = Files::new(sources);
    let mut imports: BTreeMap<&str, BTreeMap<&str, BTreeSet<String>>> = sources
        .iter()
        .map(|source| (source.path.as_str(), files.imports(source)))
        .collect();
    for (file, imported) in defended {
        let known = imports
            .get_mut(file)
            .and_then(|files| files.remove(imported));
        assert!(
            known.is_some(),
            "{file} no longer imports {imported}: defend it no longer"
        );
    }
    let reached = |from: &str| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&str> = imports[from].keys().copied().collect();
        while let Some(file) = next.pop() {
            if seen.insert(file) {
                next.extend(imports[file].keys());
            }
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (*file, reached(file))).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for (file, reached) in &reach {
        if !reached.contains(file) || told.contains(file) {
            continue;
        }
        let others = reached.iter().filter(|other| reach[*other].contains(file));
        let circle: BTreeSet<&str> = others.copied().collect();
        let mut text = String::from("a circle of imports:\n");
        for member in &circle {
            for (imported, names) in &imports[member] {
                if circle.contains(imported) {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    text += &format!("  {member} -> {imported}: {}\n", names.join(", "));
                }
            }
        }
        told.extend(circle);
        found.push(text);
    }
    found
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = all_sources();
    let found = circles(&sources, &DEFENDED);
    assert!(
        found.is_empty(),
        "{}move what both need into a file below them",
        found.join("\n")
    );
}

#[test]
fn a_circle_is_seen_however_it_is_written() {
    for files in [
        [
            ("ops/a.rs", "use crate::ops::b::B;"),
            ("ops/b.rs", "use crate::ops::a::A;"),
        ],
        [
            (
                "ops/a.rs",
                "use crate::{\n    error::Error,\n    ops::b,\n};",
            ),
            ("ops/b.rs", "fn f() -> crate::ops::a::A {}"),
        ],
        [
            ("ops/a.rs", "use super::b::{self, B as C};"),
            ("ops/b.rs", "fn f() {\n    super::a::g()\n}"),
        ],
        // By way of what a folder exports again.
        [
            (
                "ops/a/mod.rs",
                "mod b;\npub use b::B;\nuse crate::ops::c::C;",
            ),
            ("ops/c.rs", "use crate::ops::a::A;"),
        ],
    ] {
        let sources = files.map(|(path, text)| source(path, text));
        assert_eq!(circles(&sources, &[]).len(), 1, "{files:?}");
        let edge = [("src/ops/a.rs", "src/ops/b.rs")];
        if files[0].0 == "ops/a.rs" {
            assert!(circles(&sources, &edge).is_empty(), "{files:?}");
        }
    }
}

#[test]
fn what_a_folder_exports_again_is_imported_from_where_it_is() {
    let sources = [
        ("store/mod.rs", "mod a;\nmod b;\npub use a::{A, B as C};"),
        ("store/a.rs", "use crate::store::D;"),
        ("store/b.rs", "use crate::store::{A, D};"),
        (
            "store/c.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::store::b::X;\n}",
        ),
    ]
    .map(|(path, text)| source(path, text));
    assert_eq!(circles(&sources, &[]), [""; 0]);
    let files = Files::new(&sources);
    let imported = |number: usize| -> Vec<&str> {
        let imports = files.imports(&sources[number]);
        imports.into_keys().collect()
    };
    assert_eq!(imported(2), ["src/store/a.rs"]);
    assert_eq!(imported(3), [""; 0]);
}
