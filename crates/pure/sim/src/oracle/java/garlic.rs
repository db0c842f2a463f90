//! What is inside of garlic, for routers and for destinations.

use std::time::Duration;

use bytes::Bytes;
use ramson_wire::garlic::{GarlicBlock, parse_blocks_shared};
use ramson_wire::{CloveDelivery, GarlicClove};

use super::{Clock, Verdict, ensure};

/// The date of a new session, before and after now.
const DATE_BEHIND: Duration = Duration::from_secs(5 * 60);
const DATE_AHEAD: Duration = Duration::from_secs(2 * 60);
/// Acknowledgements in one block.
const MOST_ACKS: usize = 16;
/// A destination that knows the older encryption too takes messages of this length modulo 16 for that.
const ELGAMAL_REST: usize = 2;

/// What the blocks are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A message to a router.
    Router,
    /// A new session, sealed so long.
    New(usize),
    /// The reply to one.
    Reply,
    /// A message of a session.
    Existing,
}

/// The cloves, if nothing is wrong.
pub(super) fn check(payload: &Bytes, kind: Kind, clock: Clock) -> Result<Vec<GarlicClove>, &'static str> {
    // Lengths of blocks, and nothing behind padding.
    let blocks = parse_blocks_shared(payload).map_err(|_| "blocks of garlic that can't be read")?;
    let handshake = kind != Kind::Existing;
    if matches!(kind, Kind::Router | Kind::New(_)) {
        let Some(GarlicBlock::DateTime(date)) = blocks.first() else {
            return Err("a new session that doesn't begin with its date");
        };
        let date = date.to_date();
        ensure(date + DATE_BEHIND >= clock.earliest(), "a new session of more than 5 minutes ago")?;
        ensure(date <= clock.latest() + DATE_AHEAD, "a new session more than 2 minutes ahead")?;
        ensure(blocks.iter().any(|block| matches!(block, GarlicBlock::Clove(_))), "a new session without a clove")?;
    }
    if let Kind::New(len) = kind {
        ensure(len % 16 != ELGAMAL_REST, "a new session that is as long as a message of the older encryption")?;
    }
    let ended = blocks.iter().position(|block| matches!(block, GarlicBlock::Termination { .. }));
    let after = ended.map_or(&[][..], |at| blocks.get(at + 1..).unwrap_or_default());
    ensure(after.iter().all(|block| matches!(block, GarlicBlock::Padding(_))), "a block behind the end of a session")?;
    blocks.into_iter().map(|block| look(block, handshake)).filter_map(Result::transpose).collect()
}

fn look(block: GarlicBlock, handshake: bool) -> Result<Option<GarlicClove>, &'static str> {
    match block {
        GarlicBlock::Clove(clove) => {
            let here = matches!(clove.delivery, CloveDelivery::Local | CloveDelivery::Destination(_));
            ensure(here, "a clove for somebody else, whom nobody forwards for")?;
            Ok(Some(clove))
        }
        GarlicBlock::Ack(acks) => allowed(!handshake && acks.len() <= MOST_ACKS, "acknowledgements in a handshake, or too many"),
        GarlicBlock::NextKey { .. } | GarlicBlock::MessageNumber(_) | GarlicBlock::Termination { .. } => {
            allowed(!handshake, "a block in a handshake that belongs into a session")
        }
        GarlicBlock::Unknown { .. } => Err("a block that nobody knows"),
        GarlicBlock::DateTime(_) | GarlicBlock::Options(_) | GarlicBlock::AckRequest | GarlicBlock::Padding(_) => Ok(None),
    }
}

fn allowed(so: bool, otherwise: &'static str) -> Result<Option<GarlicClove>, &'static str> {
    let verdict: Verdict = ensure(so, otherwise);
    verdict.map(|()| None)
}

#[cfg(test)]
mod tests {
    use ramson_wire::garlic::encode_blocks;
    use ramson_wire::{Date, I2npMessage, MessageId, MessageKind, RouterHash};

    use super::*;

    const NOW: Date = Date(1_790_000_000_000);

    fn clove(delivery: CloveDelivery) -> GarlicBlock {
        GarlicBlock::Clove(GarlicClove { delivery, message: I2npMessage::new(MessageKind::DATA, MessageId(1), NOW, vec![1]) })
    }

    fn date(at: Date) -> GarlicBlock {
        GarlicBlock::DateTime(at.to_seconds_rounded())
    }

    fn judged(kind: Kind, blocks: &[GarlicBlock]) -> Verdict {
        check(&encode_blocks(blocks).into(), kind, Clock::exact(NOW)).map(drop)
    }

    #[test]
    fn good_payloads_are_taken() {
        let (local, new) = (clove(CloveDelivery::Local), Kind::New(500));
        assert_eq!(judged(new, &[date(NOW), local.clone(), GarlicBlock::Padding(3)]), Ok(()));
        assert_eq!(judged(Kind::Router, &[date(NOW + DATE_AHEAD), local.clone()]), Ok(()));
        assert_eq!(judged(Kind::Reply, std::slice::from_ref(&local)), Ok(()));
        let acks = GarlicBlock::Ack(vec![(0, 1); 16]);
        let session = [local, GarlicBlock::AckRequest, acks, GarlicBlock::Termination { reason: 0 }, GarlicBlock::Padding(1)];
        assert_eq!(judged(Kind::Existing, &session), Ok(()));
        assert_eq!(judged(Kind::Existing, &[]), Ok(()));
    }

    #[test]
    fn what_java_discards_is_refused() {
        let local = || clove(CloveDelivery::Local);
        for kind in [Kind::Router, Kind::New(500)] {
            assert!(judged(kind, &[local(), date(NOW)]).is_err(), "its date isn't first");
            assert!(judged(kind, &[date(NOW)]).is_err(), "it holds nothing");
            assert!(judged(kind, &[date(NOW - DATE_BEHIND - Duration::from_secs(1)), local()]).is_err());
            assert!(judged(kind, &[date(NOW + DATE_AHEAD + Duration::from_secs(1)), local()]).is_err());
            assert!(judged(kind, &[date(NOW), local(), GarlicBlock::MessageNumber(1)]).is_err());
        }
        assert!(judged(Kind::New(498), &[date(NOW), local()]).is_err());
        assert!(judged(Kind::Reply, &[local(), GarlicBlock::Termination { reason: 0 }]).is_err());
        assert!(judged(Kind::Reply, &[local(), GarlicBlock::Ack(vec![(0, 1)])]).is_err());
        assert!(judged(Kind::Existing, &[GarlicBlock::Padding(1), local()]).is_err());
        assert!(judged(Kind::Existing, &[GarlicBlock::Termination { reason: 0 }, local()]).is_err());
        assert!(judged(Kind::Existing, &[GarlicBlock::Ack(vec![(0, 1); 17])]).is_err());
        assert!(judged(Kind::Existing, &[clove(CloveDelivery::Router(RouterHash([1; 32])))]).is_err());
        assert!(judged(Kind::Existing, &[GarlicBlock::Unknown { kind: 99, data: Bytes::new() }]).is_err());
    }
}
