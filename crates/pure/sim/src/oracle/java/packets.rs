//! Streaming packets as the other end reads them.
//!
//! send id 4 · receive id 4 · sequence 4 · ackThrough 4 · NACK count 1 · NACKs 4 each · resend delay 1 · flags 2 · option size 2 · options ·
//! payload. Java writes what it parsed once more and checks the signature over that, so options have one order and one length.

use std::collections::BTreeMap;

use ramson_wire::{Codec, Destination, DestinationHash, Reader, Tick};

use super::{MINUTE, Verdict, ensure};

const SYN: u16 = 0x001;
const CLOSE: u16 = 0x002;
const RESET: u16 = 0x004;
const SIGNED: u16 = 0x008;
const FROM: u16 = 0x020;
const DELAY: u16 = 0x040;
const MAX_SIZE: u16 = 0x080;
const ECHO: u16 = 0x200;
const NO_ACK: u16 = 0x400;
const KNOWN: u16 = SYN | CLOSE | RESET | SIGNED | FROM | DELAY | MAX_SIZE | ECHO | NO_ACK;
const SIGNATURE: usize = 64;
/// Payloads of packets, and of a ping.
const MOST_PAYLOAD: usize = 1812;
const MOST_PING: usize = 32;
/// The least that a router says it takes.
const LEAST_SIZE: u16 = 512;
/// A delay above this says that nothing more is taken for now; the border itself means either to some.
const CHOKE_BORDER: u16 = 60_000;
/// Packets that are kept before the first one came.
const EARLY: u32 = 3;
/// Senders remembered, and for how long.
const MOST_SENDERS: usize = 4096;

/// Who a packet is for, and the id that its sender chose.
type Sender = (DestinationHash, u32);

/// Whose streams are whose.
#[derive(Default)]
pub(super) struct Packets {
    senders: BTreeMap<Sender, (Tick, Destination)>,
}

/// What was read of a packet.
struct Packet {
    send_id: u32,
    receive_id: u32,
    sequence: u32,
    nacks: Vec<u8>,
    flags: u16,
    delay: Option<u16>,
    from: Option<Destination>,
    max_size: Option<u16>,
    /// Where the signature lies.
    signature: Option<usize>,
    payload: usize,
}

impl Packets {
    /// A packet comes to a destination.
    pub(super) fn check(&mut self, at: Tick, to: DestinationHash, bytes: &[u8]) -> Verdict {
        let packet = read(bytes).ok_or("a packet whose options aren't what its flags say")?;
        form(&packet, &to)?;
        let sender = (to, packet.receive_id);
        if let Some(from) = &packet.from
            && packet.flags & SYN != 0
        {
            self.remember(at, sender, from.clone());
        }
        let Some(signature) = packet.signature else { return Ok(()) };
        // Without FROM it is the sender's of the stream, if that was seen.
        let known = packet.from.as_ref().or_else(|| self.senders.get(&sender).map(|(_, from)| from));
        known.map_or(Ok(()), |from| ensure(is_signed(bytes, signature, from), "a packet with a wrong signature"))
    }

    fn remember(&mut self, at: Tick, sender: Sender, from: Destination) {
        if self.senders.len() >= MOST_SENDERS {
            self.senders.retain(|_, (then, _)| at.saturating_since(*then) < MINUTE * 5);
        }
        if self.senders.len() < MOST_SENDERS {
            self.senders.insert(sender, (at, from));
        }
    }
}

