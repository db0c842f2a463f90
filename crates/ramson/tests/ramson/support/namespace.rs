//! Tests that need a machine of their own, as far as they see: they run again in namespaces of the kernel.

use std::io::Write;
use std::process::Command;

/// Tells the second run that it is one.
const INSIDE: &str = "RAMSON_TEST_INSIDE_NAMESPACES";

/// Whether the calling test is in namespaces of its own, such as `--net`. If not, it is run there and its outcome passed
/// on, and the caller has nothing left to do. Where the system has no namespaces for us, it says so.
pub(crate) fn inside(namespaces: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = std::thread::current().name().expect("the harness names its threads").to_owned();
    let unshare = || {
        let mut command = Command::new("unshare");
        command.arg("--map-root-user").args(namespaces).arg("--");
        command
    };
    let tried = unshare().arg("true").output().expect("unshare (Debian: util-linux)");
    if !tried.status.success() {
        let reason = String::from_utf8_lossy(&tried.stderr);
        #[expect(clippy::explicit_write, reason = "it passes the harness, which shows nothing of a test that succeeds")]
        writeln!(std::io::stderr(), "{test}: skipped, no namespaces here: {}", reason.trim()).unwrap();
        return false;
    }
    let ran = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    say(&format!("{out}\n{errors}"));
    assert!(ran.status.success() && out.contains("1 passed"), "{test} failed inside {namespaces:?}");
    false
}

#[expect(clippy::print_stdout, reason = "for whoever runs the test")]
fn say(text: &str) {
    println!("{text}");
}
