use ramson_proxy::TunnelKind;
use ramson_router::new_destination;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::testnet::{PATIENCE, TestNet, listen, one_hop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_each_side_has_closed() {
    let mut net = TestNet::start(5).await;
    let (server, target) = listen().await;
    let site = net.tunnel(3, TunnelKind::Server, target).await;
    let client = net.routers[4].open("client", new_destination().unwrap(), one_hop());
    client.ready().await.unwrap();
    let serving = tokio::spawn(async move {
        let (mut socket, _) = server.accept().await.unwrap();
        let mut question = Vec::new();
        socket.read_to_end(&mut question).await.unwrap();
        socket.write_all(&question).await.unwrap();
    });
    let mut stream = client.connect(site.address().hash(), 0, 0).await.unwrap();
    stream.write_all(b"there and back").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"there and back");
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_is_reset_when_there_is_no_server() {
    let mut net = TestNet::start(5).await;
    let (server, target) = listen().await;
    drop(server);
    let site = net.tunnel(3, TunnelKind::Server, target).await;
    let client = net.routers[4].open("client", new_destination().unwrap(), one_hop());
    client.ready().await.unwrap();
    let mut stream = client.open_stream(site.address().hash(), 0, 0);
    stream.write_all(b"hello?").await.unwrap();
    let error = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
