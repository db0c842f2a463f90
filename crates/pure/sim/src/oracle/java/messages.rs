//! The outside of I2NP messages: how long they are good, and that none comes twice.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use ramson_wire::i2np::{TUNNEL_DATA_LEN, TunnelGateway};
use ramson_wire::{Codec, I2npMessage, MessageKind, RouterHash, Tick};

use super::{Clock, MINUTE, Verdict, ensure};

/// Bytes of a TunnelData message: its id and what is in layers.
const TUNNEL_DATA: usize = 4 + TUNNEL_DATA_LEN;
/// A message that expired so long ago is dropped, and one that is good for longer than this.
const EXPIRED_BY: Duration = Duration::from_secs(90);
const GOOD_FOR: Duration = Duration::from_secs(240);
/// The same for what enters a tunnel.
const ENTERS_EXPIRED_BY: Duration = Duration::from_secs(60);
/// Java remembers messages for two to four minutes, and counts expirations in steps of this many milliseconds.
const REMEMBERED: Duration = Duration::from_secs(120);
const STEP: u64 = 1024;
/// What may come down somebody's inbound tunnel.
const DOWN_TUNNELS: [MessageKind; 7] = [
    MessageKind::DATABASE_STORE,
    MessageKind::DATABASE_SEARCH_REPLY,
    MessageKind::DELIVERY_STATUS,
    MessageKind::GARLIC,
    MessageKind::TUNNEL_BUILD_REPLY,
    MessageKind::VARIABLE_TUNNEL_BUILD_REPLY,
    MessageKind::OUTBOUND_TUNNEL_BUILD_REPLY,
];

/// A receiver, and what it knows a message by.
type Known = (RouterHash, u64);

/// What each router was sent lately.
#[derive(Default)]
pub(super) struct Messages {
    known: BTreeSet<Known>,
    order: VecDeque<(Tick, Known)>,
}

impl Messages {
    /// A message goes to this router.
    pub(super) fn sent(&mut self, at: Tick, to: RouterHash, message: &I2npMessage) -> Verdict {
        if message.kind == MessageKind::TUNNEL_DATA {
            return Ok(());
        }
        while let Some((_, known)) = self.order.front().copied().filter(|(then, _)| at.saturating_since(*then) >= REMEMBERED) {
            self.order.pop_front();
            self.known.remove(&known);
        }
        // As it comes: whole seconds.
        let expiration = message.expiration.to_seconds_rounded().to_date().0;
        let known = (to, u64::from(message.id.0) ^ (expiration / STEP * STEP));
        ensure(self.known.insert(known), "a message with the id and expiration of another")?;
        self.order.push_back((at, known));
        Ok(())
    }
}

/// When it ends, and for what goes through tunnels its form.
pub(super) fn check(message: &I2npMessage, clock: Clock) -> Verdict {
    lasts(message, clock, EXPIRED_BY)?;
    match message.kind {
        MessageKind::TUNNEL_DATA => {
            ensure(message.body.len() == TUNNEL_DATA, "a tunnel message of another length")?;
            ensure(!message.body.starts_with(&[0; 4]), "a tunnel message for tunnel 0")
        }
        MessageKind::TUNNEL_GATEWAY => entering(message, clock),
        MessageKind::TUNNEL_BUILD | MessageKind::TUNNEL_BUILD_REPLY => Err("a build of a form that ended years ago"),
        _ => Ok(()),
    }
}

/// Whether a message comes while it is good. What a broken line held back isn't its sender's fault, and whoever gets it drops it.
pub(super) fn in_time(message: &I2npMessage, clock: Clock) -> bool {
    message.expiration >= clock.earliest()
}

/// What a tunnel's owner finds in it.
pub(super) fn down_tunnel(message: &I2npMessage, clock: Clock) -> Verdict {
    ensure(message.expiration <= clock.latest() + GOOD_FOR, "a message that is good for more than 4 minutes")?;
    ensure(DOWN_TUNNELS.contains(&message.kind), "a kind of message that nobody takes out of a tunnel")
}

fn lasts(message: &I2npMessage, clock: Clock, expired_by: Duration) -> Verdict {
    ensure(message.expiration + expired_by > clock.earliest(), "an expired message")?;
    ensure(message.expiration <= clock.latest() + GOOD_FOR, "a message that is good for more than 4 minutes")
}

/// What somebody is sent through an inbound tunnel that begins at another router.
fn entering(message: &I2npMessage, clock: Clock) -> Verdict {
    let gateway = TunnelGateway::from_bytes(&message.body).map_err(|_| "a TunnelGateway message that can't be read")?;
    let inner = I2npMessage::decode_long(&gateway.message).map_err(|_| "a message for a tunnel that can't be read")?;
    lasts(&inner, clock, ENTERS_EXPIRED_BY)?;
    lasts(message, clock, ENTERS_EXPIRED_BY)?;
    ensure(DOWN_TUNNELS.contains(&inner.kind), "a kind of message that nobody takes out of a tunnel")
}

