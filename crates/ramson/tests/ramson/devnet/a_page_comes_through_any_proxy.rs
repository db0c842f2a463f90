use super::Devnet;

#[test]
fn in_a_network_of_ten_and_in_the_smallest() {
    for (routers, proxies) in [("10", [0, 6]), ("5", [2, 4])] {
        let net = Devnet::start(&["--routers", routers]);
        for proxy in proxies {
            assert!(net.fetch(proxy).contains("A site in a private I2P network"));
        }
    }
}

#[test]
fn though_packets_are_lost() {
    let net = Devnet::start(&["--loss", "3.5"]);
    assert!(net.fetch(1).contains("A site in a private I2P network"));
}
