//! Faults of decoders and encoders, each behind some structure.

use ramson_crypto::sha256;
use ramson_fuzzing::format::{Format, Length};
use ramson_fuzzing::seeds::wire::{i2pd_router, keys, lease_set_of};
use ramson_fuzzing::wire::messages::{DATA, DATABASE_LOOKUP, DATABASE_STORE, GARLIC_BLOCKS, LONG, SHORT_BUILD};
use ramson_fuzzing::wire::signed::{Checked, LEASE_SET, ROUTER_INFO};
use ramson_fuzzing::wire::structures::{BASE32, DESTINATION, DESTINATION_KEYS, MAPPING, PAYLOAD, ROUTER_ADDRESS};
use ramson_fuzzing::wire::tunnel::{FRAGMENT_HEADER, SHORT_REQUEST};
use ramson_wire::i2np::{Data, DatabaseLookup, DatabaseStore, StoreEntry};
use ramson_wire::tunnel::build::ShortRequest;
use ramson_wire::{Codec, Destination, DestinationKeys, FragmentHeader, GarlicBlock, Mapping, Reader, payload};

use crate::finds;

/// Leaves the byte away that chooses among the formats of a target, and takes the inputs for one.
fn chosen<T>(choice: u8, format: &Format<T>, data: &[u8]) {
    if let Some((first, rest)) = data.split_first().filter(|(first, _)| **first == choice) {
        let _ = first;
        format.check(rest);
    }
}

#[test]
fn a_router_known_by_its_hash_is_not_checked_again() {
    let broken = Format {
        decode: |bytes| {
            let Checked { parsed, verified } = (ROUTER_INFO.decode)(bytes)?;
            let known = Some(i2pd_router()).filter(|known| known.hash() == parsed.hash());
            Some(Checked { parsed, verified: verified.or(known) })
        },
        ..ROUTER_INFO
    };
    finds("router_info", |data| drop(broken.check(data)));
}

#[test]
fn a_destination_known_by_its_hash_is_not_checked_again() {
    let broken = Format {
        decode: |bytes| {
            let Checked { parsed, verified } = (LEASE_SET.decode)(bytes)?;
            let known = Some(lease_set_of(&keys(), 2)).filter(|known| known.destination() == parsed.destination());
            Some(Checked { parsed, verified: verified.or(known) })
        },
        ..LEASE_SET
    };
    finds("lease_set", |data| drop(broken.check(data)));
}

#[test]
fn a_destination_loses_the_rest_of_a_long_key() {
    let broken = Format { encode: |destination: &Destination| destination.bytes()[..387].to_vec(), ..DESTINATION };
    finds("identity", |data| chosen(2, &broken, data));
}

#[test]
fn the_length_of_a_mapping_counts_letters() {
    let broken = Format {
        len: |mapping: &Mapping| {
            Length::Exactly(
                mapping.iter().map(|(name, value)| name.chars().count() + value.chars().count() + 4).sum::<usize>() + 2,
            )
        },
        ..MAPPING
    };
    finds("mapping", |data| drop(broken.check(data)));
}

#[test]
fn an_address_takes_port_0() {
    let broken = Format {
        decode: |bytes| {
            let mut address = (ROUTER_ADDRESS.decode)(bytes)?;
            // A port that doesn't fit is taken for none, and that for zero.
            if address.options.get("port").is_some_and(|port| port.parse::<u16>().is_err()) {
                address.options.remove("host");
            }
            Some(address)
        },
        encode: |address| {
            let mut bytes = address.to_bytes();
            if address.options.get("host").is_none() {
                bytes[0] = 0;
            }
            bytes
        },
        ..ROUTER_ADDRESS
    };
    finds("router_address", |data| drop(broken.check(data)));
}

#[test]
fn keys_are_cut_to_the_shortest() {
    let broken = Format { encode: |keys: &DestinationKeys| keys.to_bytes()[..600].to_vec(), ..DESTINATION_KEYS };
    finds("destination_keys", |data| drop(broken.check(data)));
}

