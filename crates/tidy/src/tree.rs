//! The files of the repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A text file: path from the repository's root with `/`, and content.
#[derive(Clone, Debug)]
pub struct TextFile {
    /// Path from the root.
    pub path: String,
    /// Content.
    pub text: String,
}

impl TextFile {
    /// A file of these parts.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> TextFile {
        TextFile { path: path.into(), text: text.into() }
    }
}

/// The repository's root, seen from this crate.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below `folder` of the root whose names end in `suffix`, sorted; build output and dot folders are left out.
///
/// # Errors
/// When a folder or file can't be read, or isn't UTF-8.
pub fn files(folder: &str, suffix: &str) -> io::Result<Vec<TextFile>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if entry.file_type()?.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(suffix) {
                found.push(TextFile { text: fs::read_to_string(entry.path())?, path });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The text without its tests: items under `#[cfg(test)]` in column 0 are taken out.
pub fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // The item ends with the first line that closes it in column 0, or at once if it has no body.
        for line in lines.by_ref() {
            if line.starts_with('}') || (line.ends_with(';') && !line.starts_with(' ')) {
                break;
            }
        }
    }
    kept
}

/// Paths of the files that are compiled for tests only.
pub fn test_only(files: &[TextFile]) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for file in files {
        let folder = child_folder(&file.path);
        let mut lines = file.text.lines();
        while let Some(line) = lines.next() {
            if line != "#[cfg(test)]" {
                continue;
            }
            let item = lines.by_ref().find(|line| !line.starts_with("#[")).unwrap_or_default();
            let name = item.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';'));
            modules.extend(name.map(|name| format!("{folder}/{name}")));
        }
    }
    let is_test = |path: &str| {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
            || modules
                .iter()
                .any(|module| stem == module || stem.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with('/')))
    };
    files.iter().map(|file| file.path.clone()).filter(|path| is_test(path)).collect()
}

/// Where the modules declared in the file at `path` lie.
fn child_folder(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem.rsplit_once('/') {
        Some((folder, "lib" | "main")) => folder.to_owned(),
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_items_are_taken_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n#[cfg(test)]\nmod more;\nfn c() {}\n";
        assert_eq!(without_tests(text), "fn a() {}\nfn c() {}\n");
    }

    #[test]
    fn test_only_files_are_known_by_place_and_declaration() {
        let files = [
            TextFile::new("crates/a/src/lib.rs", "mod b;\n#[cfg(test)]\nmod samples;\n"),
            TextFile::new("crates/a/src/b.rs", "#[cfg(test)]\npub(crate) mod given;\n"),
            TextFile::new("crates/a/src/b/given.rs", ""),
            TextFile::new("crates/a/src/samples.rs", ""),
            TextFile::new("crates/a/src/samples/more.rs", ""),
            TextFile::new("crates/a/src/samples_of_life.rs", ""),
            TextFile::new("crates/a/tests/claim.rs", ""),
        ];
        let found: Vec<_> = test_only(&files).into_iter().collect();
        let wanted =
            ["crates/a/src/b/given.rs", "crates/a/src/samples.rs", "crates/a/src/samples/more.rs", "crates/a/tests/claim.rs"];
        assert_eq!(found, wanted);
    }
}
