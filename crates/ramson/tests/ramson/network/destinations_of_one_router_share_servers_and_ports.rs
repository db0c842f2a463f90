use ramson_proxy::{ServerTunnel, TunnelKind};
use ramson_router::{Destination, DestinationConfig, new_destination};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::testnet::{PATIENCE, TestNet, listen, one_hop};

/// Says its name to whoever connects.
async fn name_itself(server: TcpListener, name: &'static str) {
    while let Ok((mut socket, _)) = server.accept().await {
        socket.read_exact(&mut [0; 4]).await.unwrap();
        socket.write_all(name.as_bytes()).await.unwrap();
    }
}

/// Who answers at a port, or `None` if nobody does.
async fn answers(client: &Destination, site: &Destination, port: u16) -> Option<String> {
    let mut stream = client.open_stream(site.address().hash(), 0, port);
    stream.write_all(b"who?").await.ok()?;
    let mut name = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut name)).await.unwrap().ok()?;
    Some(name)
}

/// The clients are a stranger and a neighbour: one comes through tunnels, the other doesn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn near_and_far() {
    let mut net = TestNet::start(5).await;
    let ((web_server, web), (chat_server, chat)) = (listen().await, listen().await);
    net.serve(name_itself(web_server, "web"));
    net.serve(name_itself(chat_server, "chat"));
    let config = DestinationConfig { publish: true, accept: true, ..one_hop() };
    let sites = ["first", "second", "third"].map(|name| net.routers[3].open(name, new_destination().unwrap(), config.clone()));
    let [first, second, third] = &sites;
    // Two destinations for one server, one of which has another server at another port; the third has only that port.
    net.serve(ServerTunnel::new(first.clone(), TunnelKind::Server, web).and(second.clone()).serve());
    let doors = [first, third].map(|site| site.listen(81).unwrap());
    let [one, other] = doors;
    net.serve(ServerTunnel::new(one, TunnelKind::Server, chat).and(other).serve());
    assert!(first.listen(81).is_err());
    third.refuse_other_ports().await;
    for site in &sites {
        net.leaks.forbid_hash("a destination", &site.address().hash().0);
        tokio::time::timeout(PATIENCE, site.ready()).await.expect("the site was published").unwrap();
    }
    for router in [4, 3] {
        let client = net.routers[router].open("client", new_destination().unwrap(), one_hop());
        client.ready().await.unwrap();
        for (site, port, name) in [
            (first, 0, Some("web")),
            (first, 81, Some("chat")),
            (second, 81, Some("web")),
            (third, 81, Some("chat")),
            (third, 0, None),
        ] {
            assert_eq!(answers(&client, site, port).await.as_deref(), name, "port {port} from router {router}");
        }
    }
}
