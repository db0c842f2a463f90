use ramson_proxy::TunnelKind;
use ramson_router::{DestinationConfig, new_destination};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::testnet::{BOTH, IPV4, IPV6, PATIENCE, TestNet, listen, one_hop};

/// A stream from one router to a site at another brings its bytes back.
async fn there_and_back(net: &mut TestNet, from: usize, to: usize, hops: u8) {
    let (server, target) = listen().await;
    let site = net.tunnel(to, TunnelKind::Server, target).await;
    let config = DestinationConfig { inbound_length: hops, outbound_length: hops, ..one_hop() };
    let client = net.routers[from].open("client", new_destination().unwrap(), config);
    let ready = tokio::time::timeout(PATIENCE, client.ready()).await;
    ready.expect("the client has tunnels").unwrap();
    let serving = tokio::spawn(async move {
        let (mut socket, _) = server.accept().await.unwrap();
        let (mut reader, mut writer) = socket.split();
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    });
    let mut stream = client.connect(site.address().hash(), 0, 0).await.unwrap();
    let question = vec![7; 100_000];
    stream.write_all(&question).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let answered = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    answered.expect("an answer came").unwrap();
    assert!(answer == question, "{} bytes came back", answer.len());
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_nothing_else() {
    let mut net = TestNet::start_at(vec![IPV6; 5]).await;
    there_and_back(&mut net, 4, 3, 2).await;
}

/// The floodfills and one more router have both; who has only one reaches those who have only the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_mixes_with_it() {
    let mut net = TestNet::start_at(vec![BOTH, BOTH, BOTH, IPV4, IPV4, IPV6, IPV6]).await;
    for (from, to, hops) in [(5, 3, 1), (4, 6, 1), (6, 4, 2), (5, 6, 2)] {
        there_and_back(&mut net, from, to, hops).await;
    }
}
