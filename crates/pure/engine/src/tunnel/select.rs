//! Choice of hops: who is eligible, who stands next to us, who may stand beside whom.
//!
//! Eligible is a router that isn't hidden, speaks our network at 0.9.59 or later, publishes an NTCP2 address and doesn't ask to be
//! spared. All hops of a tunnel publish the same IP family, and the one next to us one that we dial too, so that neighbours reach each
//! other. It is IPv4 wherever we can get there, since a tunnel's far end meets strangers and the others ask IPv4 of it. No two hops of a
//! tunnel share a /16 (IPv6 /32), a port, a family or an identity, and none is in a subnet of ours, since we are a tunnel's end as well.
//! The router next to us comes from a small set (`nearest`). The others are drawn at random and put in an order that depends only on the
//! pool's secret key: the same routers always stand in the same order.
//!
//! Weights are flat on purpose. Exploratory tunnels take anybody who isn't failing, which is how profiles learn. Clients take the better
//! of two draws, so nobody is taken more than twice as often as by lot, however good he looks; and no router, nor all of one network
//! together, is in more than a fifth of a pool's tunnels where there are enough.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ramson_crypto::{CryptoRng, rng, siphash};
use ramson_wire::bounds::Bound;
use ramson_wire::{Congestion, Date, Ntcp2Address, RouterHash, RouterInfo, Tick};

use super::build::{Direction, Hop};
use super::nearest::Nearest;
use crate::profile::{Profiles, Tier};

/// Where candidates come from: the store of verified RouterInfos.
pub(crate) trait HopSource {
    /// How many RouterInfos there are; a change makes the list be read anew.
    fn count(&self) -> usize;
    /// Shows each of them, by hash.
    fn for_each(&self, visit: &mut dyn FnMut(&RouterInfo));
}

/// Oldest release that may be a hop.
pub(crate) const MIN_VERSION: (u8, u8, u8) = (0, 9, 59);
/// From so many eligible routers on the network counts as large: full limits apply.
pub(crate) const LARGE_NETWORK: usize = 50;
/// Most RouterInfos read; of more, those shown first count.
pub(crate) const MAX_CANDIDATES: usize = 20_000;

/// The network where reserved addresses can't be reached.
const PUBLIC_NET: u8 = 2;
const REFRESH_EVERY: Duration = Duration::from_secs(15);
const REFRESH_AT_MOST: Duration = Duration::from_secs(1);
/// A RouterInfo older than this isn't used: its router has stopped to renew it.
const OLD_INFO: Duration = Duration::from_secs(27 * 3600);
/// `E` in a RouterInfo younger than this is a refusal, later it is only a wish.
const FRESH_CONGESTION: Duration = Duration::from_secs(15 * 60);
/// Random draws for one place before all candidates are looked at.
const DRAWS: u32 = 24;
/// Candidates compared when only bad ones are left.
const BAD_DRAWS: u32 = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subnet {
    V4([u8; 2]),
    V6([u8; 4]),
}

/// An eligible router.
pub(crate) struct Candidate {
    pub(crate) hop: Hop,
    published: Date,
    congestion: Option<Congestion>,
    /// Publishes an IPv4 address.
    ipv4: bool,
    /// We can dial it.
    near: bool,
    pub(super) subnets: Vec<Subnet>,
    /// That it publishes, in the public network. Everybody draws his at random: who runs many routers may give them all the same
    /// (Java minds it too). Routers of a closed network often have one port by design.
    ports: Vec<u16>,
    family: Option<String>,
}

/// What of a RouterInfo counts for eligibility.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) net_id: u8,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    pub(crate) ignore_subnets: bool,
    pub(crate) us: RouterHash,
    /// The subnets that we are in ourselves.
    pub(crate) our_subnets: Vec<Subnet>,
}

