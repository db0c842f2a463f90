use super::Devnet;

#[test]
fn whatever_the_links_are_like() {
    let one = Devnet::start(&["--routers", "5", "--seed", "7"]);
    let same = Devnet::start(&["--routers", "5", "--seed", "7", "--latency-ms", "40", "--loss", "1"]);
    let other = Devnet::start(&["--routers", "5", "--seed", "8"]);
    assert_eq!(one.hashes(), same.hashes());
    assert_eq!(one.site(), same.site());
    assert!(one.hashes().iter().all(|hash| !other.hashes().contains(hash)));
    assert_ne!(one.site(), other.site());
}
