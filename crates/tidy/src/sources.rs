//! Limits on source files. The length of functions is held by `clippy::too_many_lines`.

use crate::tree::{TextFile, without_tests};

/// Lines of a file, tests left out. Past half of it, look for the second idea inside.
pub const MAX_FILE_LINES: usize = 1000;
/// Lines of the README: below this.
pub const README_LINES: usize = 100;
/// Lines of `ARCHITECTURE.md`, which is one page.
pub const ARCHITECTURE_LINES: usize = 120;

// Written in two parts, so that this file has none of them itself.
const IGNORE: &str = concat!("#[ign", "ore");
const UNFINISHED: [&str; 2] = [concat!("tod", "o!"), concat!("unimple", "mented!")];

/// Files longer than [`MAX_FILE_LINES`].
pub fn too_long(files: &[TextFile]) -> Vec<String> {
    let lines = |file: &TextFile| without_tests(&file.text).lines().count();
    files
        .iter()
        .map(|file| (file, lines(file)))
        .filter(|(_, lines)| *lines > MAX_FILE_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines without tests, {MAX_FILE_LINES} is the limit", file.path))
        .collect()
}

/// A page that should be short and isn't: `lines` is the first number that is too many.
pub fn too_long_to_read(page: &TextFile, lines: usize) -> Vec<String> {
    let count = page.text.lines().count();
    if count < lines { Vec::new() } else { vec![format!("{}: {count} lines, {lines} are too many", page.path)] }
}

/// Tests left out without a reason. With one they are for the long run, and the test runner prints the reason.
pub fn ignored_tests(files: &[TextFile]) -> Vec<String> {
    let bare = format!("{IGNORE}]");
    lines_with(files, &[&bare], "tells no reason")
}

/// Unfinished code, in tests as well.
pub fn unfinished(files: &[TextFile]) -> Vec<String> {
    lines_with(files, &UNFINISHED, "is no code")
}

/// Lints switched off without a reason.
pub fn unreasoned_exceptions(files: &[TextFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (start, _) in file.text.match_indices("#[").chain(file.text.match_indices("#![")) {
            let Some(rest) = file.text.get(start..) else { continue };
            let Some(attribute) = rest.find(")]").and_then(|end| rest.get(..end)) else { continue };
            let name = attribute.trim_start_matches(['#', '!', '[']);
            let switches = name.starts_with("allow(")
                || name.starts_with("expect(")
                || (name.starts_with("cfg_attr(") && (name.contains("allow(") || name.contains("expect(")));
            if switches && !attribute.contains("reason") {
                let line = file.text.get(..start).map_or(0, |before| before.lines().count()) + 1;
                findings.push(format!("{}:{line}: a lint is switched off without a reason", file.path));
            }
        }
    }
    findings
}

fn lines_with(files: &[TextFile], needles: &[&str], verdict: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for needle in needles.iter().filter(|needle| line.contains(**needle)) {
                findings.push(format!("{}:{}: {needle} {verdict}", file.path, number + 1));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> [TextFile; 1] {
        [TextFile::new("crates/a/src/lib.rs", text)]
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "fn a() {}\n".repeat(MAX_FILE_LINES);
        assert_eq!(too_long(&one(&long)), Vec::<String>::new());
        assert_eq!(too_long(&one(&format!("{long}#[cfg(test)]\nmod tests {{\n    fn b() {{}}\n}}\n"))), Vec::<String>::new());
        assert_eq!(too_long(&one(&format!("{long}fn b() {{}}\n"))).len(), 1);
    }

    #[test]
    fn a_long_page_is_found() {
        assert_eq!(too_long_to_read(&TextFile::new("README.md", "a\n".repeat(99)), README_LINES), Vec::<String>::new());
        assert_eq!(too_long_to_read(&TextFile::new("README.md", "a\n".repeat(100)), README_LINES).len(), 1);
    }

    #[test]
    fn an_ignored_test_is_found() {
        let text = format!("{IGNORE}]\n#[test]\nfn a() {{}}\n{IGNORE} = \"slow\"]\n");
        assert_eq!(ignored_tests(&one(&text)).len(), 1);
        assert_eq!(ignored_tests(&one("#[test]\nfn a() {}\n")), Vec::<String>::new());
    }

    #[test]
    fn unfinished_code_is_found() {
        let text = format!("fn a() {{\n    {}()\n}}\nfn b() {{ {}(\"later\") }}\n", UNFINISHED[0], UNFINISHED[1]);
        assert_eq!(unfinished(&one(&text)).len(), 2);
        assert_eq!(unfinished(&one("fn a() {}\n")), Vec::<String>::new());
    }

    #[test]
    fn a_lint_switched_off_without_a_reason_is_found() {
        for attribute in ["[allow(dead_code)]", "![expect(dead_code)]", "[cfg_attr(unix, allow(dead_code))]"] {
            let attribute = format!("#{attribute}");
            assert_eq!(unreasoned_exceptions(&one(&format!("fn a() {{}}\n{attribute}\nfn b() {{}}\n"))).len(), 1, "{attribute}");
        }
        let good = "#[expect(\n    dead_code,\n    reason = \"(for now)\"\n)]\nfn b() {}\n#[derive(Debug)]\nstruct A;\n";
        assert_eq!(unreasoned_exceptions(&one(good)), Vec::<String>::new());
    }
}
