//! What the pure crates must not name. `crates/pure/clippy.toml` catches the calls by type; this catches the rest, whole
//! modules of the standard library among them, by name.

use crate::tree::{TextFile, test_only, without_tests};

/// Folder of the pure crates.
pub const PURE: &str = "crates/pure";

/// What nothing below [`PURE`] may name, and what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("fs::", "storage is an output"),
    ("thread::", "drivers own threads"),
    ("env::", "configuration is given"),
    ("process::", "there is no process inside"),
    ("TcpStream", "sockets belong to drivers"),
    ("TcpListener", "sockets belong to drivers"),
    ("UdpSocket", "sockets belong to drivers"),
    ("Instant", "time is given as `Now`"),
    ("SystemTime", "time is given as `Now`"),
    ("HashMap", "its order depends on a random state: BTreeMap"),
    ("HashSet", "its order depends on a random state: BTreeSet"),
    ("RandomState", "randomness is given"),
    ("OsRng", "randomness is given"),
    ("SysRng", "randomness is given"),
    ("SystemRandom", "randomness is given"),
    ("ThreadRng", "randomness is given"),
    ("getrandom", "randomness is given"),
    ("tokio", "waiting is a deadline plus an event"),
    ("async", "waiting is a deadline plus an event"),
    ("f32", "no floats in decisions"),
    ("f64", "no floats in decisions"),
];

/// Only this crate may name the cryptographic library.
const CRYPTO: &str = "crates/pure/crypto/";

/// Forbidden names in the pure crates' code; tests and comments are free.
pub fn impure(files: &[TextFile]) -> Vec<String> {
    let tests = test_only(files);
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with(PURE) && !tests.contains(&file.path)) {
        let code: String = without_tests(&file.text).lines().map(|line| uncommented(line).to_owned() + "\n").collect();
        for (name, instead) in FORBIDDEN.iter().filter(|(name, _)| names(&code, name)) {
            findings.push(format!("{}: names {name}: {instead}", file.path));
        }
        if names(&code, "aws_lc_rs") && !file.path.starts_with(CRYPTO) {
            findings.push(format!("{}: names aws_lc_rs: only ramson-crypto may", file.path));
        }
    }
    findings
}

fn uncommented(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Whether `name` stands in `code` as a word of its own.
fn names(code: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(start, _)| {
        let before = code.get(..start).and_then(|text| text.chars().next_back());
        let after = code.get(start + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(word) && (name.ends_with(':') || !after.is_some_and(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        impure(&[TextFile::new(path, text)]).len()
    }

    #[test]
    fn every_forbidden_name_is_found() {
        for (name, _) in FORBIDDEN {
            assert_eq!(
                findings("crates/pure/lane/src/lane.rs", &format!("use std::{name}x;\nfn a() {{ {name} (); }}\n")),
                1,
                "{name}"
            );
        }
    }

    #[test]
    fn the_cryptographic_library_is_for_one_crate() {
        assert_eq!(findings("crates/pure/wire/src/lib.rs", "use aws_lc_rs::aead;\n"), 1);
        assert_eq!(findings("crates/pure/crypto/src/lib.rs", "use aws_lc_rs::aead;\n"), 0);
    }

    #[test]
    fn other_words_comments_tests_and_shells_are_free() {
        let text = "// HashMap, async\nfn a() { offs::b(); instant(); }\n#[cfg(test)]\nmod tests {\n    use std::fs::read;\n}\n";
        assert_eq!(findings("crates/pure/lane/src/lane.rs", text), 0);
        assert_eq!(findings("crates/pure/lane/tests/a.rs", "use std::fs::read;\n"), 0);
        assert_eq!(findings("crates/router/src/lib.rs", "use std::fs::read;\n"), 0);
    }
}
