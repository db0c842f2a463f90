//! Tells the program its commit, for those who want to repeat what it did.

use std::io::Write;
use std::process::Command;

fn main() {
    let mut out = std::io::stdout();
    let mut say = |line: String| {
        let _ = writeln!(out, "cargo::{line}");
    };
    // Without git, or outside of a repository, the program says that it doesn't know.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        say(format!("rerun-if-changed={log}"));
    }
    // Whether there are changes after it too: whatever the program is built of is looked at again when it changes.
    if let Some(commit) = git(&["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]) {
        say(format!("rustc-env=RAMSON_COMMIT={commit}"));
    }
    for source in ["crates", "scenarios", "Cargo.toml", "Cargo.lock"] {
        say(format!("rerun-if-changed=../../{source}"));
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
