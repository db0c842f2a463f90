use nix::sys::signal::Signal;

use crate::support::running::{Running, TUNNEL, assert_names, write_settings};

#[test]
fn torn_anywhere_and_without_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), TUNNEL);
    let running = Running::run(folder.path(), &[]).up();
    running.send(Signal::SIGTERM);
    assert_eq!(running.ended().code, Some(0));
    for name in ["router.keys", "web.keys"] {
        std::fs::remove_file(folder.path().join(format!("{name}.copy"))).unwrap();
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        // In the signing key of each, which no longer fits the identity.
        let at = if name == "web.keys" { whole.len() - 1 } else { 30 };
        changed[at] ^= 1;
        let mut longer = whole.clone();
        longer.push(0);
        let (zeroed, garbage) = (vec![0; whole.len()], vec![0x55; whole.len()]);
        let cut = [0, 1, 21, 64, whole.len() / 2, whole.len() - 32, whole.len() - 1].map(|len| &whole[..len]);
        for broken in cut.into_iter().chain([&changed[..], &longer, &zeroed, &garbage]) {
            std::fs::write(&path, broken).unwrap();
            let message = Running::run(folder.path(), &[]).refused();
            assert_names(&message, &[path.to_str().unwrap(), "broken", "backup"]);
            assert_eq!(std::fs::read(&path).unwrap(), broken);
        }
        std::fs::write(&path, whole).unwrap();
    }
    Running::run(folder.path(), &[]).up();
}
