use crate::support::sam_client::SamClient;
use crate::support::testnet::TestNet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_names_and_options() {
    let mut net = TestNet::start(4).await;
    let sam = net.sam(3).await;
    let (mut first, keys) = SamClient::with_session(sam, "first", "TRANSIENT").await;
    let destination = first.me().await;

    for (request, answer) in [
        ("STYLE=STREAM ID=first DESTINATION=TRANSIENT", "RESULT=DUPLICATED_ID"),
        (&format!("STYLE=STREAM ID=other DESTINATION={keys}"), "RESULT=DUPLICATED_DEST"),
        ("STYLE=STREAM ID=bad DESTINATION=AAAA", "RESULT=INVALID_KEY"),
        (&format!("STYLE=STREAM ID=bad DESTINATION={destination}"), "RESULT=INVALID_KEY"),
        ("STYLE=STREAM DESTINATION=TRANSIENT", "RESULT=INVALID_ID"),
        ("STYLE=STREAM ID=bad", "RESULT=I2P_ERROR MESSAGE=\"DESTINATION is missing\""),
        ("ID=bad DESTINATION=TRANSIENT", "RESULT=I2P_ERROR MESSAGE=\"STYLE is missing\""),
        ("STYLE=DATAGRAM ID=bad DESTINATION=TRANSIENT", "RESULT=I2P_ERROR MESSAGE=\"only STYLE=STREAM is supported\""),
        (
            "STYLE=STREAM ID=bad DESTINATION=TRANSIENT inbound.length=8",
            "RESULT=I2P_ERROR MESSAGE=\"inbound.length must be 0 to 7\"",
        ),
        ("STYLE=STREAM ID=bad DESTINATION=TRANSIENT SIGNATURE_TYPE=1", "RESULT=I2P_ERROR"),
    ] {
        let mut client = SamClient::greeted(sam).await;
        let got = client.ask(&format!("SESSION CREATE {request}")).await;
        assert!(got.starts_with(&format!("SESSION STATUS {answer}")), "{request}: {got}");
        assert_eq!(client.rest().await, b"");
    }

    // With its socket the session ends: name and keys are free again, and the keys give the same destination.
    drop(first);
    let mut again = loop {
        let mut client = SamClient::greeted(sam).await;
        let answer = client.create("first", &keys).await;
        if answer == format!("SESSION STATUS RESULT=OK DESTINATION={keys}") {
            break client;
        }
        // Until the bridge has seen the close.
        assert!(answer.contains("DUPLICATED_"), "{answer}");
    };
    assert_eq!(again.me().await, destination);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_session_ends_its_streams() {
    let mut net = TestNet::start(4).await;
    let sam = net.sam(3).await;
    let (mut server, _) = SamClient::with_session(sam, "server", "TRANSIENT").await;
    let (client, _) = SamClient::with_session(sam, "client", "TRANSIENT").await;
    let to = server.me().await;
    let mut accepting = SamClient::greeted(sam).await;
    assert_eq!(accepting.ask("STREAM ACCEPT ID=server").await, "STREAM STATUS RESULT=OK");
    let mut waiting = SamClient::greeted(sam).await;
    assert_eq!(waiting.ask("STREAM ACCEPT ID=client").await, "STREAM STATUS RESULT=OK");
    let mut connecting = SamClient::greeted(sam).await;
    assert_eq!(connecting.ask(&format!("STREAM CONNECT ID=client DESTINATION={to}")).await, "STREAM STATUS RESULT=OK");
    accepting.line().await;
    drop(client);
    connecting.rest().await;
    accepting.rest().await;
    assert!(String::from_utf8(waiting.rest().await).unwrap().starts_with("STREAM STATUS RESULT=I2P_ERROR"));
}
