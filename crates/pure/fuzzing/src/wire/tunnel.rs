//! What hops read: build records and the heads of fragments.

use ramson_wire::tunnel::MAX_FRAGMENT_NUMBER;
use ramson_wire::tunnel::build::{LongRequest, ShortReply, ShortRequest};
use ramson_wire::{Codec, FragmentHeader};

use super::choice;
use crate::format::{Format, Length};

/// A short request; padding isn't kept.
pub const SHORT_REQUEST: Format<ShortRequest> = Format::codec(false);
/// A short reply, likewise.
pub const SHORT_REPLY: Format<ShortReply> = Format::codec(false);
/// A long request, likewise.
pub const LONG_REQUEST: Format<LongRequest> = Format {
    decode: |bytes| LongRequest::from_bytes(bytes).ok(),
    encode: LongRequest::to_bytes,
    same: |a, b| {
        let numbers = |r: &LongRequest| (r.receive_tunnel, r.next_tunnel, r.request_minutes, r.lifetime_secs, r.next_message_id);
        let keys = |r: &LongRequest| [*r.layer_key, *r.iv_key, *r.reply_key, r.next.0];
        numbers(a) == numbers(b) && keys(a) == keys(b) && (a.role, a.reply_iv, &a.options) == (b.role, b.reply_iv, &b.options)
    },
    len: |request| Length::Exactly(request.encoded_len()),
    exact: false,
    holds: |_, _| {},
};

/// Target: clear build records.
pub fn build_records(data: &[u8]) {
    match choice(data, 3) {
        Some((0, rest)) => drop(SHORT_REQUEST.check(rest)),
        Some((1, rest)) => drop(SHORT_REPLY.check(rest)),
        Some((_, rest)) => drop(LONG_REQUEST.check(rest)),
        None => {}
    }
}

/// The head of a fragment; delays and extended options aren't kept.
pub const FRAGMENT_HEADER: Format<FragmentHeader> = Format {
    holds: |bytes, header| {
        if let FragmentHeader::Follow { number, .. } = header {
            assert!((1..=MAX_FRAGMENT_NUMBER).contains(number));
        }
        assert!(bytes.ends_with(&header.size().to_be_bytes()));
    },
    ..Format::codec(false)
};

/// Target: the head of a fragment.
pub fn fragment_header(data: &[u8]) {
    FRAGMENT_HEADER.check(data);
}