/// Options in their one order, and nothing behind them.
fn read(bytes: &[u8]) -> Option<Packet> {
    let mut r = Reader::new(bytes);
    let (send_id, receive_id, sequence) = (r.u32("").ok()?, r.u32("").ok()?, r.u32("").ok()?);
    r.u32("").ok()?;
    let count = usize::from(r.u8("").ok()?);
    let nacks = r.take(count * 4, "").ok()?.to_vec();
    r.u8("").ok()?;
    let flags = r.u16("").ok()?;
    let size = usize::from(r.u16("").ok()?);
    let options_at = r.offset();
    let mut options = r.sub(size, "").ok()?;
    let delay = if flags & DELAY != 0 { Some(options.u16("").ok()?) } else { None };
    let from = if flags & FROM != 0 { Some(Destination::decode(&mut options).ok()?) } else { None };
    let max_size = if flags & MAX_SIZE != 0 { Some(options.u16("").ok()?) } else { None };
    let signature = (flags & SIGNED != 0).then(|| options_at + size - options.remaining());
    let rest = if signature.is_some() { SIGNATURE } else { 0 };
    (options.remaining() == rest).then(|| Packet {
        send_id,
        receive_id,
        sequence,
        nacks,
        flags,
        delay,
        from,
        max_size,
        signature,
        payload: r.remaining(),
    })
}

fn form(packet: &Packet, to: &DestinationHash) -> Verdict {
    let has = |flag| packet.flags & flag != 0;
    ensure(packet.flags & !KNOWN == 0, "a packet with flags that nobody writes")?;
    ensure(packet.delay != Some(CHOKE_BORDER), "a delay that is a choke to some and none to others")?;
    ensure(packet.max_size.is_none_or(|size| size >= LEAST_SIZE), "a largest payload below 512")?;
    if has(ECHO) {
        ensure(packet.payload <= MOST_PING, "a ping with more than 32 bytes")?;
        // Its answer has the ids turned round, and no sender.
        return ensure(packet.send_id == 0 || (has(SIGNED) && has(FROM)), "a ping without signature");
    }
    ensure(packet.payload <= MOST_PAYLOAD, "a packet larger than what others take")?;
    ensure(!has(SYN) || (has(FROM) && has(SIGNED)), "a first packet without its sender, or unsigned")?;
    ensure(!(has(CLOSE) || has(RESET)) || has(SIGNED), "an unsigned end of a stream")?;
    if packet.send_id == 0 {
        ensure(packet.sequence < EARLY, "more packets before the first answer than are kept")?;
        if has(SYN) {
            ensure(packet.nacks == to.as_bytes(), "a first packet that doesn't name the destination it is for")?;
            ensure(packet.receive_id != 0 && packet.sequence == 0, "a first packet without an id, or not the first")?;
        }
    }
    Ok(())
}

