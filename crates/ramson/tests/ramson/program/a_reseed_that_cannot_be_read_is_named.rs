use crate::support::running::{Running, assert_names};

#[test]
fn missing_or_no_zip_file() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.zip");
    std::fs::write(&garbage, "PK\x03\x04 is how a zip file begins").unwrap();
    for path in [garbage.to_str().unwrap(), "/no/such/reseed.zip"] {
        let data_dir = folder.path().join("data");
        assert_names(&Running::run(&data_dir, &["--reseed", path]).refused(), &[path, "--reseed"]);
    }
}

/// What a stranger put into the bundle is no mistake of the person who uses it.
#[test]
fn but_broken_router_infos_in_it_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reseed.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, len) in [("routerInfo-empty.dat", 0), ("routerInfo-zero.dat", 900), ("../../routerInfo-up.dat", 10)] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &vec![0; len]).unwrap();
    }
    archive.finish().unwrap();
    Running::run(&folder.path().join("data"), &["--reseed", path.to_str().unwrap()]).up();
}
