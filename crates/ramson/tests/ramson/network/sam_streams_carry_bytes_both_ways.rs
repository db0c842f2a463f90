use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::support::sam_client::SamClient;
use crate::support::testnet::TestNet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_segment_of_the_command_on() {
    let mut net = TestNet::start(5).await;
    let (near, far) = (net.sam(3).await, net.sam(4).await);
    let (mut server, _) = SamClient::with_session(far, "server", "TRANSIENT").await;
    let (mut client, _) = SamClient::with_session(near, "client", "TRANSIENT").await;
    let (to, from) = (server.me().await, client.me().await);

    for (version, ports) in [("3.1", ""), ("3.2", " FROM_PORT=7 TO_PORT=80")] {
        let mut accepting = SamClient::greeted_as(far, version).await;
        assert_eq!(accepting.ask("STREAM ACCEPT ID=server").await, "STREAM STATUS RESULT=OK");
        let mut connecting = SamClient::greeted(near).await;
        let command = format!("STREAM CONNECT ID=client DESTINATION={to} FROM_PORT=7 TO_PORT=80\nquestion");
        connecting.send(command.as_bytes()).await;
        assert_eq!(connecting.line().await, "STREAM STATUS RESULT=OK");
        assert_eq!(accepting.line().await, format!("{from}{ports}"));
        assert_eq!(&accepting.bytes::<8>().await, b"question");
        accepting.send(b"answer").await;
        accepting.socket.shutdown().await.unwrap();
        assert_eq!(connecting.rest().await, b"answer");
        // The other direction is still open.
        connecting.send(b"thanks").await;
        connecting.socket.shutdown().await.unwrap();
        assert_eq!(accepting.rest().await, b"thanks");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_nothing_else_when_silent() {
    let mut net = TestNet::start(5).await;
    let (near, far) = (net.sam(3).await, net.sam(4).await);
    let (mut server, _) = SamClient::with_session(far, "server", "TRANSIENT").await;
    let (_client, _) = SamClient::with_session(near, "client", "TRANSIENT").await;
    let to = server.me().await;
    let mut accepting = SamClient::greeted(far).await;
    // What is said before anybody connects waits too.
    accepting.send(b"STREAM ACCEPT ID=server SILENT=true\nwelcome").await;
    let mut connecting = SamClient::greeted(near).await;
    connecting.send(format!("STREAM CONNECT ID=client DESTINATION={to} SILENT=true\nquestion").as_bytes()).await;
    assert_eq!(&accepting.bytes::<8>().await, b"question");
    assert_eq!(&connecting.bytes::<7>().await, b"welcome");
    let big: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let sending = big.clone();
    let sender = tokio::spawn(async move {
        connecting.send(&sending).await;
        connecting.socket.shutdown().await.unwrap();
        connecting
    });
    assert!(accepting.rest().await == big, "four megabytes arrive as they were sent");
    drop(sender.await.unwrap());

    let mut nobody = SamClient::greeted(near).await;
    nobody.send(b"STREAM CONNECT ID=nobody DESTINATION=x SILENT=true\n").await;
    assert_eq!(nobody.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn or_tell_that_nobody_is_there() {
    let mut net = TestNet::start(4).await;
    let sam = net.sam(3).await;
    let (_client, _) = SamClient::with_session(sam, "client", "TRANSIENT").await;
    let nobody = ramson_router::new_destination().unwrap();
    let nobody = nobody.destination();
    let mut asking = JoinSet::new();
    for (name, result) in [
        (nobody.to_base64(), "CANT_REACH_PEER"),
        (nobody.hash().to_b32(), "CANT_REACH_PEER"),
        ("nobody.i2p".to_owned(), "CANT_REACH_PEER"),
        ("short.b32.i2p".to_owned(), "INVALID_KEY"),
        ("example.com".to_owned(), "INVALID_KEY"),
    ] {
        // At once: a LeaseSet that nobody has is looked for several times.
        asking.spawn(async move {
            let mut connecting = SamClient::greeted(sam).await;
            let answer = connecting.ask(&format!("STREAM CONNECT ID=client DESTINATION={name}")).await;
            assert_eq!(answer, format!("STREAM STATUS RESULT={result}"), "{name}");
            assert_eq!(connecting.rest().await, b"");
        });
    }
    asking.join_all().await;
}
