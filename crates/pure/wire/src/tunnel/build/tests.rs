use ramson_crypto::rng::SeededRng;

use super::*;
use crate::vectors;

/// Clear texts of both hops from a build computed by an independent script from the published formulae; see testdata/README.md.
const VECTOR: &str = include_str!("../../../testdata/derived-short-build.json");

fn hex(name: &str) -> Vec<u8> {
    vectors::hex(VECTOR, name)
}

#[test]
fn vector_clear_texts() {
    let first = ShortRequest::from_bytes(&hex("hop0_clear")).unwrap();
    assert_eq!((first.receive_tunnel.get(), first.next_tunnel.get()), (1001, 1002));
    assert_eq!(first.next.0.to_vec(), hex("hop1_hash"));
    assert_eq!((first.role, first.lifetime_secs), (HopRole::Participant, TUNNEL_LIFETIME_SECS));
    assert_eq!(first.next_message_id, MessageId(0x1111_1111));
    assert_eq!(first.to_bytes(), hex("hop0_clear"));
    let last = ShortRequest::from_bytes(&hex("hop1_clear")).unwrap();
    assert_eq!((last.receive_tunnel.get(), last.next_tunnel.get()), (1002, 2001));
    assert_eq!((last.role, last.layer_type), (HopRole::OutboundEndpoint, 0));
    assert_eq!(last.to_bytes(), hex("hop1_clear"));
}

#[test]
fn illegal_requests() {
    let clear = hex("hop0_clear");
    let changed = |index: usize, value: u8| {
        let mut bytes = clear.clone();
        bytes[index] = value;
        ShortRequest::from_bytes(&bytes)
    };
    assert_eq!(changed(40, 0xc0).unwrap_err().kind, DecodeErrorKind::Invalid);
    let mut zero = clear.clone();
    zero[..4].fill(0);
    assert!(ShortRequest::from_bytes(&zero).is_err());
    assert_eq!(changed(43, 1).unwrap().layer_type, 1);
    // What isn't a mapping counts as no options.
    assert_eq!(changed(56, 0xff).unwrap().options, Mapping::new());
    assert!(ShortRequest::from_bytes(&clear[..153]).is_err());
}

#[test]
fn replies() {
    let mut options = Mapping::new();
    options.insert("b", "40").unwrap();
    let reply = ShortReply { options, code: REJECT };
    assert_eq!(reply.to_bytes().len(), SHORT_REPLY_LEN);
    assert_eq!(ShortReply::from_bytes(&reply.to_bytes()), Ok(reply));
    let noise = ShortReply::from_bytes(&[[0x99; 201].as_slice(), &[0]].concat()).unwrap();
    assert!(noise.is_accepted());
    let long = long_reply(REJECT, &mut SeededRng::new([1; 32]));
    assert_eq!((long[0], long[1], long[511]), (0, 0, 30));
}

#[test]
fn long_request() {
    let bytes: Vec<u8> = (0..464u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    let mut clear = bytes;
    clear[152] = FLAG_GATEWAY;
    clear[153..156].fill(0);
    clear[168..].fill(0);
    let request = LongRequest::from_bytes(&clear).unwrap();
    assert_eq!(request.role, HopRole::InboundGateway);
    assert_eq!(request.layer_key[0], 40);
    assert_eq!(request.reply_iv[0], 136);
    assert_eq!(request.to_bytes(), clear);
}

#[test]
fn options_that_do_not_fit_are_left_out() {
    let mut request = ShortRequest::from_bytes(&hex("hop0_clear")).unwrap();
    request.options.insert("m", &"9".repeat(200)).unwrap();
    assert_eq!(request.to_bytes(), hex("hop0_clear"));
}
