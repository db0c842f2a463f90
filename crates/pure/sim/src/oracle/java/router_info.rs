//! A RouterInfo that a router publishes of itself.

use ramson_wire::{Caps, RouterAddress, RouterInfo, Writer, base64};

use super::{Clock, Verdict, ensure};

/// Uncompressed, wherever it is carried; flooded on request only below [`MOST_FLOODED`].
const MOST_BYTES: usize = 4096;
const MOST_FLOODED: usize = 3072;
const MOST_ADDRESSES: usize = 16;
const SIGNATURE: usize = 64;
/// Older routers aren't taken as hops.
const OLDEST_VERSION: (u8, u8, u8) = (0, 9, 59);
/// Ports between these are always taken.
const PORTS: std::ops::RangeInclusive<u16> = 9_151..=30_777;
/// Options that say no more than others say. Whoever writes another one is known by it.
const OPTIONS: [&str; 3] = ["caps", "netId", "router.version"];

/// As a peer of the network `net_id` looks at it when it is new.
pub(super) fn check(info: &RouterInfo, clock: Clock, net_id: u8) -> Verdict {
    ensure(info.bytes().len() < MOST_FLOODED.min(MOST_BYTES), "a RouterInfo too large to be flooded")?;
    ensure(info.addresses().len() <= MOST_ADDRESSES, "a RouterInfo with more than 16 addresses")?;
    ensure(info.published() <= clock.latest() + super::MINUTE * 2, "a RouterInfo from the future")?;
    ensure(info.published() + super::MINUTE * 54 >= clock.earliest(), "a RouterInfo too old to be stored")?;
    ensure(is_canonical(info), "a RouterInfo that Java writes otherwise, so that its signature is wrong there")?;
    ensure(info.net_id() == Some(net_id), "a RouterInfo of another network, or of none")?;
    ensure(info.options().iter().all(|(name, _)| OPTIONS.contains(&name)), "an option of a RouterInfo that no other router has")?;
    let version = info.options().get("router.version").unwrap_or_default();
    ensure(info.version().is_some_and(|version| version >= OLDEST_VERSION), "a version too old for a hop")?;
    ensure(version.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit()), "a version with a name in it")?;
    capabilities(info.options().get("caps").unwrap_or_default())?;
    addresses(info)
}

/// The bandwidth class first, a letter of congestion last, and neither reachable and unreachable nor nothing of both.
fn capabilities(text: &str) -> Verdict {
    let caps = Caps::parse(text);
    ensure(caps.bandwidth.is_some(), "no bandwidth class, so that no tunnel is built through it")?;
    ensure(caps.to_text() == text, "capabilities in another order, or other letters")?;
    ensure(caps.hidden || caps.reachable != caps.unreachable, "neither reachable nor unreachable, or both")
}

fn addresses(info: &RouterInfo) -> Verdict {
    let ntcp2: Vec<&RouterAddress> = info.addresses().iter().filter(|address| address.style == "NTCP2").collect();
    ensure(!ntcp2.is_empty(), "no NTCP2 address")?;
    let key = ntcp2.first().and_then(|address| address.options.get("s"));
    for address in ntcp2 {
        ntcp2_address(address)?;
        ensure(address.options.get("s") == key, "NTCP2 addresses with different keys: Java compares with the first")?;
    }
    let published = info.ntcp2_addresses().any(|address| address.is_published());
    ensure(published == info.caps().reachable, "reachable without an address, or the other way round")
}

fn ntcp2_address(address: &RouterAddress) -> Verdict {
    let option = |name| address.options.get(name);
    let speaks = option("v").is_some_and(|versions| versions == "2" || versions.starts_with("2,"));
    ensure(speaks, "an NTCP2 address of another version")?;
    let is_key = |key: &str| key.len() == 44 && base64::decode(key).is_ok_and(|key| key.len() == 32);
    ensure(option("s").is_some_and(is_key), "an NTCP2 address without a key")?;
    if option("host").is_some() {
        let is_iv = |iv: &str| iv.len() == 24 && base64::decode(iv).is_ok();
        ensure(option("i").is_some_and(is_iv), "an NTCP2 address whose `i` isn't 24 characters")?;
        let port = option("port").and_then(|port| port.parse().ok());
        ensure(port.is_some_and(|port| PORTS.contains(&port)), "a port that Java refuses, or that only this router has")
    } else {
        let families = option("caps").unwrap_or_default();
        ensure(option("i").is_none() && option("port").is_none(), "half an address")?;
        ensure(["4", "6", "46"].contains(&families), "an address without host and family")
    }
}

