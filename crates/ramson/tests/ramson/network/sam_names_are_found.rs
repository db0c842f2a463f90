use ramson_router::Names;

use crate::support::sam_client::SamClient;
use crate::support::testnet::TestNet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_book_in_the_network_and_in_themselves() {
    let mut net = TestNet::start(4).await;
    let far = net.sam(2).await;
    let (mut server, _) = SamClient::with_session(far, "server", "TRANSIENT").await;
    let to = server.me().await;
    let hash = ramson_wire::Destination::from_base64(&to).unwrap().hash();
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("hosts.txt");
    std::fs::write(&book, format!("server.i2p={to}\n")).unwrap();
    let sam = net.sam_with_names(3, Names::read(&book).unwrap()).await;

    let mut client = SamClient::greeted(sam).await;
    for name in ["server.i2p".to_owned(), to.clone(), hash.to_b32()] {
        let answer = client.ask(&format!("NAMING LOOKUP NAME={name}")).await;
        assert_eq!(answer, format!("NAMING REPLY RESULT=OK NAME={name} VALUE={to}"));
    }
    let nobody = ramson_router::new_destination().unwrap().destination().hash().to_b32();
    for (name, result) in [("nobody.i2p", "KEY_NOT_FOUND"), (&nobody, "KEY_NOT_FOUND"), ("example.com", "INVALID_KEY")] {
        let answer = client.ask(&format!("NAMING LOOKUP NAME={name}")).await;
        assert_eq!(answer, format!("NAMING REPLY RESULT={result} NAME={name}"));
    }
    let answer = client.ask("NAMING LOOKUP NAME=ME").await;
    assert!(answer.starts_with("NAMING REPLY RESULT=I2P_ERROR"), "{answer}");
}
