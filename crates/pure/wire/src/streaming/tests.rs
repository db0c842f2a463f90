use ramson_crypto::rng::SeededRng;

use super::*;
use crate::offline;
use crate::time::Seconds32;

const NOW: Date = Date(1_700_000_000_000);

fn keys(seed: u8) -> (ed25519::SigningKey, Destination) {
    let mut rng = SeededRng::new([seed; 32]);
    let key = ed25519::SigningKey::generate(&mut rng);
    let destination = Destination::new(&key.public(), &mut rng);
    (key, destination)
}

fn syn(from: &Destination, to: &Destination) -> Packet {
    Packet {
        receive_id: 77,
        nacks: Packet::replay_guard(&to.hash()),
        flags: Flags::SYNCHRONIZE | Flags::NO_ACK,
        options: PacketOptions {
            from: Some(from.clone()),
            max_size: Some(1812),
            ..PacketOptions::default()
        },
        payload: Bytes::from_static(b"GET / HTTP/1.1"),
        ..Packet::default()
    }
}

#[test]
fn signed_syn() {
    let (key, from) = keys(1);
    let (_, to) = keys(2);
    let mut packet = syn(&from, &to);
    let bytes = packet.sign(&key);
    let read = Packet::from_bytes(&bytes).unwrap();
    assert_eq!(read.addressed_to(), Some(to.hash()));
    assert!(read.flags.contains(
        Flags::SIGNATURE_INCLUDED | Flags::FROM_INCLUDED | Flags::MAX_PACKET_SIZE_INCLUDED
    ));
    assert_eq!(read.options, packet.options);
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!(read.verify(&bytes, from.signing_key(), NOW), Ok(()));
    assert_eq!(
        read.verify(&bytes, to.signing_key(), NOW),
        Err(SignatureError::Bad)
    );
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let accepted = Packet::from_bytes(&changed)
            .is_ok_and(|p| p.verify(&changed, from.signing_key(), NOW).is_ok());
        assert!(!accepted, "byte {index}");
    }
}

#[test]
fn a_close_without_sender_is_signed_by_the_rest_of_its_options() {
    let (key, from) = keys(3);
    let options = PacketOptions {
        delay: Some(0),
        ..PacketOptions::default()
    };
    let mut packet = Packet {
        send_id: 1,
        receive_id: 2,
        sequence: 9,
        flags: Flags::CLOSE,
        options,
        ..Packet::default()
    };
    let bytes = packet.sign(&key);
    assert_eq!(bytes.len(), MIN_PACKET_LEN + 2 + 64);
    let read = Packet::from_shared(&Bytes::from(bytes.clone())).unwrap();
    assert_eq!(read.verify(&bytes, from.signing_key(), NOW), Ok(()));
    packet.options.signature = None;
    let unsigned = Packet::from_bytes(&packet.to_bytes()).unwrap();
    assert_eq!(
        unsigned.verify(&packet.to_bytes(), from.signing_key(), NOW),
        Err(SignatureError::Bad)
    );
}

#[test]
fn offline_keys_sign_until_they_expire() {
    let (owner, from) = keys(4);
    let (transient, _) = keys(5);
    let (_, to) = keys(6);
    let block = offline::approve(&owner, &transient.public(), Seconds32(1_700_000_000));
    let mut packet = syn(&from, &to);
    packet.options.offline =
        Some(OfflineKey::decode(&mut Reader::new(&block), from.signing_key()).unwrap());
    let bytes = packet.sign(&transient);
    let read = Packet::from_bytes(&bytes).unwrap();
    assert_eq!(read.verify(&bytes, from.signing_key(), NOW), Ok(()));
    let late = Date(NOW.0 + 1);
    assert_eq!(
        read.verify(&bytes, from.signing_key(), late),
        Err(SignatureError::Expired)
    );
    assert_eq!(
        read.verify(&bytes, to.signing_key(), NOW),
        Err(SignatureError::Bad)
    );
}

#[test]
fn plain_packets() {
    let packet = Packet {
        nacks: vec![5; 255],
        resend_delay: 3,
        payload: Bytes::from_static(&[1]),
        ..Packet::default()
    };
    assert_eq!(Packet::from_bytes(&packet.to_bytes()), Ok(packet));
    assert_eq!(
        Packet::from_bytes(&Packet::default().to_bytes()),
        Ok(Packet::default())
    );
    for length in 0..MIN_PACKET_LEN {
        assert!(Packet::from_bytes(&[0; MIN_PACKET_LEN][..length]).is_err());
    }
    // Bytes that no flag announces.
    let mut odd = vec![0; MIN_PACKET_LEN];
    odd[21] = 2;
    odd.extend_from_slice(&[8, 8, 9]);
    assert_eq!(Packet::from_bytes(&odd).unwrap().payload, &[9][..]);
}