/// Java checks the signature over what it writes itself: options sorted, no expiration of addresses, no peers, no address of who hides.
fn is_canonical(info: &RouterInfo) -> bool {
    let mut w = Writer::with_capacity(1024);
    w.put(info.identity());
    w.u64(info.published().0);
    let shown = if info.is_hidden() { &[][..] } else { info.addresses() };
    w.u8(u8::try_from(shown.len()).unwrap_or(u8::MAX));
    for address in shown {
        w.put(address);
    }
    w.u8(0);
    w.put(info.options());
    let signed = info.bytes().len().saturating_sub(SIGNATURE);
    info.bytes().get(..signed) == Some(w.as_slice())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use ramson_crypto::rng::SeededRng;
    use ramson_crypto::{ed25519, x25519};
    use ramson_wire::{Date, Mapping, RouterIdentity, RouterInfoBuilder, Unverified};

    use super::*;

    const NOW: Date = Date(1_790_000_000_000);

    fn options(pairs: &[(&str, &str)]) -> Mapping {
        let mut options = Mapping::default();
        pairs.iter().for_each(|(name, value)| options.insert(name, value).unwrap());
        options
    }

    fn address(changes: &[(&str, &str)]) -> RouterAddress {
        let (s, i) = (base64::encode(&[7; 32]), base64::encode(&[9; 16]));
        let mut options = options(&[("host", "60.1.2.3"), ("i", &i), ("port", "12345"), ("s", &s), ("v", "2")]);
        for (name, value) in changes {
            if value.is_empty() { options.remove(name) } else { options.insert(name, value).unwrap() }
        }
        RouterAddress { cost: 3, style: "NTCP2".to_owned(), options }
    }

    fn key() -> ed25519::SigningKey {
        ed25519::SigningKey::generate(&mut SeededRng::new([2; 32]))
    }

    fn info(published: Date, addresses: Vec<RouterAddress>, changes: &[(&str, &str)]) -> RouterInfo {
        let (mut rng, key) = (SeededRng::new([1; 32]), key());
        let identity = RouterIdentity::new(&x25519::PrivateKey::generate(&mut rng).public(), &key.public(), &mut rng);
        let mut options = options(&[("caps", "PR"), ("netId", "99"), ("router.version", "0.9.67")]);
        changes.iter().for_each(|(name, value)| options.insert(name, value).unwrap());
        RouterInfo::sign(&RouterInfoBuilder { identity, published, addresses, options }, &key).unwrap()
    }

    fn judged(info: &RouterInfo) -> Verdict {
        check(info, Clock::exact(NOW), 99)
    }

    #[test]
    fn a_good_one_is_taken() {
        assert_eq!(judged(&info(NOW, vec![address(&[])], &[])), Ok(()));
        let hidden = address(&[("host", ""), ("port", ""), ("i", ""), ("caps", "4")]);
        assert_eq!(judged(&info(NOW, vec![hidden], &[("caps", "PU")])), Ok(()));
        for caps in ["XfR", "LR", "PRD", "OXfRE"] {
            let taken = judged(&info(NOW, vec![address(&[])], &[("caps", caps)])).is_ok();
            assert_eq!(taken, caps != "OXfRE", "{caps}: one class alone is what we write");
        }
    }

    #[test]
    fn what_java_refuses_is_refused() {
        let minute = Duration::from_secs(60);
        for published in [NOW + minute * 3, NOW - minute * 55] {
            assert!(judged(&info(published, vec![address(&[])], &[])).is_err());
        }
        for (name, value) in [
            ("netId", "2"),
            ("caps", "RP"),
            ("caps", "R"),
            ("caps", "P"),
            ("caps", "PRU"),
            ("caps", "PU"),
            ("caps", "DPR"),
            ("router.version", "0.9.58"),
            ("router.version", "0.9.67-ramson"),
            ("router.uptime", "5m"),
        ] {
            assert!(judged(&info(NOW, vec![address(&[])], &[(name, value)])).is_err(), "{name} {value}");
        }
        for (name, value) in [
            ("i", "AAAA"),
            ("i", "AAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("i", ""),
            ("s", "AAAA"),
            ("s", ""),
            ("v", "3"),
            ("v", ""),
            ("port", "4444"),
            ("port", ""),
        ] {
            assert!(judged(&info(NOW, vec![address(&[(name, value)])], &[])).is_err(), "{name} {value}");
        }
        assert!(judged(&info(NOW, Vec::new(), &[])).is_err());
        assert!(judged(&info(NOW, vec![address(&[("host", ""), ("port", ""), ("i", "")])], &[("caps", "PU")])).is_err());
        let other = base64::encode(&[8; 32]);
        assert!(judged(&info(NOW, vec![address(&[]), address(&[("s", &other)])], &[])).is_err());
        assert!(judged(&info(NOW, vec![address(&[]); 16], &[])).is_ok());
        let wide = address(&[("caps", &"4".repeat(200))]);
        assert!(judged(&info(NOW, vec![wide; 8], &[])).is_err(), "larger than what is flooded");
    }

    /// Options in another order, an expiration, a peer, addresses of who hides: all parse, and none is what Java signs.
    #[test]
    fn only_what_java_would_write_is_canonical() {
        let good = info(NOW, vec![address(&[])], &[]);
        let bytes = good.bytes().to_vec();
        let identity = good.identity().bytes().len();
        let sees = |mut bytes: Vec<u8>| {
            bytes.truncate(bytes.len() - SIGNATURE);
            let signature = key().sign(&bytes);
            bytes.extend_from_slice(&signature.0);
            is_canonical(&Unverified::<RouterInfo>::parse(Bytes::from(bytes)).unwrap().verify().unwrap())
        };
        assert!(sees(bytes.clone()));
        let mut expires = bytes.clone();
        expires[identity + 8 + 1 + 1] = 1;
        assert!(!sees(expires));
        let swapped = {
            let (first, second) = (b"\x04caps=\x02PR;", b"\x05netId=\x0299;");
            let at = bytes.windows(first.len()).position(|window| window == first).unwrap();
            let mut swapped = bytes.clone();
            swapped.splice(at..at + first.len() + second.len(), [&second[..], &first[..]].concat());
            swapped
        };
        assert!(!sees(swapped));
        assert!(!is_canonical(&info(NOW, vec![address(&[])], &[("caps", "PHR")])));
    }
}
