use proptest::prelude::*;
use serde_json::Value;

use crate::layer::MESSAGE_LEN;
use crate::{BadLength, Key, LayerJob, LayerKeys, encrypt_batch};

/// Bytes of a hex string.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn field<const N: usize>(object: &Value, name: &str) -> [u8; N] {
    hex(object[name].as_str().unwrap()).try_into().unwrap()
}

/// NIST SP 800-38A, F.1.5 and F.2.5, one block each.
#[test]
fn single_blocks() {
    let vectors: Value = serde_json::from_str(include_str!("../testdata/aes256.json")).unwrap();
    for row in vectors["ecb"].as_array().unwrap() {
        let key = Key::new(&field(row, "key"));
        let mut block = field(row, "plain");
        key.encrypt_block(&mut block);
        assert_eq!(block, field(row, "cipher"));
        key.decrypt_block(&mut block);
        assert_eq!(block, field(row, "plain"));
    }
    for row in vectors["cbc"].as_array().unwrap() {
        let key = Key::new(&field(row, "key"));
        let mut block: [u8; 16] = field(row, "plain");
        key.cbc_encrypt(&field(row, "iv"), &mut block).unwrap();
        assert_eq!(block, field(row, "cipher"));
        key.cbc_decrypt(&field(row, "iv"), &mut block).unwrap();
        assert_eq!(block, field(row, "plain"));
    }
}

#[test]
fn cbc_takes_whole_blocks_only() {
    let key = Key::new(&[1; 32]);
    for len in [1, 15, 17, 1000] {
        let mut data = vec![7; len];
        assert_eq!(key.cbc_encrypt(&[0; 16], &mut data), Err(BadLength));
        assert_eq!(key.cbc_decrypt(&[0; 16], &mut data), Err(BadLength));
        assert_eq!(data, vec![7; len]);
    }
    assert_eq!(key.cbc_encrypt(&[0; 16], &mut []), Ok(()));
}

#[test]
fn layer_of_the_derived_vector() {
    let v: Value = serde_json::from_str(include_str!("../testdata/derived-tunnel-layer.json")).unwrap();
    let (layer, iv) = (field(&v, "layer_key"), field(&v, "iv_key"));
    for keys in [LayerKeys::new(&layer, &iv), LayerKeys::portable(&layer, &iv)] {
        let mut message: [u8; MESSAGE_LEN] = field(&v, "plain_iv_plus_1008");
        keys.encrypt(&mut message);
        assert_eq!(message, field(&v, "after_hop"));
        keys.decrypt(&mut message);
        assert_eq!(message, field(&v, "plain_iv_plus_1008"));
    }
}

#[test]
fn debug_prints_names_only() {
    let text = format!("{:?} {:?}", Key::new(&[1; 32]), LayerKeys::new(&[1; 32], &[2; 32]));
    assert_eq!(text, "Key LayerKeys");
}

/// Keys of a hop on the best path, without the wide unit, and on the portable path.
fn all_paths() -> impl Strategy<Value = [LayerKeys; 3]> {
    any::<([u8; 32], [u8; 32])>()
        .prop_map(|(layer, iv)| [LayerKeys::new(&layer, &iv), LayerKeys::narrow(&layer, &iv), LayerKeys::portable(&layer, &iv)])
}

fn message() -> impl Strategy<Value = [u8; MESSAGE_LEN]> {
    any::<[[u8; 32]; MESSAGE_LEN / 32]>().prop_map(|rows| rows.as_flattened().try_into().unwrap())
}

proptest! {
    /// Batches of all lengths around one, two and three passes, with tunnels that occur several times, and in some batches keys
    /// on the portable path in between.
    #[test]
    fn a_batch_equals_the_portable_path_one_by_one(
        tunnels in prop::collection::vec(all_paths(), 1..6),
        batch in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8, message()), 0..40),
        path in 0_usize..2,
        mixed: bool,
    ) {
        let mut expected: Vec<_> = batch.iter().map(|(_, _, message)| *message).collect();
        for ((tunnel, ..), message) in batch.iter().zip(&mut expected) {
            tunnel.get(&tunnels)[2].encrypt(message);
        }
        let mut messages: Vec<_> = batch.iter().map(|(_, _, message)| *message).collect();
        let mut jobs: Vec<_> = batch
            .iter()
            .zip(&mut messages)
            .map(|((tunnel, odd, _), message)| {
                let path = if mixed && *odd == 0 { 2 } else { path };
                LayerJob { keys: &tunnel.get(&tunnels)[path], message }
            })
            .collect();
        encrypt_batch(&mut jobs);
        prop_assert_eq!(messages, expected);
    }

    #[test]
    fn single_messages_equal_the_portable_path([best, _, portable] in all_paths(), message in message()) {
        let (mut ours, mut expected) = (message, message);
        best.encrypt(&mut ours);
        portable.encrypt(&mut expected);
        prop_assert_eq!(ours, expected);
        best.decrypt(&mut ours);
        prop_assert_eq!(ours, message);
        best.decrypt(&mut ours);
        portable.decrypt(&mut expected);
        portable.decrypt(&mut expected);
        prop_assert_eq!(ours, expected);
    }

    #[test]
    fn cbc_inverts(key: [u8; 32], iv: [u8; 16], blocks: Vec<[u8; 16]>) {
        let key = Key::new(&key);
        let mut data = blocks.as_flattened().to_vec();
        key.cbc_encrypt(&iv, &mut data).unwrap();
        // By hand, block by block.
        let mut chain = iv;
        for (block, encrypted) in blocks.iter().zip(data.chunks(16)) {
            for (c, b) in chain.iter_mut().zip(block) {
                *c ^= b;
            }
            key.encrypt_block(&mut chain);
            prop_assert_eq!(&chain[..], encrypted);
        }
        key.cbc_decrypt(&iv, &mut data).unwrap();
        prop_assert_eq!(&data, blocks.as_flattened());
    }
}
