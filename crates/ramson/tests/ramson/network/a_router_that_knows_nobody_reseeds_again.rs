use std::time::Duration;

use ramson_router::{Progress, RouterConfig};

use crate::support::testnet::{IPV4, PATIENCE, TestNet, config, introduce, start_router};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_joins_when_there_is_one() {
    let net = TestNet::start(3).await;
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known");
    std::fs::create_dir(&known).unwrap();
    let config = RouterConfig { reseed: vec![known.clone()], ..config(IPV4, false) };
    let router = start_router(&folder.path().join("data"), config);
    // It asks once more at once, and finds nothing either.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*router.progress().borrow(), Progress::NoRouters);
    net.routers.iter().for_each(|other| introduce(other, &known));
    let mut progress = router.progress();
    let ready = progress.wait_for(|step| *step == Progress::Ready);
    tokio::time::timeout(PATIENCE, ready).await.expect("it read them again").unwrap();
    router.shutdown();
}
