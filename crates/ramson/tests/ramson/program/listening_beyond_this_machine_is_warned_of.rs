use nix::sys::signal::Signal;

use crate::support::running::Running;

#[test]
fn for_the_service_that_does() {
    for (flag, other) in [("--http-proxy", "--sam"), ("--sam", "--http-proxy")] {
        for (address, beyond) in [("0.0.0.0:0", true), ("127.0.0.1:0", false), ("127.0.0.2:0", false)] {
            let folder = tempfile::tempdir().unwrap();
            let program = Running::run(folder.path(), &[flag, address, other, "off"]);
            let program = program.up();
            program.send(Signal::SIGTERM);
            let ended = program.ended();
            let warned = ended.stderr.contains("listens beyond this machine") && ended.stderr.contains(flag);
            assert_eq!(warned, beyond, "{flag} {address}: {}", ended.stderr);
        }
    }
}