impl Candidate {
    /// `None` if the router can't be a hop at any time.
    fn read(info: &RouterInfo, rules: &Rules) -> Option<Candidate> {
        let hash = info.hash();
        if hash == rules.us
            || info.is_hidden()
            || info.net_id() != Some(rules.net_id)
            || info.version().is_none_or(|version| version < MIN_VERSION)
        {
            return None;
        }
        let (mut ipv4, mut ipv6) = (false, false);
        let (mut subnets, mut ports) = (Vec::new(), Vec::new());
        for host in info.ntcp2_addresses().filter(Ntcp2Address::is_published).filter_map(|address| address.host) {
            let open = rules.net_id != PUBLIC_NET || is_open(host.ip());
            ipv4 |= open && host.is_ipv4();
            ipv6 |= open && host.is_ipv6();
            let subnet = subnet(host.ip());
            if !subnets.contains(&subnet) {
                subnets.push(subnet);
            }
            if rules.net_id == PUBLIC_NET && !ports.contains(&host.port()) {
                ports.push(host.port());
            }
        }
        let near = (rules.ipv4 && ipv4) || (rules.ipv6 && ipv6);
        if !near && !ipv4 {
            return None;
        }
        // We are the end of each of our tunnels: who watches our network would see both ends of one whose other end is in it.
        if !rules.ignore_subnets && subnets.iter().any(|subnet| rules.our_subnets.contains(subnet)) {
            return None;
        }
        let family = info.options().get("family").map(str::to_owned);
        let key = info.identity().encryption_key();
        let hop = Hop { router: hash, key };
        let (published, congestion) = (info.published(), info.caps().congestion);
        Some(Candidate { hop, published, congestion, ipv4, near, subnets, ports, family })
    }

    /// Whether the router can be a hop now.
    fn serves(&self, date: Date) -> bool {
        let age = date.saturating_since(self.published);
        let refuses = match self.congestion {
            Some(Congestion::Reject) => true,
            Some(Congestion::High) => age < FRESH_CONGESTION,
            _ => false,
        };
        !refuses && age <= OLD_INFO
    }

    /// Whether both may be of one operator.
    pub(super) fn clashes(&self, other: &Candidate, ignore_subnets: bool) -> bool {
        let one_network = || self.subnets.iter().any(|subnet| other.subnets.contains(subnet));
        let one_port = || self.ports.iter().any(|port| other.ports.contains(port));
        self.hop.router == other.hop.router
            || (self.family.is_some() && self.family == other.family)
            || (!ignore_subnets && (one_network() || one_port()))
    }
}

/// Not an address of a closed network. The lane refuses some more; what it can't reach is learnt from failures.
fn is_open(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_documentation()
                || ip.is_multicast()
                || ip.is_broadcast())
        }
        IpAddr::V6(ip) => ip.segments().first().is_some_and(|first| first & 0xe000 == 0x2000),
    }
}

/// Whom an address shares its network with.
pub(crate) fn subnet(ip: IpAddr) -> Subnet {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            Subnet::V4([a, b])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.octets();
            Subnet::V6([a, b, c, d])
        }
    }
}

/// What was read from a RouterInfo, kept while it is the same: reading thousands takes long.
struct Known {
    router: RouterHash,
    published: Date,
    /// `None` if the router can't be a hop at any time.
    candidate: Option<Arc<Candidate>>,
}

/// All eligible routers, read again from the store now and then.
#[derive(Default)]
pub(crate) struct Candidates {
    /// By hash.
    known: Vec<Known>,
    /// Those that serve now, by hash.
    list: Vec<Arc<Candidate>>,
    read: Option<(Tick, usize)>,
}

