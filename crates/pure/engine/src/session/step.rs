//! DH ratchet steps: agreeing on the next tag set of one direction by NextKey blocks.
//!
//! The sender of a direction offers a *forward* block in every message until the receiver's *reverse* block comes; the receiver
//! repeats that until a message of the new set arrives. Each step replaces the key of one side only, in turn:
//!
//! | new set | forward block | reverse block |
//! |---|---|---|
//! | 1 | key 0, present, request | key 0, present |
//! | 2 | key 1, present | key 0 |
//! | 3 | key 1, request | key 1, present |
//! | 4 | key 2, present | key 1 |
//!
//! So a set's id is 1 + the sender's key id + the receiver's. Source: ECIES-X25519-AEAD-Ratchet, "DH Ratchet KDF", "Next DH Ratchet
//! Public Key". i2pd accepts a reverse block that doesn't fit the step under way if its id does; here presence of the key must fit too, or
//! a late repetition of the step before would switch us to a set the peer doesn't know.

use ramson_crypto::CryptoRng;
use ramson_crypto::kdf::hkdf;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::tagset::Secret;

/// Content of a NextKey block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NextKey {
    pub(super) reverse: bool,
    pub(super) request: bool,
    pub(super) id: u16,
    pub(super) key: Option<PublicKey>,
}

/// `tagsetKey` of the new set.
fn tagset_key(own: &PrivateKey, peer: &PublicKey) -> Option<Secret> {
    let shared = own.diffie_hellman(peer).ok()?;
    Some(Zeroizing::new(hkdf::<32>(shared.as_bytes(), &[], b"XDHRatchetTagSet")))
}

/// Our side of the steps of the direction in which we send.
pub(super) struct SendSteps {
    own: PrivateKey,
    own_id: u16,
    /// The step under way (or last done) replaces our key; otherwise the peer's.
    replaces_own: bool,
    peer: Option<PublicKey>,
    /// A forward block is out and not answered.
    pub(super) waiting: bool,
}

impl SendSteps {
    /// Begins the first step.
    pub(super) fn first(rng: &mut dyn CryptoRng) -> SendSteps {
        SendSteps { own: PrivateKey::generate(rng), own_id: 0, replaces_own: true, peer: None, waiting: true }
    }

    /// Begins the next step; false when the key ids are used up.
    pub(super) fn next(&mut self, rng: &mut dyn CryptoRng) -> bool {
        if self.replaces_own && self.own_id > 0 {
            self.replaces_own = false;
        } else {
            // Set ids are twice as high and have 16 bits.
            if self.own_id >= u16::MAX / 2 {
                return false;
            }
            self.own_id += 1;
            self.own = PrivateKey::generate(rng);
            self.replaces_own = true;
        }
        self.waiting = true;
        true
    }

    fn requests(&self) -> bool {
        !self.replaces_own || self.own_id == 0
    }

    /// The forward block of the step under way.
    pub(super) fn block(&self) -> Option<NextKey> {
        self.waiting.then(|| NextKey {
            reverse: false,
            request: self.requests(),
            id: self.own_id,
            key: self.replaces_own.then(|| self.own.public()),
        })
    }

    /// Takes a reverse block: id and key of the new set if it completes the step under way.
    pub(super) fn handle_reverse(&mut self, block: &NextKey) -> Option<(u16, Secret)> {
        let expected = if self.requests() { self.own_id } else { self.own_id.checked_sub(1)? };
        if !self.waiting || block.id != expected || block.key.is_some() != self.requests() {
            return None;
        }
        let peer = block.key.or(self.peer)?;
        let key = tagset_key(&self.own, &peer)?;
        let set = self.own_id.checked_add(block.id)?.checked_add(1)?;
        self.peer = Some(peer);
        self.waiting = false;
        Some((set, key))
    }
}

/// Our side of the steps of the direction in which we receive.
pub(super) struct ReceiveSteps {
    own: PrivateKey,
    own_id: u16,
    replaced_own: bool,
    peer: PublicKey,
    /// The peer hasn't used the new set yet, so the reverse block goes into every message.
    pub(super) unconfirmed: bool,
}