/// Over all of it, with zeros in the signature's place.
fn is_signed(bytes: &[u8], at: usize, from: &Destination) -> bool {
    let mut text = bytes.to_vec();
    let mut signature = [0; SIGNATURE];
    let Some(field) = text.get_mut(at..at + SIGNATURE) else { return false };
    signature.swap_with_slice(field);
    from.signing_key().verify(&text, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;
    use ramson_wire::DestinationKeys;

    use super::*;

    const TO: DestinationHash = DestinationHash([8; 32]);

    fn keys() -> DestinationKeys {
        DestinationKeys::generate(&mut SeededRng::new([1; 32]))
    }

    /// A packet to be written.
    #[derive(Clone)]
    struct Draft {
        ids: (u32, u32),
        sequence: u32,
        nacks: Vec<u8>,
        flags: u16,
        options: Vec<u8>,
        payload: usize,
    }

    impl Draft {
        fn data() -> Self {
            Self { ids: (5, 6), sequence: 9, nacks: Vec::new(), flags: 0, options: Vec::new(), payload: 1812 }
        }

        fn syn() -> Self {
            let (flags, options) =
                (SYN | FROM | MAX_SIZE | SIGNED, [keys().destination().bytes(), &1812_u16.to_be_bytes()[..]].concat());
            Self { ids: (0, 6), sequence: 0, nacks: TO.as_bytes().to_vec(), flags, options, payload: 20 }
        }

        /// Signed if its flags say so.
        fn bytes(&self) -> Vec<u8> {
            let mut out = Vec::new();
            let Self { ids: (send, receive), sequence, nacks, flags, options, payload } = self;
            [*send, *receive, *sequence, 0].iter().for_each(|field| out.extend(field.to_be_bytes()));
            out.push(u8::try_from(nacks.len() / 4).unwrap());
            out.extend(nacks);
            out.push(0);
            out.extend(flags.to_be_bytes());
            let signed = flags & SIGNED != 0;
            let size = options.len() + if signed { SIGNATURE } else { 0 };
            out.extend(u16::try_from(size).unwrap().to_be_bytes());
            out.extend(options);
            let at = out.len();
            out.resize(at + size - options.len() + payload, 0);
            if signed {
                let signature = keys().signing_key().sign(&out);
                out[at..at + SIGNATURE].copy_from_slice(&signature.0);
            }
            out
        }
    }

    fn judged(draft: &Draft) -> Verdict {
        Packets::default().check(Tick(0), TO, &draft.bytes())
    }

    #[test]
    fn good_packets_are_taken() {
        assert_eq!(judged(&Draft::syn()), Ok(()));
        assert_eq!(judged(&Draft::data()), Ok(()));
        let delay = |delay: u16| Draft { flags: DELAY, options: delay.to_be_bytes().to_vec(), ..Draft::data() };
        assert_eq!(judged(&delay(0)), Ok(()));
        assert_eq!(judged(&delay(60_001)), Ok(()));
        assert!(judged(&delay(60_000)).is_err(), "neither a choke nor none");
        for sequence in 1..=3 {
            let early = Draft { ids: (0, 6), sequence, ..Draft::data() };
            assert_eq!(judged(&early).is_ok(), sequence < 3);
        }
        assert_eq!(judged(&Draft { flags: CLOSE | SIGNED, ..Draft::data() }), Ok(()));
    }

    #[test]
    fn what_java_drops_is_refused() {
        let syn = Draft::syn();
        let destination = keys().destination().bytes().to_vec();
        for bad in [
            Draft { nacks: Vec::new(), ..syn.clone() },
            Draft { nacks: vec![9; 32], ..syn.clone() },
            Draft { flags: SYN | FROM | MAX_SIZE, ..syn.clone() },
            Draft { flags: SYN | SIGNED, options: Vec::new(), ..syn.clone() },
            Draft { options: [&1812_u16.to_be_bytes()[..], &destination].concat(), ..syn.clone() },
            Draft { options: [&syn.options[..], &[0]].concat(), ..syn.clone() },
            Draft { options: [&destination[..], &100_u16.to_be_bytes()].concat(), ..syn.clone() },
            Draft { sequence: 1, ..syn.clone() },
            Draft { ids: (0, 0), ..syn.clone() },
            Draft { flags: CLOSE, ..Draft::data() },
            Draft { flags: RESET, ..Draft::data() },
            Draft { flags: 0x100, ..Draft::data() },
            Draft { payload: 1813, ..Draft::data() },
            Draft { options: vec![1, 2], ..Draft::data() },
            Draft { flags: ECHO, ids: (5, 0), payload: 10, ..Draft::data() },
        ] {
            assert!(judged(&bad).is_err());
        }
    }

    #[test]
    fn signatures_are_the_senders() {
        let mut packets = Packets::default();
        let mut spoiled = Draft::syn().bytes();
        let last = spoiled.len() - 1;
        spoiled[last] ^= 1;
        assert!(packets.check(Tick(0), TO, &spoiled).is_err());
        let end = Draft { flags: CLOSE | SIGNED, ..Draft::data() }.bytes();
        let mut forged = end.clone();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let mut packets = Packets::default();
        assert_eq!(packets.check(Tick(0), TO, &forged), Ok(()), "of nobody known");
        assert_eq!(packets.check(Tick(0), TO, &Draft::syn().bytes()), Ok(()));
        assert_eq!(packets.check(Tick(0), TO, &end), Ok(()));
        assert!(packets.check(Tick(0), TO, &forged).is_err());
    }
}
