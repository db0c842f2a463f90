//! Tests of sessions: helpers here, claims in the modules.

mod behaviour;
mod faults;
mod hostile;
mod many;
mod random;
mod ratchet;
mod vectors;

use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_leaks::{Watch, watch_thread};
use ramson_wire::garlic::{CloveDelivery, GarlicClove};
use ramson_wire::i2np::ReplyKey;
use ramson_wire::i2np::{I2npMessage, MessageKind};
use ramson_wire::{Date, MessageId, NetDbKey, Now, Tick};

use super::{AckId, Limits, Opened, Sealed, SessionError, SessionEvent, Sessions};

/// A clove to be known again by its number.
fn clove(number: u32, len: usize) -> GarlicClove {
    let fill = u8::try_from(number % 251).unwrap();
    GarlicClove {
        delivery: CloveDelivery::Local,
        message: I2npMessage::new(MessageKind::DATA, MessageId(number), Date(1_700_000_060_000), vec![fill; len]),
    }
}

fn at(ms: u64) -> Now {
    Now { tick: Tick(ms * 1_000_000), date: Date(1_700_000_000_000 + ms) }
}

/// Two identities and a clock.
struct Pair {
    ms: u64,
    a: Sessions,
    b: Sessions,
    _leaks: Watch,
}

impl Pair {
    fn new() -> Pair {
        Pair::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Pair {
        let leaks = watch_thread();
        let seed = SeededRng::new([9; 32]);
        let sessions = |name: &str, key: u8| {
            Sessions::with_limits(PrivateKey::from_bytes(&[key; 32]), limits.clone(), Box::new(seed.child(name)))
        };
        Pair { ms: 1_000_000, a: sessions("a", 1), b: sessions("b", 2), _leaks: leaks }
    }

    fn now(&self) -> Now {
        at(self.ms)
    }

    fn keys(&self) -> (PublicKey, PublicKey) {
        (self.a.public_key(), self.b.public_key())
    }

    /// Time passes for both, with their timers.
    fn pass(&mut self, time: Duration) {
        let end = self.ms + u64::try_from(time.as_millis()).unwrap();
        for side in [&mut self.a, &mut self.b] {
            while let Some(due) = side.deadline().filter(|due| due.0 <= end * 1_000_000) {
                side.handle_timeout(at(due.0.div_ceil(1_000_000)));
            }
        }
        self.ms = end;
    }

    fn a_writes(&mut self, number: u32) -> Sealed {
        let to = self.b.public_key();
        self.a.encrypt(self.now(), &to, &[clove(number, 100)], false).unwrap()
    }

    fn b_writes(&mut self, number: u32) -> Sealed {
        let to = self.a.public_key();
        self.b.encrypt(self.now(), &to, &[clove(number, 100)], false).unwrap()
    }

    fn a_reads(&mut self, sealed: &Sealed) -> Result<Opened, SessionError> {
        self.a.decrypt(self.now(), &sealed.body)
    }

    fn b_reads(&mut self, sealed: &Sealed) -> Result<Opened, SessionError> {
        self.b.decrypt(self.now(), &sealed.body)
    }

    /// A message each way that must arrive.
    fn a_to_b(&mut self, number: u32) -> Sealed {
        let sealed = self.a_writes(number);
        let opened = self.b_reads(&sealed).unwrap();
        assert_eq!(opened.cloves, [clove(number, 100)]);
        assert_eq!(opened.peer, Some(self.a.public_key()));
        sealed
    }

    fn b_to_a(&mut self, number: u32) -> Sealed {
        let sealed = self.b_writes(number);
        let opened = self.a_reads(&sealed).unwrap();
        assert_eq!(opened.cloves, [clove(number, 100)]);
        assert_eq!(opened.peer, Some(self.b.public_key()));
        sealed
    }

    /// Both sides send what they are asked to.
    fn answer_due(&mut self) {
        let (now, (a, b)) = (self.now(), self.keys());
        let due = |event: &SessionEvent| matches!(event, SessionEvent::SendDue { .. });
        for _ in events(&mut self.a).iter().filter(|event| due(event)) {
            let sealed = self.a.encrypt(now, &b, &[], false).unwrap();
            self.b_reads(&sealed).unwrap();
        }
        for _ in events(&mut self.b).iter().filter(|event| due(event)) {
            let sealed = self.b.encrypt(now, &a, &[], false).unwrap();
            self.a_reads(&sealed).unwrap();
        }
    }

    /// NS, NSR, one ES each way.
    fn established() -> Pair {
        Pair::new().establish()
    }

    fn establish(mut self) -> Pair {
        assert!(self.a_to_b(1).new_session);
        assert!(!self.b_to_a(2).new_session);
        self.a_to_b(3);
        self.b_to_a(4);
        self
    }
}

fn events(sessions: &mut Sessions) -> Vec<SessionEvent> {
    std::iter::from_fn(|| sessions.poll_event()).collect()
}

fn acks(sessions: &mut Sessions) -> Vec<AckId> {
    let acked = |event| {
        if let SessionEvent::Acked(ack) = event { Some(ack) } else { None }
    };
    events(sessions).into_iter().filter_map(acked).collect()
}

/// What must hold between any two calls.
fn consistent(sessions: &Sessions) {
    let all = || sessions.sessions.values();
    assert_eq!(sessions.pending, all().filter(|session| session.is_pending()).count());
    assert_eq!(sessions.timers.len(), sessions.session_count());
    assert_eq!(sessions.peers.values().map(Vec::len).sum::<usize>(), sessions.session_count());
    for session in all() {
        assert!(session.wake.is_some_and(|at| sessions.timers.contains(&(at, session.id))));
        assert!(session.wake <= Some(session.deadline()));
        assert!(!(session.established && session.responder.is_some()), "handshake secrets are dropped");
        assert!(!session.established || session.link.is_some());
    }
}
