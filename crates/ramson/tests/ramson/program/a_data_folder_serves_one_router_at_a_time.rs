use crate::support::running::{Running, assert_names, status};

#[test]
fn the_second_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Running::run(folder.path(), &[]).up();
    let hash = status(folder.path())["router"]["hash"].clone();
    let message = Running::run(folder.path(), &[]).refused();
    assert_names(&message, &[folder.path().to_str().unwrap(), "another ramson", "--data-dir"]);
    assert_eq!(status(folder.path())["router"]["hash"], hash);
}

#[test]
fn one_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    for path in [file.clone(), file.join("below")] {
        assert_names(&Running::run(&path, &[]).refused(), &[path.to_str().unwrap(), "--data-dir"]);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn one_with_too_long_a_path_for_its_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(100));
    assert_names(&Running::run(&path, &[]).refused(), &["control.sock", "short"]);
}