const _: () = assert!(REMEMBERED.as_secs() == 2 * MINUTE.as_secs());

#[cfg(test)]
mod tests {
    use ramson_wire::{Date, MessageId, TunnelId};

    use super::*;

    const NOW: Date = Date(1_790_000_000_000);

    fn message(kind: MessageKind, id: u32, expiration: Date, body: Vec<u8>) -> I2npMessage {
        I2npMessage::new(kind, MessageId(id), expiration, body)
    }

    fn judged(kind: MessageKind, expiration: Date, body: Vec<u8>) -> Verdict {
        check(&message(kind, 1, expiration, body), Clock::exact(NOW))
    }

    #[test]
    fn expirations_have_a_window() {
        let secs = Duration::from_secs;
        for (expiration, taken) in [
            (NOW + secs(60), true),
            (NOW + secs(240), true),
            (NOW + secs(241), false),
            (NOW - secs(89), true),
            (NOW - secs(90), false),
        ] {
            assert_eq!(judged(MessageKind::DATABASE_LOOKUP, expiration, Vec::new()).is_ok(), taken);
        }
        let late = check(&message(MessageKind::GARLIC, 1, NOW - secs(95), Vec::new()), Clock { now: NOW, off: secs(10) });
        assert_eq!(late, Ok(()), "by a clock that may be wrong");
        let at = |expiration| message(MessageKind::GARLIC, 1, expiration, Vec::new());
        assert!(in_time(&at(NOW), Clock::exact(NOW)) && !in_time(&at(NOW - secs(1)), Clock::exact(NOW)));
        assert!(in_time(&at(NOW - secs(1)), Clock { now: NOW, off: secs(2) }));
        assert_eq!(down_tunnel(&at(NOW + secs(10)), Clock::exact(NOW)), Ok(()));
        assert!(down_tunnel(&at(NOW + secs(250)), Clock::exact(NOW)).is_err());
        let data = message(MessageKind::TUNNEL_DATA, 1, NOW + secs(10), Vec::new());
        assert!(down_tunnel(&data, Clock::exact(NOW)).is_err());
    }

    #[test]
    fn what_goes_through_tunnels_has_its_form() {
        let (soon, data) = (NOW + Duration::from_secs(10), MessageKind::TUNNEL_DATA);
        assert_eq!(judged(data, soon, vec![1; 1028]), Ok(()));
        assert!(judged(data, soon, vec![1; 1027]).is_err() && judged(data, soon, vec![0; 1028]).is_err());
        let enters = |kind, expiration| {
            let inner = message(kind, 2, expiration, vec![1, 2, 3]);
            let body = TunnelGateway { tunnel: TunnelId::new(7).unwrap(), message: inner.encode_long().into() }.to_bytes();
            judged(MessageKind::TUNNEL_GATEWAY, soon, body)
        };
        assert_eq!(enters(MessageKind::GARLIC, soon), Ok(()));
        assert!(enters(MessageKind::GARLIC, NOW - Duration::from_secs(61)).is_err());
        assert!(enters(MessageKind::DATABASE_LOOKUP, soon).is_err());
        assert!(judged(MessageKind::TUNNEL_GATEWAY, soon, vec![0, 0, 0, 7, 0, 9, 1]).is_err());
        assert!(judged(MessageKind::TUNNEL_BUILD, soon, Vec::new()).is_err());
    }

    #[test]
    fn no_pair_of_id_and_expiration_comes_twice() {
        let (mut messages, a, b) = (Messages::default(), RouterHash([1; 32]), RouterHash([2; 32]));
        let second = Duration::from_secs(1);
        let lookup = |id, expiration| message(MessageKind::DATABASE_LOOKUP, id, expiration, Vec::new());
        assert_eq!(messages.sent(Tick(0), a, &lookup(1, NOW)), Ok(()));
        assert_eq!(messages.sent(Tick(0), b, &lookup(1, NOW)), Ok(()), "another router");
        assert_eq!(messages.sent(Tick(0), a, &lookup(2, NOW)), Ok(()));
        assert_eq!(messages.sent(Tick(0), a, &lookup(1, NOW + second * 3)), Ok(()));
        assert!(messages.sent(Tick(0), a, &lookup(1, NOW)).is_err());
        let data = message(MessageKind::TUNNEL_DATA, 1, NOW, Vec::new());
        assert!(messages.sent(Tick(0), a, &data).is_ok() && messages.sent(Tick(0), a, &data).is_ok());
        assert_eq!(messages.sent(Tick(0) + second * 120, a, &lookup(1, NOW)), Ok(()), "it is forgotten");
    }
}
