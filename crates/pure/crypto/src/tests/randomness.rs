use crate::rng::{SeededRng, below, between, bytes, shuffle};
use crate::{ed25519, x25519};

#[test]
fn one_seed_gives_one_stream() {
    let draw = |seed| bytes::<64>(&mut SeededRng::new([seed; 32]));
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn children_do_not_depend_on_draws() {
    let mut parent = SeededRng::new([7; 32]);
    let before = bytes::<32>(&mut parent.child("peers"));
    let _ = bytes::<1000>(&mut parent);
    assert_eq!(before, bytes::<32>(&mut parent.child("peers")));
    assert_ne!(before, bytes::<32>(&mut parent.child("padding")));
    assert_ne!(before, bytes::<32>(&mut parent.child("peers").child("peers")));
    assert_ne!(before, bytes::<32>(&mut SeededRng::new([7; 32])));
}

#[test]
fn below_is_in_bounds_and_reaches_all() {
    let mut rng = SeededRng::new([3; 32]);
    let mut seen = [0_u32; 7];
    for _ in 0..7000 {
        seen[usize::try_from(below(&mut rng, 7)).unwrap()] += 1;
    }
    assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    assert_eq!(below(&mut rng, 0), 0);
    assert_eq!(below(&mut rng, 1), 0);
    // A bound where a plain remainder would fall below the half in two of three draws.
    let bound = 3 << 30;
    let low = (0..6000).filter(|_| below(&mut rng, bound) < bound / 2).count();
    assert!((2800..3200).contains(&low), "{low}");
}

#[test]
fn between_includes_both_ends() {
    let mut rng = SeededRng::new([4; 32]);
    let draws: Vec<u64> = (0..200).map(|_| between(&mut rng, 10, 13)).collect();
    for value in 10..=13 {
        assert!(draws.contains(&value));
    }
    assert!(draws.iter().all(|d| (10..=13).contains(d)));
    assert_eq!(between(&mut rng, 5, 5), 5);
    assert_eq!(between(&mut rng, 9, 2), 9);
    assert_ne!(between(&mut rng, 0, u64::MAX), between(&mut rng, 0, u64::MAX));
    assert!(between(&mut rng, u64::MAX - 1, u64::MAX) >= u64::MAX - 1);
    let bound = 3 << 62;
    let low = (0..6000).filter(|_| between(&mut rng, 0, bound - 1) < bound / 2).count();
    assert!((2800..3200).contains(&low), "{low}");
}

#[test]
fn shuffle_reaches_every_order() {
    let mut rng = SeededRng::new([5; 32]);
    let mut orders = std::collections::BTreeMap::<[u8; 4], u32>::new();
    for _ in 0..2400 {
        let mut items = [1, 2, 3, 4];
        shuffle(&mut rng, &mut items);
        *orders.entry(items).or_default() += 1;
    }
    assert_eq!(orders.len(), 24);
    assert!(orders.values().all(|&n| (55..150).contains(&n)), "{orders:?}");
    shuffle::<u8>(&mut rng, &mut []);
}

#[test]
fn keys_come_from_the_generator_alone() {
    let rng = || SeededRng::new([9; 32]);
    assert_eq!(x25519::PrivateKey::generate(&mut rng()).public(), x25519::PrivateKey::generate(&mut rng()).public());
    assert_eq!(ed25519::SigningKey::generate(&mut rng()).public(), ed25519::SigningKey::generate(&mut rng()).public());
    assert_eq!(crate::elligator2::generate(&mut rng()).1, crate::elligator2::generate(&mut rng()).1);
}

#[test]
fn debug_prints_names_only() {
    let mut rng = SeededRng::new([0x5a; 32]);
    let private = x25519::PrivateKey::generate(&mut rng);
    let signing = ed25519::SigningKey::generate(&mut rng);
    let shared = private.diffie_hellman(&private.public()).unwrap();
    let state = crate::noise::SymmetricState::new(b"Noise");
    let mask = crate::siphash::LengthMask::new([1; 8], [2; 8], [3; 8]);
    assert_eq!(format!("{private:?} {:?}", private.public()), "PrivateKey PublicKey");
    assert_eq!(format!("{signing:?} {:?}", signing.public()), "SigningKey PublicKey");
    assert_eq!(format!("{:?} {shared:?}", signing.sign(b"m")), "Signature SharedSecret");
    assert_eq!(format!("{state:?} {mask:?} {rng:?}"), "SymmetricState LengthMask SeededRng");
    assert_eq!(format!("{:?}", crate::aead::Key::new(&[4; 32])), "Key");
}

/// Identities are shared between threads, sessions move between them.
#[test]
fn keys_can_be_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<x25519::PrivateKey>();
    check::<ed25519::SigningKey>();
    check::<crate::aead::Key>();
    check::<crate::noise::SymmetricState>();
    check::<crate::siphash::LengthMask>();
    check::<SeededRng>();
}

#[test]
fn boxed_generators_serve_as_sources() {
    let mut boxed: Box<dyn crate::CryptoRng + Send> = Box::new(SeededRng::new([1; 32]));
    let drawn = bytes::<8>(&mut *boxed);
    assert_eq!(drawn, bytes::<8>(&mut SeededRng::new([1; 32])));
}
