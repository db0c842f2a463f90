use tokio::io::AsyncWriteExt;

use super::Devnet;
use crate::support::sam_client::SamClient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_megabyte_arrives_as_it_was_sent() {
    let net = Devnet::start(&[]);
    let (near, far) = (net.port(2, "sam"), net.port(8, "sam"));
    let (mut server, _) = SamClient::with_session(far, "server", "TRANSIENT").await;
    let (_client, _) = SamClient::with_session(near, "client", "TRANSIENT").await;
    let to = server.me().await;
    let mut accepting = SamClient::greeted(far).await;
    assert_eq!(accepting.ask("STREAM ACCEPT ID=server").await, "STREAM STATUS RESULT=OK");
    let mut connecting = SamClient::greeted(near).await;
    let connected = connecting.ask(&format!("STREAM CONNECT ID=client DESTINATION={to}")).await;
    assert_eq!(connected, "STREAM STATUS RESULT=OK");
    accepting.line().await;

    let sent: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
    let sending = sent.clone();
    let sender = tokio::spawn(async move {
        connecting.send(&sending).await;
        connecting.socket.shutdown().await.unwrap();
        connecting
    });
    assert!(accepting.rest().await == sent, "a megabyte arrives as it was sent");
    drop(sender.await.unwrap());
}
