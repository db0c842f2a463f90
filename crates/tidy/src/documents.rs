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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_nothing_are_found() {
        let sources = [TextFile::new("crates/a/src/b.rs", "#[test]\nfn a_copy_is_dropped() {}\n")];
        let check = |text: &str| dangling(&TextFile::new("docs/x.md", text), &sources);
        assert_eq!(check("See `a_copy_is_dropped` in `a/src/b.rs`, `MAX_LINES_EVER` and `two_words`."), Vec::<String>::new());
        assert_eq!(check("See `a_copy_is_kept`."), ["docs/x.md: a_copy_is_kept doesn't exist"]);
        assert_eq!(check("See `c.rs`."), ["docs/x.md: c.rs doesn't exist"]);
    }
}
