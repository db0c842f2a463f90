//! [`RouterAddress`] and its view as an NTCP2 address.

use std::net::{IpAddr, SocketAddr};

use ramson_crypto::x25519;

use crate::base64;
use crate::codec::{Codec, DecodeError, Reader, Writer};
use crate::mapping::{Mapping, text};

/// One way to reach a router: cost 1 · expiration 8 · style (text) · options (mapping).
///
/// The expiration isn't in use: ignored when read, zero when written. Errors: those of [`Mapping`].
/// Source: Common structures, "RouterAddress".
#[derive(Clone, PartialEq, Eq)]
pub struct RouterAddress {
    /// Lower is preferred; NTCP2 uses 3 to 14.
    pub cost: u8,
    /// Transport: `NTCP2` or `SSU2`. At most 255 bytes.
    pub style: String,
    /// What the transport needs.
    pub options: Mapping,
}

impl std::fmt::Debug for RouterAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RouterAddress")
    }
}

impl Codec for RouterAddress {
    fn decode(r: &mut Reader<'_>) -> Result<RouterAddress, DecodeError> {
        let cost = r.u8("RouterAddress cost")?;
        r.u64("RouterAddress expiration")?;
        let style = text(r, "RouterAddress style")?.to_owned();
        Ok(RouterAddress { cost, style, options: Mapping::decode(r)? })
    }

    fn encode(&self, w: &mut Writer) {
        w.u8(self.cost);
        w.u64(0);
        w.prefixed8(self.style.as_bytes());
        w.put(&self.options);
    }

    fn encoded_len(&self) -> usize {
        10 + self.style.len() + self.options.encoded_len()
    }
}

/// An address for NTCP2. Source: NTCP2, "Published Addresses", "Unpublished NTCP2 Address".
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ntcp2Address {
    /// Where to dial, if published with a numeric host and a port.
    pub host: Option<SocketAddr>,
    /// Option `s`: static key of the router's NTCP2 handshake.
    pub static_key: x25519::PublicKey,
    /// Option `i`: obfuscation IV of the first handshake message, if published.
    pub iv: Option<[u8; 16]>,
    /// Can it dial or be dialled over IPv4: a host of that family, or caps `4`.
    pub ipv4: bool,
    /// The same for IPv6 and caps `6`.
    pub ipv6: bool,
}

impl std::fmt::Debug for Ntcp2Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ntcp2Address")
    }
}

impl Ntcp2Address {
    /// True if it can be dialled: host, port and `i` are there.
    pub fn is_published(&self) -> bool {
        self.host.is_some() && self.iv.is_some()
    }

    /// The address to publish, or, without host, the one that only carries the static key. Options are sorted by themselves.
    pub fn to_address(&self, cost: u8) -> RouterAddress {
        let mut options = Mapping::new();
        let mut set = |name: &str, value: &str| {
            // Fixed names and values of at most 45 bytes always fit.
            let fits = options.insert(name, value);
            debug_assert!(fits.is_ok());
        };
        set("s", &base64::encode(&self.static_key.0));
        set("v", "2");
        match (self.host, self.iv) {
            (Some(host), Some(iv)) => {
                set("host", &host.ip().to_string());
                set("port", &host.port().to_string());
                set("i", &base64::encode(&iv));
            }
            _ => {
                let caps: String = [(self.ipv4, '4'), (self.ipv6, '6')].iter().filter(|c| c.0).map(|c| c.1).collect();
                if !caps.is_empty() {
                    set("caps", &caps);
                }
            }
        }
        RouterAddress { cost, style: "NTCP2".to_owned(), options }
    }
}

/// Bytes of a base64 option of exactly `N` bytes.
fn key_option<const N: usize>(options: &Mapping, name: &str) -> Option<[u8; N]> {
    base64::decode(options.get(name)?).ok()?.try_into().ok()
}

impl RouterAddress {
    /// The address as one for NTCP2: `None` for another style, without `s`, or if `v` (a list with commas) doesn't hold `2`. A host
    /// name instead of a number counts as no host.
    pub fn ntcp2(&self) -> Option<Ntcp2Address> {
        let options = &self.options;
        let speaks = options.get("v")?.split(',').any(|version| version == "2");
        if self.style != "NTCP2" || !speaks {
            return None;
        }
        let static_key = x25519::PublicKey(key_option(options, "s")?);
        let ip = options.get("host").and_then(|host| host.parse::<IpAddr>().ok());
        let port = options.get("port").and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != 0);
        let host = ip.zip(port).map(|(ip, port)| SocketAddr::new(ip, port));
        let caps = options.get("caps").unwrap_or_default();
        Some(Ntcp2Address {
            host,
            static_key,
            iv: key_option(options, "i"),
            ipv4: host.map_or(caps.contains('4'), |host| host.is_ipv4()),
            ipv6: host.map_or(caps.contains('6'), |host| host.is_ipv6()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> Ntcp2Address {
        Ntcp2Address {
            host: Some("192.0.2.7:12345".parse().unwrap()),
            static_key: x25519::PublicKey([9; 32]),
            iv: Some([7; 16]),
            ipv4: true,
            ipv6: false,
        }
    }

    #[test]
    fn view_of_written_address() {
        let address = published().to_address(3);
        assert_eq!(RouterAddress::from_bytes(&address.to_bytes()), Ok(address.clone()));
        assert_eq!(address.ntcp2(), Some(published()));
        assert!(published().is_published());
        let hidden = Ntcp2Address { host: None, iv: None, ipv6: true, ..published() };
        let address = hidden.to_address(14);
        assert_eq!(address.options.get("caps"), Some("46"));
        assert_eq!(address.ntcp2(), Some(hidden));
    }

    #[test]
    fn odd_addresses() {
        let mut address = published().to_address(3);
        address.options.insert("host", "router.example").unwrap();
        address.options.insert("v", "3,2").unwrap();
        assert_eq!(address.ntcp2().unwrap().host, None);
        address.options.insert("i", "AAAA").unwrap();
        assert_eq!(address.ntcp2().unwrap().iv, None);
        address.options.insert("v", "22").unwrap();
        assert_eq!(address.ntcp2(), None);
        address.options.insert("v", "2").unwrap();
        address.options.insert("s", "AAAA").unwrap();
        assert_eq!(address.ntcp2(), None);
    }
}
