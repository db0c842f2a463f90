use crate::support::running::{Running, assert_names};

#[test]
fn once_and_tells_each_step() {
    let ended = Running::start(&["demo", "--once"]).ended();
    let said = ended.stdout.join("\n");
    assert_eq!(ended.code, Some(0), "{said}\n{}", ended.stderr);
    assert_names(&said, &["routers started", "ready", "site is published", "proxy has tunnels", "page came through"]);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