impl Candidates {
    pub(crate) fn refresh(&mut self, now: Tick, date: Date, source: &dyn HopSource, rules: &Rules) {
        let count = source.count();
        let due = self.read.is_none_or(|(at, seen)| {
            let age = now.saturating_since(at);
            age >= REFRESH_EVERY || (seen != count && (self.list.len() < LARGE_NETWORK || age >= REFRESH_AT_MOST))
        });
        if !due {
            return;
        }
        self.read = Some((now, count));
        let mut before = std::mem::replace(&mut self.known, Vec::with_capacity(count.min(MAX_CANDIDATES))).into_iter().peekable();
        source.for_each(&mut |info| {
            if self.known.len() >= MAX_CANDIDATES {
                return;
            }
            let (router, published) = (info.hash(), info.published());
            while before.next_if(|known| known.router < router).is_some() {}
            let same = before.next_if(|known| known.router == router && known.published == published);
            let read = || Known { router, published, candidate: Candidate::read(info, rules).map(Arc::new) };
            self.known.push(same.unwrap_or_else(read));
        });
        let candidates = self.known.iter().filter_map(|known| known.candidate.as_ref());
        self.list = candidates.filter(|candidate| candidate.serves(date)).map(Arc::clone).collect();
        // Without a way into IPv4 the routers that we dial are a network of their own.
        let bridged = self.list.iter().any(|candidate| candidate.ipv4 && candidate.near);
        self.list.retain(|candidate| if bridged { candidate.ipv4 } else { candidate.near });
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn bound(&self) -> Bound {
        let each = size_of::<Known>() + size_of::<Candidate>() + 2 * size_of::<usize>();
        Bound::new("tunnel-candidates", self.known.len(), MAX_CANDIDATES, self.known.len() * each).lasting()
    }

    pub(crate) fn is_large(&self) -> bool {
        self.list.len() >= LARGE_NETWORK
    }

    pub(super) fn get(&self, router: &RouterHash) -> Option<&Candidate> {
        let at = self.list.binary_search_by_key(router, |candidate| candidate.hop.router).ok()?;
        self.list.get(at).map(Arc::as_ref)
    }

    /// The networks that routers are in, as often as they are.
    pub(super) fn subnets_of(&self, routers: &[&RouterHash]) -> Vec<Subnet> {
        routers.iter().filter_map(|router| self.get(router)).flat_map(|candidate| candidate.subnets.iter().copied()).collect()
    }

    fn random(&self, rng: &mut dyn CryptoRng) -> Option<&Candidate> {
        let bound = u32::try_from(self.list.len()).ok()?;
        let at = usize::try_from(rng::below(rng, bound)).ok()?;
        self.list.get(at).map(Arc::as_ref)
    }

    /// Chooses the hops of a tunnel, the gateway first. `None` if there aren't enough fitting routers now.
    pub(crate) fn select(&self, wish: &mut Wish<'_>, rng: &mut dyn CryptoRng) -> Option<Vec<Hop>> {
        let mut chosen: Vec<&Candidate> = vec![self.nearest(wish, rng)?];
        while chosen.len() < wish.length {
            let next = self.another(wish, &chosen, rng)?;
            chosen.push(next);
        }
        if let Some((_, others)) = chosen.split_first_mut() {
            others.sort_by_key(|candidate| siphash::siphash24(&wish.order_key, &candidate.hop.router.0));
        }
        let mut hops: Vec<Hop> = chosen.iter().map(|candidate| candidate.hop).collect();
        if wish.direction == Direction::Inbound {
            hops.reverse();
        }
        Some(hops)
    }

    fn another(&self, wish: &Wish<'_>, chosen: &[&Candidate], rng: &mut dyn CryptoRng) -> Option<&Candidate> {
        let first = self.draw(rng, |candidate| wish.fits(candidate, chosen, true));
        let Some(first) = first else {
            return self.least_bad(wish, rng, |candidate| wish.fits(candidate, chosen, false));
        };
        if !wish.proven {
            return Some(first);
        }
        // What others on this router know counts for little, or all would come to the same routers, and their LeaseSets would tell who
        // lives together: among few routers not at all.
        let second = self.draw(rng, |candidate| wish.fits(candidate, chosen, true)).unwrap_or(first);
        let rank = |candidate: &Candidate| {
            let router = &candidate.hop.router;
            let tier = if self.is_large() { wish.profiles.tier(wish.now, router) } else { Tier::Standard };
            (tier, !(wish.agreed)(router))
        };
        Some(if rank(second) < rank(first) { second } else { first })
    }

    /// Of some that pass, the one with the least against it: where only bad ones are left, most share the blame for the worst of them.
    pub(super) fn least_bad(
        &self,
        wish: &Wish<'_>,
        rng: &mut dyn CryptoRng,
        pass: impl Fn(&Candidate) -> bool,
    ) -> Option<&Candidate> {
        let drawn: Vec<&Candidate> = (0..BAD_DRAWS).filter_map(|_| self.draw(rng, &pass)).collect();
        drawn.into_iter().min_by_key(|one| wish.blemish(one))
    }

    /// A random candidate that passes; if some draws find none, one of all that do.
    pub(super) fn draw(&self, rng: &mut dyn CryptoRng, pass: impl Fn(&Candidate) -> bool) -> Option<&Candidate> {
        for _ in 0..DRAWS {
            let candidate = self.random(rng)?;
            if pass(candidate) {
                return Some(candidate);
            }
        }
        let passing: Vec<&Candidate> = self.list.iter().map(Arc::as_ref).filter(|candidate| pass(candidate)).collect();
        let most = u32::try_from(passing.len()).ok().filter(|most| *most > 0)?;
        passing.get(usize::try_from(rng::below(rng, most)).ok()?).copied()
    }
}

/// What a tunnel shall be like.
pub(crate) struct Wish<'a> {
    pub(crate) now: Tick,
    pub(crate) date: Date,
    pub(crate) length: usize,
    pub(crate) direction: Direction,
    pub(crate) rules: &'a Rules,
    pub(crate) nearest: &'a mut Nearest,
    pub(crate) order_key: [u8; 16],
    pub(crate) profiles: &'a Profiles,
    /// Prefer routers that have agreed before, avoid congested ones.
    pub(crate) proven: bool,
    /// Whether a router has agreed to a tunnel of this pool.
    pub(crate) agreed: &'a dyn Fn(&RouterHash) -> bool,
    /// How many of the pool's tunnels a router or its subnet is in, and how many it may be in.
    pub(crate) uses: &'a dyn Fn(&Candidate) -> usize,
    pub(crate) most_uses: usize,
    /// And of the ones next to us, which are few.
    pub(crate) most_next: usize,
    /// The far end and we reach each other without a tunnel.
    pub(crate) direct: bool,
    /// Whether a router could send to us, if it has to.
    pub(crate) next_to_us: &'a dyn Fn(&RouterHash) -> bool,
    /// Whether one more tunnel may begin or end there just now.
    pub(crate) paced: &'a dyn Fn(&RouterHash) -> bool,
}

impl Wish<'_> {
    pub(super) fn blemish(&self, candidate: &Candidate) -> (bool, u32) {
        self.profiles.blemish(self.now, &candidate.hop.router)
    }

    pub(super) fn may_stand_next(&self, candidate: &Candidate) -> bool {
        candidate.near && (self.next_to_us)(&candidate.hop.router)
    }

    /// A bad standing and congestion count only when `strict`.
    pub(super) fn is_sound(&self, candidate: &Candidate, strict: bool) -> bool {
        !strict
            || (!(self.proven && candidate.congestion.is_some())
                && self.profiles.tier(self.now, &candidate.hop.router) != Tier::Failing)
    }

    /// Within the share of tunnels of one next to us.
    pub(super) fn has_place_next(&self, candidate: &Candidate) -> bool {
        (self.uses)(candidate) < self.most_next
    }

    /// Sound, and never with a clash or over the share of tunnels.
    pub(super) fn fits(&self, candidate: &Candidate, chosen: &[&Candidate], strict: bool) -> bool {
        self.is_sound(candidate, strict)
            && (candidate.near || !self.direct)
            && !chosen.iter().any(|other| candidate.clashes(other, self.rules.ignore_subnets))
            && (self.uses)(candidate) < self.most_uses
    }
}
