use ramson_crypto::rng::SeededRng;

use super::*;
use crate::offline;

fn builder(rng: &mut SeededRng) -> (LeaseSet2Builder, ed25519::SigningKey) {
    let signing = ed25519::SigningKey::generate(rng);
    let lease = |n: u8| Lease {
        gateway: RouterHash([n; 32]),
        tunnel: TunnelId::new(u32::from(n)).unwrap(),
        end: Date(1_700_000_500_000),
    };
    let builder = LeaseSet2Builder {
        destination: Destination::new(&signing.public(), rng),
        published: Seconds32(1_700_000_000),
        lifetime: Duration::from_secs(600),
        unpublished: true,
        options: Mapping::new(),
        key: x25519::PrivateKey::generate(rng).public(),
        more_keys: vec![(0, vec![9; 256]), (99, vec![1, 2, 3])],
        leases: (1..=16).map(lease).collect(),
    };
    (builder, signing)
}

#[test]
fn own_lease_set() {
    let mut rng = SeededRng::new([3; 32]);
    let (builder, key) = builder(&mut rng);
    let set = LeaseSet2::sign(&builder, &key).unwrap();
    let read = Unverified::<LeaseSet2>::parse(set.bytes().clone()).unwrap().verify().unwrap();
    assert_eq!(read, set);
    assert_eq!(read.leases(), builder.leases);
    assert_eq!(read.x25519_key(), Some(builder.key));
    assert_eq!(read.keys().map(|key| key.0).collect::<Vec<_>>(), [4, 0, 99]);
    assert!(read.is_unpublished() && read.offline().is_none());
    assert_eq!(read.published(), Date(1_700_000_000_000));
    assert_eq!(read.expires(), Date(1_700_000_600_000));

    for index in 0..set.bytes().len() {
        let mut changed = set.bytes().to_vec();
        changed[index] ^= 1;
        let verified = Unverified::<LeaseSet2>::parse(Bytes::from(changed)).map(|unverified| unverified.verify());
        assert!(!matches!(verified, Ok(Ok(_))), "byte {index}");
    }
}

#[test]
fn limits_of_own_lease_sets() {
    let mut rng = SeededRng::new([4; 32]);
    let (builder, key) = builder(&mut rng);
    let sign = |change: &dyn Fn(&mut LeaseSet2Builder)| {
        let mut changed = builder.clone();
        change(&mut changed);
        LeaseSet2::sign(&changed, &key).map(|_| ())
    };
    assert_eq!(sign(&|b| b.leases.clear()), Ok(()));
    assert_eq!(sign(&|b| b.leases.push(b.leases[0])), Err(SignError::TooLong));
    assert_eq!(sign(&|b| b.more_keys = vec![(0, vec![]); 8]), Err(SignError::TooLong));
    assert_eq!(sign(&|b| b.more_keys = vec![(0, vec![0; 8000])]), Err(SignError::TooLong));
    assert_eq!(sign(&|b| b.lifetime = Duration::from_secs(65_536)), Err(SignError::Invalid));
    let other = ed25519::SigningKey::generate(&mut rng);
    assert_eq!(LeaseSet2::sign(&builder, &other), Err(SignError::WrongKey));
}

#[test]
fn offline_keys_are_followed() {
    let mut rng = SeededRng::new([6; 32]);
    let (builder, owner) = builder(&mut rng);
    let transient = ed25519::SigningKey::generate(&mut rng);
    let make = |approved_by: &ed25519::SigningKey| {
        let mut w = Writer::from(vec![STORE_TYPE]);
        w.put(&builder.destination);
        w.u32(1_700_000_000);
        w.u16(600);
        w.u16(FLAG_OFFLINE);
        w.bytes(&offline::approve(approved_by, &transient.public(), Seconds32(1_800_000_000)));
        w.u16(0);
        w.u8(1);
        w.u16(4);
        w.prefixed16(&[7; 32]);
        w.u8(0);
        let signature = transient.sign(w.as_slice());
        w.bytes(&signature.0);
        Unverified::<LeaseSet2>::parse(Bytes::copy_from_slice(&w.as_slice()[1..])).unwrap()
    };
    let set = make(&owner).verify().unwrap();
    assert_eq!(set.offline().unwrap().expires(), Seconds32(1_800_000_000));
    assert_eq!(make(&transient).verify().unwrap_err(), SignatureError::Bad);
}