impl ReceiveSteps {
    /// Takes a forward block that came with set `current`, the newest one: id and key of the set after it. `None` if the block
    /// doesn't fit (a repetition, or nonsense); `steps` is unchanged then.
    pub(super) fn handle_forward(
        steps: &mut Option<ReceiveSteps>,
        block: &NextKey,
        current: u16,
        rng: &mut dyn CryptoRng,
    ) -> Option<(u16, Secret)> {
        let set = if block.request {
            block.id.checked_mul(2)?.checked_add(1)?
        } else {
            block.id.checked_mul(2).filter(|id| *id > 0)?
        };
        let sends_key = !block.request || block.id == 0;
        if set != current.checked_add(1)? || block.key.is_some() != sends_key {
            return None;
        }
        let peer = match (block.key, steps.as_ref()) {
            (Some(key), _) => key,
            (None, Some(steps)) => steps.peer,
            (None, None) => return None,
        };
        if block.request {
            let own = PrivateKey::generate(rng);
            let key = tagset_key(&own, &peer)?;
            *steps = Some(ReceiveSteps { own, own_id: block.id, replaced_own: true, peer, unconfirmed: true });
            Some((set, key))
        } else {
            let steps = steps.as_mut()?;
            let key = tagset_key(&steps.own, &peer)?;
            steps.peer = peer;
            steps.replaced_own = false;
            steps.unconfirmed = true;
            Some((set, key))
        }
    }

    /// The reverse block, while it has to be repeated.
    pub(super) fn block(&self) -> Option<NextKey> {
        self.unconfirmed.then(|| NextKey {
            reverse: true,
            request: false,
            id: self.own_id,
            key: self.replaced_own.then(|| self.own.public()),
        })
    }
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;

    use super::*;

    fn offer(steps: &SendSteps) -> NextKey {
        steps.block().unwrap()
    }

    #[test]
    fn steps_follow_the_table() {
        let mut rng = SeededRng::new([1; 32]);
        let mut sender = SendSteps::first(&mut rng);
        let mut receiver = None;
        for set in 1..200_u16 {
            let forward = offer(&sender);
            assert_eq!((forward.id, forward.key.is_some()), (set / 2, set == 1 || set % 2 == 0));
            assert_eq!(forward.request, set % 2 == 1);
            let (id, key) = ReceiveSteps::handle_forward(&mut receiver, &forward, set - 1, &mut rng).unwrap();
            assert_eq!(id, set);
            assert!(ReceiveSteps::handle_forward(&mut receiver, &forward, set, &mut rng).is_none(), "a repetition");
            let reverse = receiver.as_ref().unwrap().block().unwrap();
            assert_eq!((reverse.id, reverse.key.is_some()), ((set - 1) / 2, set % 2 == 1));
            assert_eq!(sender.handle_reverse(&reverse), Some((set, key)));
            assert_eq!(sender.handle_reverse(&reverse), None);
            assert!(sender.block().is_none());
            assert!(sender.next(&mut rng));
            // Repeated after the next step has begun.
            assert_eq!(sender.handle_reverse(&reverse), None);
        }
    }

    #[test]
    fn blocks_out_of_order_are_ignored() {
        let mut rng = SeededRng::new([2; 32]);
        let mut receiver = None;
        let key = Some(PrivateKey::from_bytes(&[5; 32]).public());
        let block = |request, id, key| NextKey { reverse: false, request, id, key };
        let refused = [
            (block(true, 1, None), 0),
            (block(true, 0, None), 0),
            (block(false, 0, key), 0),
            (block(false, 1, key), 1),
            (block(true, 1, None), 2),
            (block(true, 1, key), 2),
            (block(true, u16::MAX, None), u16::MAX),
            (block(true, 0, Some(PublicKey([0; 32]))), 0),
        ];
        for (block, current) in refused {
            assert!(ReceiveSteps::handle_forward(&mut receiver, &block, current, &mut rng).is_none(), "{block:?}");
            assert!(receiver.is_none());
        }
        let mut sender = SendSteps::first(&mut rng);
        for (id, key) in [(0, None), (1, key), (0, Some(PublicKey([0; 32])))] {
            assert!(sender.handle_reverse(&NextKey { reverse: true, request: false, id, key }).is_none());
            assert!(sender.waiting);
        }
    }
}
