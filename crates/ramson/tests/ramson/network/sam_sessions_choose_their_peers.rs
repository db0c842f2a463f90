use std::time::Duration;

use crate::support::sam_client::SamClient;
use crate::support::testnet::TestNet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_list_and_by_number() {
    let mut net = TestNet::start(4).await;
    let (sam, other) = (net.sam(3).await, net.sam(2).await);
    let (mut friend, _) = SamClient::with_session(other, "friend", "TRANSIENT").await;
    let (_stranger, _) = SamClient::with_session(other, "stranger", "TRANSIENT").await;
    let friends = friend.me().await;
    let rules = format!("i2cp.enableAccessList=true i2cp.accessList=\"{friends}\" i2p.streaming.maxConnsPerMinute=1");
    let (mut server, _) = SamClient::with_session(sam, "server", &format!("TRANSIENT {rules}")).await;
    let connect = format!("DESTINATION={}", server.me().await);

    let mut unheard = SamClient::greeted(other).await;
    unheard.send(format!("STREAM CONNECT ID=stranger {connect}\n").as_bytes()).await;
    let mut accepting = SamClient::greeted(sam).await;
    assert_eq!(accepting.ask("STREAM ACCEPT ID=server").await, "STREAM STATUS RESULT=OK");
    let mut taken = SamClient::greeted(other).await;
    assert_eq!(taken.ask(&format!("STREAM CONNECT ID=friend {connect}")).await, "STREAM STATUS RESULT=OK");
    assert!(accepting.line().await.starts_with(&friends));

    let mut too_many = SamClient::greeted(other).await;
    let refused = too_many.ask(&format!("STREAM CONNECT ID=friend {connect}")).await;
    assert!(refused.starts_with("STREAM STATUS RESULT=") && !refused.ends_with("=OK"), "{refused}");
    assert!(tokio::time::timeout(Duration::from_secs(3), unheard.line()).await.is_err(), "a stranger was answered");
}
