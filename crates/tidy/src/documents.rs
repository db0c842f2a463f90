//! What documents name exists.

use crate::tree::TextFile;

/// Names in backticks that no source has: files that end in `.rs`, and tests, which are words with two underscores or more.
/// A file may be named by the end of its path.
pub fn dangling(document: &TextFile, sources: &[TextFile]) -> Vec<String> {
    let quoted = document.text.split('`').skip(1).step_by(2);
    let exists = |name: &str| {
        if name.ends_with(".rs") {
            sources.iter().any(|file| file.path == name || file.path.ends_with(&format!("/{name}")))
        } else {
            sources.iter().any(|file| file.text.contains(&format!("fn {name}(")))
        }
    };
    let is_test = |name: &str| {
        name.matches('_').count() >= 2 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    quoted
        .filter(|name| name.ends_with(".rs") || is_test(name))
        .filter(|name| !exists(name))
        .map(|name| format!("{}: {name} doesn't exist", document.path))
        .collect()
}

/// The strings in the function that begins with `opening`, up to its closing brace at four spaces.
pub fn strings_of<'a>(source: &'a TextFile, opening: &str) -> Vec<&'a str> {
    let body = source.text.split_once(opening).and_then(|(_, rest)| rest.split_once("\n    }"));
    body.map(|(body, _)| body.split('"').skip(1).step_by(2).collect()).unwrap_or_default()
}

/// Names without a row of their own in the document's table.
pub fn without_row(document: &TextFile, names: &[&str]) -> Vec<String> {
    let has_row = |name: &str| document.text.lines().any(|line| line.starts_with(&format!("| `{name}` |")));
    names.iter().filter(|name| !has_row(name)).map(|name| format!("{}: no row for {name}", document.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_row_is_found() {
        let source = TextFile::new("a.rs", "    fn name(self) {\n        \"one\" \"two\"\n    }\n    \"three\"");
        let names = strings_of(&source, "fn name(");
        assert_eq!(names, ["one", "two"]);
        assert!(strings_of(&source, "fn other(").is_empty());
        let page = TextFile::new("x.md", "| `one` | `two` |\n");
        assert_eq!(without_row(&page, &names), ["x.md: no row for two"]);
    }

    #[test]
    fn names_of_nothing_are_found() {
        let sources = [TextFile::new("crates/a/src/b.rs", "#[test]\nfn a_copy_is_dropped() {}\n")];
        let check = |text: &str| dangling(&TextFile::new("docs/x.md", text), &sources);
        assert_eq!(check("See `a_copy_is_dropped` in `a/src/b.rs`, `MAX_LINES_EVER` and `two_words`."), Vec::<String>::new());
        assert_eq!(check("See `a_copy_is_kept`."), ["docs/x.md: a_copy_is_kept doesn't exist"]);
        assert_eq!(check("See `c.rs`."), ["docs/x.md: c.rs doesn't exist"]);
    }
}