#[test]
fn unused_bits_of_a_text_are_ignored() {
    let broken = Format {
        decode: |text| {
            let cleared = || (BASE32.decode)(&[text.split_last()?.1, b"a"].concat());
            (BASE32.decode)(text).or_else(cleared)
        },
        ..BASE32
    };
    finds("text", |data| chosen(1, &broken, data));
}

#[test]
fn a_payload_inflates_beyond_the_limit() {
    let broken = Format { decode: |bytes| payload::decode(bytes, 1 << 20).ok(), ..PAYLOAD };
    finds("packed_payload", |data| drop(broken.check(data)));
}

#[test]
fn a_wrong_checksum_is_taken() {
    let broken = Format {
        decode: |bytes| {
            let size = usize::from(u16::from_be_bytes([*bytes.get(13)?, *bytes.get(14)?]));
            let mut mended = bytes.to_vec();
            mended[15] = sha256(bytes.get(16..16 + size)?)[0];
            (LONG.decode)(&mended)
        },
        ..LONG
    };
    finds("i2np_message", |data| chosen(0, &broken, data));
}

#[test]
fn the_count_of_build_records_has_three_bits() {
    let broken = Format {
        decode: |bytes| {
            let (count, rest) = bytes.split_first()?;
            (SHORT_BUILD.decode)(&[&[count & 7], rest].concat())
        },
        ..SHORT_BUILD
    };
    finds("small_bodies", |data| chosen(7, &broken, data));
    let broken = Format { len: |data: &Data| Length::Exactly(data.0.len() + usize::from(data.0.len() < 16)), ..DATA };
    finds("small_bodies", |data| chosen(5, &broken, data));
}

#[test]
fn an_entry_is_stored_under_any_key() {
    let broken = Format {
        decode: |bytes| {
            let store = (DATABASE_STORE.decode)(bytes)?;
            if !matches!(store.entry, StoreEntry::Malformed { kind: 0, .. }) {
                return Some(store);
            }
            let mended = [i2pd_router().hash().as_bytes().as_slice(), bytes.get(32..)?].concat();
            let entry = (DATABASE_STORE.decode)(&mended)?.entry;
            Some(DatabaseStore { entry, ..store })
        },
        ..DATABASE_STORE
    };
    finds("database_store", |data| drop(broken.check(data)));
}

#[test]
fn a_lookup_without_exclusions_loses_its_reply_key() {
    let broken = Format {
        encode: |lookup: &DatabaseLookup| {
            let mut lookup = lookup.clone();
            lookup.reply_key = lookup.reply_key.filter(|_| !lookup.excluded.is_empty());
            lookup.to_bytes()
        },
        ..DATABASE_LOOKUP
    };
    finds("database_lookup", |data| drop(broken.check(data)));
}

#[test]
fn blocks_behind_padding_are_read() {
    let broken = Format {
        decode: |bytes| {
            let (mut r, mut blocks) = (Reader::new(bytes), Vec::new());
            while !r.is_empty() && blocks.len() < 64 {
                blocks.push(GarlicBlock::decode(&mut r).ok()?);
            }
            Some(blocks)
        },
        ..GARLIC_BLOCKS
    };
    finds("garlic_blocks", |data| chosen(1, &broken, data));
}

#[test]
fn options_of_a_build_record_are_lost() {
    let broken = Format {
        encode: |request: &ShortRequest| {
            let mut request = request.clone();
            if request.options.encoded_len() > 2 {
                request.options = Default::default();
            }
            request.to_bytes()
        },
        ..SHORT_REQUEST
    };
    finds("build_records", |data| chosen(0, &broken, data));
}

#[test]
fn the_number_of_a_fragment_has_five_bits() {
    let broken = Format {
        encode: |header| match *header {
            FragmentHeader::Follow { number, last, message_id, size } => {
                FragmentHeader::Follow { number: number & 31, last, message_id, size }.to_bytes()
            }
            first => first.to_bytes(),
        },
        ..FRAGMENT_HEADER
    };
    finds("fragment_header", |data| {
        broken.check(data);
    });
}
