use ramson_wire::{RouterInfo, Unverified};

use crate::support::running::{Running, status};

#[test]
fn and_is_the_one_of_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Running::run(folder.path(), &["--host", "203.0.113.7"]).up();
    let bytes = std::fs::read(folder.path().join("router.info")).unwrap();
    let router = Unverified::<RouterInfo>::parse(bytes.into()).unwrap().verify().unwrap();
    assert_eq!(status(folder.path())["router"]["hash"], ramson_wire::base64::encode(&router.hash().0));
    assert_eq!(router.ntcp2_addresses().count(), 1);
    assert!(!folder.path().join("router.info.new").exists());
}
