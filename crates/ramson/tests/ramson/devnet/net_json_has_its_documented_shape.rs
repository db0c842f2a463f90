use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use ramson_wire::base64;
use serde_json::json;

use super::Devnet;

/// Far more than the five seconds that are promised: tests share their machine.
const GENEROUS_SECS: f64 = 25.0;

#[test]
fn for_ten_routers_that_are_ready_soon() {
    let net = Devnet::start(&["--seed", "42", "--latency-ms", "7", "--loss", "0.5"]);
    assert_eq!(std::fs::metadata(net.dir()).unwrap().permissions().mode() & 0o777, 0o700);
    let mut told = net.net.clone();
    let ready_secs = told["ready_secs"].as_f64().unwrap();
    assert!(ready_secs > 0.0 && ready_secs < GENEROUS_SECS, "{ready_secs}");

    let mut ports = BTreeSet::new();
    let mut hashes = BTreeSet::new();
    for (number, router) in told["routers"].as_array().unwrap().iter().enumerate() {
        assert_eq!(router["number"], json!(number));
        assert_eq!(router["floodfill"], json!(number < 3));
        for service in ["sam", "http_proxy"] {
            let address = net.port(number, service);
            assert!(address.ip().is_loopback());
            ports.insert(address.port());
        }
        let hash = router["hash"].as_str().unwrap();
        assert_eq!(base64::decode(hash).unwrap().len(), 32);
        hashes.insert(hash);
        assert_eq!(router.as_object().unwrap().len(), 5);
    }
    assert_eq!((ports.len(), hashes.len()), (20, 10));
    assert!(net.site().ends_with(".b32.i2p"));

    let rest = told.as_object_mut().unwrap();
    for part in ["routers", "ready_secs", "site"] {
        rest.remove(part).unwrap();
    }
    let pid = net.running.id();
    let wanted = json!({"version": 1, "pid": pid, "seed": 42, "net_id": 99, "latency_ms": 7, "loss_percent": 0.5});
    assert_eq!(told, wanted);
}
