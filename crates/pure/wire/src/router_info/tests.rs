use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519;

use super::*;
use crate::caps::Bandwidth;

/// RouterInfos written by i2pd 2.59.0 in a private network of two routers with net id 93.
const FROM_I2PD: [&[u8]; 2] =
    [include_bytes!("../../testdata/i2pd/router-1.info"), include_bytes!("../../testdata/i2pd/router-2.info")];

fn builder(rng: &mut SeededRng) -> (RouterInfoBuilder, ed25519::SigningKey) {
    let signing = ed25519::SigningKey::generate(rng);
    let encryption = x25519::PrivateKey::generate(rng);
    let mut options = Mapping::new();
    for (name, value) in [("router.version", "0.9.67"), ("netId", "93"), ("caps", "XfR")] {
        options.insert(name, value).unwrap();
    }
    let address = Ntcp2Address {
        host: Some("[2001:db8::1]:9151".parse().unwrap()),
        static_key: encryption.public(),
        iv: Some([1; 16]),
        ipv4: false,
        ipv6: true,
    };
    let builder = RouterInfoBuilder {
        identity: RouterIdentity::new(&encryption.public(), &signing.public(), rng),
        published: Date(1_700_000_000_123),
        addresses: vec![address.to_address(3)],
        options,
    };
    (builder, signing)
}

#[test]
fn i2pd_router_infos_verify() {
    for bytes in FROM_I2PD {
        let info = Unverified::<RouterInfo>::parse(Bytes::from_static(bytes)).unwrap().verify().unwrap();
        assert_eq!(info.bytes(), bytes);
        assert_eq!(info.net_id(), Some(93));
        assert_eq!(info.version(), Some((0, 9, 68)));
        assert_eq!(info.caps().bandwidth, Some(Bandwidth::X));
        assert!(info.is_floodfill());
        let ntcp2 = info.ntcp2_addresses().next().unwrap();
        assert!(ntcp2.is_published() && ntcp2.ipv4);
        assert_eq!(ntcp2.host.unwrap().port(), 12345);
        assert!(info.addresses().iter().any(|address| address.style == "SSU2"));
        // i2pd writes options sorted too, so ours come out the same.
        let mut w = Writer::new();
        w.put(info.options());
        let tail = &bytes[bytes.len() - 64 - w.len()..bytes.len() - 64];
        assert_eq!(tail, w.as_slice());
    }
}

#[test]
fn any_changed_bit_of_a_router_info_is_refused() {
    let bytes = FROM_I2PD[0];
    for index in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[index] ^= 1;
        let verified = Unverified::<RouterInfo>::parse(Bytes::from(changed)).map(|unverified| unverified.verify());
        assert!(!matches!(verified, Ok(Ok(_))), "byte {index}");
    }
    for cut in 0..bytes.len() {
        assert!(Unverified::<RouterInfo>::parse(Bytes::copy_from_slice(&bytes[..cut])).is_err());
    }
    assert!(Unverified::<RouterInfo>::parse(Bytes::from([bytes, &[0]].concat())).is_err());
}

#[test]
fn own_router_info() {
    let mut rng = SeededRng::new([5; 32]);
    let (builder, key) = builder(&mut rng);
    let info = RouterInfo::sign(&builder, &key).unwrap();
    let read = Unverified::<RouterInfo>::parse(info.bytes().clone()).unwrap().verify().unwrap();
    assert_eq!(read, info);
    assert_eq!(read.hash(), builder.identity.hash());
    assert_eq!(read.published(), builder.published);
    assert!(read.is_reachable() && !read.is_hidden());
    assert_eq!(read.ntcp2_addresses().next().unwrap().to_address(3), builder.addresses[0]);

    let other = ed25519::SigningKey::generate(&mut rng);
    assert_eq!(RouterInfo::sign(&builder, &other), Err(SignError::WrongKey));
    let mut many = builder.clone();
    many.addresses = vec![builder.addresses[0].clone(); 17];
    assert_eq!(RouterInfo::sign(&many, &key), Err(SignError::TooLong));
    let mut long = builder;
    for n in 0..20 {
        long.options.insert(&n.to_string(), &"x".repeat(250)).unwrap();
    }
    assert_eq!(RouterInfo::sign(&long, &key), Err(SignError::TooLong));
}

#[test]
fn versions() {
    assert_eq!(parse_version("0.9.68"), Some((0, 9, 68)));
    assert_eq!(parse_version("0.9.68-1"), Some((0, 9, 68)));
    assert_eq!(parse_version("1.10.2"), Some((1, 10, 2)));
    for text in ["", "0.9", "0.9.", "a.b.c", "0.9.300", "-1.2.3"] {
        assert_eq!(parse_version(text), None, "{text}");
    }
}
