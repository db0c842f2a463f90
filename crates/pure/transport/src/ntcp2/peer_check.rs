//! Whether the RouterInfo in message 3 may speak for the one who sent it.
//!
//! Message 3 proves the possession of a static key. A RouterInfo binds that key to a router, if it is signed, fresh, of our
//! network, and lists the key.
//!
//! What others do: i2pd wants `s` of the address of the connection's own family to match, Java that of the first NTCP2 address.
//! Both close (reason 17) if that address is published with another host than the source of the connection (IPv6: another
//! /64); i2pd marks such routers, Java bans them. We take `s` of any NTCP2 address, since a router has one static key, and close on
//! another host too: a router whose published address isn't where it connects from is a copy of another's keys, or
//! behind an address that nobody can dial. We close and ban nobody: the owner of the address may be innocent.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::x25519;
use ramson_wire::{Date, RouterInfo, SignatureError, Unverified};

use super::LocalIdentity;
use super::blocks::MAX_ROUTER_INFO;
use super::reason::TerminationReason;

/// Oldest RouterInfo taken from an initiator; i2pd has the same.
const MAX_AGE: Duration = Duration::from_secs(90 * 60);
/// Furthest that one may be dated ahead; i2pd and Java have the same.
const MAX_AHEAD: Duration = Duration::from_secs(2 * 60);

/// Why an initiator's RouterInfo was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedRouterInfo {
    /// Longer than 4096 bytes, or it can't be decoded.
    #[error("RouterInfo malformed")]
    Malformed,
    /// Signed in a way that we can't check.
    #[error("signature type of the RouterInfo not supported")]
    UnsupportedSignature,
    /// The signature doesn't hold.
    #[error("signature of the RouterInfo is wrong")]
    Signature,
    /// Of another network.
    #[error("RouterInfo of another network")]
    WrongNetwork,
    /// Published more than 90 minutes ago.
    #[error("RouterInfo too old")]
    TooOld,
    /// Published more than 2 minutes ahead of our clock.
    #[error("RouterInfo from the future")]
    FromFuture,
    /// None of its NTCP2 addresses has the static key that the initiator proved.
    #[error("static key not in the RouterInfo")]
    WrongStaticKey,
    /// Its published host is not where the connection comes from.
    #[error("published host isn't the source of the connection")]
    WrongHost,
    /// It is our own.
    #[error("own RouterInfo")]
    Ourselves,
}

impl RefusedRouterInfo {
    /// The reason sent to the initiator.
    pub(crate) fn termination(self) -> TerminationReason {
        match self {
            Self::Signature => TerminationReason::BadRouterInfoSignature,
            Self::UnsupportedSignature => TerminationReason::IncompatibleSignature,
            Self::WrongStaticKey => TerminationReason::WrongStaticKey,
            Self::WrongHost => TerminationReason::Banned,
            Self::Malformed | Self::WrongNetwork | Self::TooOld | Self::FromFuture | Self::Ourselves => {
                TerminationReason::ConfirmedError
            }
        }
    }
}

/// Decodes a RouterInfo block's content and verifies its signature.
pub(crate) fn verified(bytes: &Bytes) -> Result<RouterInfo, RefusedRouterInfo> {
    if bytes.len() > MAX_ROUTER_INFO {
        return Err(RefusedRouterInfo::Malformed);
    }
    // A copy of its own: the block's bytes are part of a whole frame, which a stored RouterInfo mustn't keep.
    let unverified = Unverified::<RouterInfo>::parse(Bytes::copy_from_slice(bytes)).map_err(|_| RefusedRouterInfo::Malformed)?;
    unverified.verify().map_err(|error| match error {
        SignatureError::Unsupported { .. } => RefusedRouterInfo::UnsupportedSignature,
        _ => RefusedRouterInfo::Signature,
    })
}

/// Checks everything that ties an initiator to its RouterInfo.
pub(crate) fn initiator(
    local: &LocalIdentity,
    bytes: &Bytes,
    static_key: &x25519::PublicKey,
    remote: IpAddr,
    now: Date,
) -> Result<RouterInfo, RefusedRouterInfo> {
    let info = verified(bytes)?;
    if info.hash() == local.hash {
        return Err(RefusedRouterInfo::Ourselves);
    }
    if info.net_id() != Some(local.net_id) {
        return Err(RefusedRouterInfo::WrongNetwork);
    }
    if now > info.published() + MAX_AGE {
        return Err(RefusedRouterInfo::TooOld);
    }
    if info.published() > now + MAX_AHEAD {
        return Err(RefusedRouterInfo::FromFuture);
    }
    if !info.ntcp2_addresses().any(|address| address.static_key == *static_key) {
        return Err(RefusedRouterInfo::WrongStaticKey);
    }
    let family = |host: IpAddr| host.to_canonical().is_ipv4() == remote.to_canonical().is_ipv4();
    let hosts = || {
        let published = info.ntcp2_addresses().filter(|address| address.is_published());
        published.filter_map(|address| address.host).map(|host| host.ip())
    };
    if hosts().any(family) && !hosts().any(|host| same_place(host, remote)) {
        return Err(RefusedRouterInfo::WrongHost);
    }
    Ok(info)
}

/// IPv4: one address. IPv6: one /64, since hosts connect from temporary addresses.
fn same_place(published: IpAddr, source: IpAddr) -> bool {
    match (published.to_canonical(), source.to_canonical()) {
        (IpAddr::V4(published), IpAddr::V4(source)) => published == source,
        (IpAddr::V6(published), IpAddr::V6(source)) => subnet(published) == subnet(source),
        _ => false,
    }
}

/// The /64 of an address; in Yggdrasil's 0200::/7, 02xx is a router and 03xx the subnet behind it, which are one place.
fn subnet(address: Ipv6Addr) -> u64 {
    let [mut first, second, third, fourth, ..] = address.segments();
    if first & 0xfe00 == 0x0200 {
        first &= 0xfeff;
    }
    [first, second, third, fourth].iter().fold(0, |all, part| (all << 16) | u64::from(*part))
}
