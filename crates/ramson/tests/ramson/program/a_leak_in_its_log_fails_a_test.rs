use std::panic::AssertUnwindSafe;
use std::process::Command;

use crate::support::running::Running;

/// A program that logs, and refuses to start if told so.
fn logging(line: &str, code: u8) -> Running {
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo \"$0\" >&2; exit \"$1\"", line]);
    Running::start_as(shell, &[&code.to_string()])
}

fn fails(line: &str, code: u8) -> bool {
    std::panic::catch_unwind(|| logging(line, code).ended()).is_err()
}

#[test]
fn whatever_it_is() {
    let time = "2026-01-01T00:00:00.000000Z TRACE ramson";
    assert!(!fails(&format!("{time}: a session ended"), 0));
    for leak in ["peer=192.0.2.1:9", "for site.i2p", &"Az-~".repeat(11), &"q2".repeat(26), &"0f".repeat(16)] {
        assert!(fails(&format!("{time}: {leak}"), 0), "{leak}");
        assert!(fails(&format!("{time}: {leak}"), 2), "{leak}");
        assert!(fails(leak, 0), "{leak}");
    }
    // What the user of one that refused is told.
    assert!(!fails("ramson: cannot listen on 127.0.0.1:4444 for HTTP proxy", 2));
}

#[test]
fn also_of_one_that_is_killed() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo \"$0\" >&2; echo spoken; exec sleep 60", "peer=192.0.2.1:9"]);
    let running = Running::start_as(shell, &[]);
    running.said("spoken");
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| drop(running))).is_err());
}
