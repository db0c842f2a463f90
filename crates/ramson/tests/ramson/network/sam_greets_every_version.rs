use crate::support::sam_client::SamClient;
use crate::support::testnet::{TestNet, lonely_router};

#[tokio::test]
async fn and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = TestNet::start(0).await;
    net.routers.push(lonely_router(folder.path()));
    let sam = net.sam(0).await;
    for (hello, answer) in [
        ("HELLO VERSION", "RESULT=OK VERSION=3.3"),
        ("hello version", "RESULT=OK VERSION=3.3"),
        ("HELLO VERSION MIN=3.0 MAX=3.0", "RESULT=OK VERSION=3.0"),
        ("HELLO VERSION MIN=3.1 MAX=3.1", "RESULT=OK VERSION=3.1"),
        ("HELLO VERSION MIN=3.2 MAX=3.2", "RESULT=OK VERSION=3.2"),
        ("HELLO VERSION MIN=3.0 MAX=3.3", "RESULT=OK VERSION=3.3"),
        ("HELLO VERSION MIN=3.1 MAX=9.9", "RESULT=OK VERSION=3.3"),
        ("HELLO VERSION MIN=3.4 MAX=3.9", "RESULT=NOVERSION"),
    ] {
        let mut client = SamClient::connect(sam).await;
        assert_eq!(client.ask(hello).await, format!("HELLO REPLY {answer}"), "{hello}");
    }
    // A web page that tries local ports learns nothing.
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"SESSION CREATE STYLE=STREAM ID=a DESTINATION=TRANSIENT\n",
        b"\n",
        &[0xff, 0xfe, b'\n'],
        &[b'x'; 20_000],
    ] {
        let mut client = SamClient::connect(sam).await;
        client.send(garbage).await;
        assert_eq!(client.rest().await, b"");
    }
}

#[tokio::test]
async fn and_talks_without_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let mut net = TestNet::start(0).await;
    net.routers.push(lonely_router(folder.path()));
    let sam = net.sam(0).await;
    let mut client = SamClient::greeted(sam).await;
    assert_eq!(client.ask("PING hello there").await, "PONG hello there");
    assert_eq!(client.ask("PING").await, "PONG");
    for kind in ["", " SIGNATURE_TYPE=7", " SIGNATURE_TYPE=EdDSA_SHA512_Ed25519"] {
        let answer = client.ask(&format!("DEST GENERATE{kind}")).await;
        let (public, private) = answer.strip_prefix("DEST REPLY PUB=").unwrap().split_once(" PRIV=").unwrap();
        let public = ramson_wire::Destination::from_base64(public).unwrap();
        assert_eq!(ramson_wire::DestinationKeys::from_base64(private).unwrap().destination().hash(), public.hash());
    }
    assert!(client.ask("DEST GENERATE SIGNATURE_TYPE=0").await.starts_with("DEST REPLY RESULT=I2P_ERROR MESSAGE=\""));
    for command in ["STREAM CONNECT ID=nobody DESTINATION=x", "STREAM ACCEPT ID=nobody"] {
        let mut client = SamClient::greeted(sam).await;
        assert_eq!(client.ask(command).await, "STREAM STATUS RESULT=INVALID_ID");
        assert_eq!(client.rest().await, b"");
    }
    for command in ["SESSION ADD STYLE=STREAM", "NO SUCH THING", "STREAM FORWARD ID=a PORT=1", "SESSION CREATE ID=\"a"] {
        let mut client = SamClient::greeted(sam).await;
        assert!(client.ask(command).await.contains(" STATUS RESULT=I2P_ERROR MESSAGE=\""), "{command}");
        assert_eq!(client.rest().await, b"");
    }
    client.send(&[b'x'; 20_000]).await;
    assert_eq!(client.rest().await, b"", "a line longer than any command ends the connection");
    let mut client = SamClient::greeted(sam).await;
    client.send(b"QUIT\n").await;
    assert_eq!(client.rest().await, b"");
}
