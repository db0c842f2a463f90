use ramson_router::{DestinationConfig, new_destination};
use tokio::io::AsyncReadExt;

use crate::support::testnet::{PATIENCE, TestNet, lonely_router, one_hop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_they_asked() {
    let _leaks = ramson_leaks::watch_process();
    let folder = tempfile::tempdir().unwrap();
    let router = lonely_router(folder.path());
    let destination = router.open("client", new_destination().unwrap(), DestinationConfig::default());
    let nobody = new_destination().unwrap().destination().hash();
    let mut stream = destination.open_stream(nobody, 0, 0);
    let stopping = router.clone();
    let stopping = async move { tokio::task::spawn_blocking(move || stopping.shutdown()).await.unwrap() };
    let waiting = async {
        tokio::join!(destination.ready(), destination.lookup(nobody), destination.accept(), stream.connected(), stopping)
    };
    let (ready, found, accepted, connected, ()) = tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert!(ready.is_err() && found.is_none() && accepted.is_err() && connected.is_err());
    assert!(stream.read(&mut [0; 1]).await.is_err());
    // And what is asked afterwards.
    let late = async {
        assert!(router.status().await.is_err());
        assert!(destination.lookup(nobody).await.is_none());
        assert!(router.open("late", new_destination().unwrap(), DestinationConfig::default()).ready().await.is_err());
        assert!(destination.connect(nobody, 0, 0).await.is_err());
    };
    tokio::time::timeout(PATIENCE, late).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_a_closed_destination() {
    let mut net = TestNet::start(4).await;
    let client = net.routers[3].open("client", new_destination().unwrap(), one_hop());
    client.ready().await.unwrap();
    let mut stream = client.open_stream(new_destination().unwrap().destination().hash(), 0, 0);
    drop(client);
    let end = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap();
    assert!(end.is_err());
    net.routers.truncate(4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_frees_its_data_folder() {
    let _leaks = ramson_leaks::watch_process();
    let folder = tempfile::tempdir().unwrap();
    let first = lonely_router(folder.path());
    let hash = first.hash();
    tokio::task::spawn_blocking(move || first.shutdown()).await.unwrap();
    assert_eq!(lonely_router(folder.path()).hash(), hash);
}
