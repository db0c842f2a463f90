//! Who uses the network: sites with visitors, bulk streams, destinations that come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_engine::{DestinationConfig, IdentityId};
use ramson_wire::{DestinationHash, DestinationKeys, Tick};

use crate::load::{Failure, Fetched, Load, Wish};
use crate::measure::{Measures, Visit};
use crate::oracle;
use crate::scenario::{Bulk, Pages, Scenario, ShortLived};
use crate::world::World;

/// A visitor gives up a page after so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// With one of so many requests something is sent, as long as the page but not longer than this.
const UPLOAD_ONE_OF: u64 = 4;
const MOST_UPLOADED: u64 = 4_000;
/// A published destination is reached again so long after the last fault, unless the scenario says otherwise.
const REACHABLE_AGAIN_SECS: u64 = 240;
/// So long a short-lived destination may take to be ready.
const READINESS: Duration = Duration::from_secs(60);

/// A destination of ours.
struct Place {
    router: usize,
    id: IdentityId,
    label: String,
    published: bool,
    opened: bool,
    closed: bool,
}

struct Site {
    place: usize,
    hash: DestinationHash,
    /// First success of a visit begun after the last fault.
    reached: Option<Tick>,
}

struct Visitor {
    place: usize,
    next: Tick,
    visits: usize,
}

struct Stream {
    from: usize,
    to: usize,
    begun: bool,
}

struct Short {
    host: usize,
    visitor: usize,
    opened: Tick,
    asked: bool,
}

/// What a wish was for.
#[derive(Clone, Copy)]
enum Purpose {
    Page { site: usize },
    Bulk,
    ShortLived,
}

pub(super) struct Users {
    pages: Option<Pages>,
    bulk: Option<Bulk>,
    short_lived: Option<ShortLived>,
    faults_end: Tick,
    ends: Tick,
    seed: SeededRng,
    rng: SeededRng,
    routers: usize,
    places: Vec<Place>,
    sites: Vec<Site>,
    visitors: Vec<Visitor>,
    streams: Vec<Stream>,
    shorts: Vec<Short>,
    next_short: Tick,
    /// By tag, with the places at both ends.
    wishes: BTreeMap<u64, (Purpose, [usize; 2])>,
    tags: u64,
    delivered: u64,
}

impl Users {
    /// Places them: on the last routers, which aren't floodfills unless there are few others.
    pub(super) fn new(scenario: &Scenario, world: &World<Load>) -> Self {
        let secs = |secs: u64| Tick(0) + Duration::from_secs(secs);
        let load = scenario.load.clone();
        let mut users = Self {
            faults_end: Tick(0) + scenario.last_fault_ends().unwrap_or_default(),
            ends: Tick(0) + scenario.duration(),
            seed: world.draws("users"),
            rng: world.draws("users' choices"),
            routers: scenario.routers,
            places: Vec::new(),
            sites: Vec::new(),
            visitors: Vec::new(),
            streams: Vec::new(),
            shorts: Vec::new(),
            next_short: secs(load.short_lived.as_ref().map_or(0, |short| short.from_secs)),
            wishes: BTreeMap::new(),
            tags: 0,
            delivered: 0,
            pages: load.pages,
            bulk: load.bulk,
            short_lived: load.short_lived,
        };
        users.place_all();
        users
    }

    fn place_all(&mut self) {
        let pages = self.pages.clone();
        for site in 0..pages.as_ref().map_or(0, |pages| pages.sites) {
            let per_router = pages.as_ref().map_or(1, |pages| pages.sites_per_router);
            let place = if site % per_router.max(1) == 0 { self.place(true) } else { self.place_beside(true) };
            self.sites.push(Site { place, hash: self.keys(place).destination().hash(), reached: None });
        }
        for _ in 0..pages.as_ref().map_or(0, |pages| pages.visitors) {
            let place = self.place(false);
            let (from, every) = pages.as_ref().map_or((0, 1), |pages| (pages.from_secs, pages.every_secs));
            let first = Duration::from_millis(from * 1_000 + rng::between(&mut self.rng, 0, every * 1_000));
            self.visitors.push(Visitor { place, next: Tick(0) + first, visits: 0 });
        }
        for _ in 0..self.bulk.as_ref().map_or(0, |bulk| bulk.streams) {
            let (from, to) = (self.place(false), self.place(true));
            self.streams.push(Stream { from, to, begun: false });
        }
    }

    /// A destination on the next router, counted from the last.
    fn place(&mut self, published: bool) -> usize {
        let before = self.places.last().map_or(self.routers, |place| place.router);
        self.place_at(before.checked_sub(1).unwrap_or(self.routers - 1), published)
    }

    /// A destination on the same router as the one before.
    fn place_beside(&mut self, published: bool) -> usize {
        let router = self.places.last().map_or(0, |place| place.router);
        self.place_at(router, published)
    }

    fn place_at(&mut self, router: usize, published: bool) -> usize {
        let number = self.places.len();
        let id = IdentityId(1 + u32::try_from(number).unwrap_or(0));
        self.places.push(Place { router, id, label: format!("destination {number}"), published, opened: false, closed: false });
        number
    }

    fn keys(&self, place: usize) -> DestinationKeys {
        let label = self.places.get(place).map_or("", |place| place.label.as_str());
        DestinationKeys::generate(&mut self.seed.child(label))
    }

    /// Routers whose users would miss them.
    pub(super) fn are_at(&self, router: usize) -> bool {
        self.places.iter().any(|place| place.router == router && !place.closed)
    }

    /// Application bytes that arrived.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// From the end of the last fault, or the first page, to the first success at each site.
    pub(super) fn reachable_again(&self) -> Vec<Option<Duration>> {
        let from = self.faults_end;
        self.sites.iter().map(|site| site.reached.map(|reached| reached.saturating_since(from))).collect()
    }

    /// Notes sites that weren't reached in time after the last fault. In a run that ends before nothing is noted.
    pub(super) fn check_reachable_again(&self, world: &mut World<Load>, faults_end: Duration, within: Option<u64>) {
        let within = Duration::from_secs(within.unwrap_or(REACHABLE_AGAIN_SECS));
        let due = Tick(0) + faults_end + within;
        if world.now() < due {
            return;
        }
        for (number, site) in self.sites.iter().enumerate() {
            if site.reached.is_none_or(|reached| reached > due) {
                let what = format!("site {number}, {} s after the last fault", within.as_secs());
                world.watch.violated(due, oracle::REACHABLE_AGAIN, what);
            }
        }
    }

    /// Does what is due.
    pub(super) fn tend(&mut self, world: &mut World<Load>, measures: &mut Measures) {
        self.open_due(world);
        self.visit_due(world);
        self.stream_due(world);
        self.tend_short_lived(world);
        self.note(world, measures);
    }

    fn open_due(&mut self, world: &mut World<Load>) {
        for number in 0..self.places.len() {
            let Some(place) = self.places.get(number).filter(|place| !place.opened) else { continue };
            if world.progress(place.router) == Some(ramson_engine::Progress::Ready) {
                self.open(world, number);
            }
        }
    }

    fn open(&mut self, world: &mut World<Load>, number: usize) {
        let keys = self.keys(number);
        let Some(place) = self.places.get_mut(number) else { return };
        place.opened = true;
        let config = DestinationConfig { publish: place.published, accept: place.published, ..DestinationConfig::default() };
        if let Some(load) = world.user(place.router) {
            load.open(place.id, keys, config);
        }
        world.wake_user(place.router);
    }

    fn close(&mut self, world: &mut World<Load>, number: usize) {
        let Some(place) = self.places.get_mut(number) else { return };
        place.closed = true;
        if let Some(load) = world.user(place.router) {
            load.close(place.id);
        }
        world.wake_user(place.router);
    }

    /// At the end.
    pub(super) fn close_all(&mut self, world: &mut World<Load>) {
        for number in 0..self.places.len() {
            self.close(world, number);
        }
    }

    fn visit_due(&mut self, world: &mut World<Load>) {
        let Some(pages) = self.pages.clone() else { return };
        let now = world.now();
        for number in 0..self.visitors.len() {
            let Some(visitor) = self.visitors.get_mut(number).filter(|visitor| visitor.next <= now) else { continue };
            let every = pages.every_secs * 1_000;
            visitor.next = now + Duration::from_millis(rng::between(&mut self.rng, every / 2, every * 3 / 2));
            visitor.visits += 1;
            let (place, site) = (visitor.place, (visitor.visits + number) % self.sites.len().max(1));
            let Some((host, to)) = self.sites.get(site).map(|site| (site.place, site.hash)) else { continue };
            let size = rng::between(&mut self.rng, pages.bytes.least, pages.bytes.most);
            self.ask(world, [place, host], to, Purpose::Page { site }, size, PATIENCE);
        }
    }

    fn stream_due(&mut self, world: &mut World<Load>) {
        let Some(bulk) = self.bulk.clone() else { return };
        let now = world.now();
        if now < Tick(0) + Duration::from_secs(bulk.from_secs) {
            return;
        }
        for number in 0..self.streams.len() {
            let Some(stream) = self.streams.get(number).filter(|stream| !stream.begun) else { continue };
            let (from, to) = (stream.from, stream.to);
            if self.is_ready(world, from) && self.is_ready(world, to) {
                let hash = self.keys(to).destination().hash();
                self.ask(world, [from, to], hash, Purpose::Bulk, bulk.bytes, self.ends.saturating_since(now));
                if let Some(stream) = self.streams.get_mut(number) {
                    stream.begun = true;
                }
            }
        }
    }

    fn is_ready(&self, world: &World<Load>, place: usize) -> bool {
        self.places.get(place).is_some_and(|place| world.is_ready(place.router, place.id))
    }

    fn tend_short_lived(&mut self, world: &mut World<Load>) {
        let Some(short_lived) = self.short_lived.clone() else { return };
        let (now, life) = (world.now(), Duration::from_secs(short_lived.life_secs));
        if self.next_short <= now && now + life < self.ends {
            self.next_short = now + Duration::from_secs(short_lived.every_secs);
            self.begin_short(world);
        }
        for number in 0..self.shorts.len() {
            let Some(short) = self.shorts.get(number) else { continue };
            let (host, visitor, age) = (short.host, short.visitor, now.saturating_since(short.opened));
            let ready = self.is_ready(world, host) && self.is_ready(world, visitor);
            if !short.asked && (ready || age > READINESS.min(life)) {
                let to = self.keys(host).destination().hash();
                self.ask(world, [visitor, host], to, Purpose::ShortLived, short_lived.bytes, PATIENCE.min(life));
                if let Some(short) = self.shorts.get_mut(number) {
                    short.asked = true;
                }
            }
        }
        // It lives as long after its readiness as users would need it, at most.
        while let Some(short) = self.shorts.first().filter(|short| now.saturating_since(short.opened) >= life * 2) {
            let (host, visitor) = (short.host, short.visitor);
            self.shorts.remove(0);
            self.close(world, host);
            self.close(world, visitor);
        }
    }

    fn begin_short(&mut self, world: &mut World<Load>) {
        let mut draw =
            |routers: usize| usize::try_from(rng::below(&mut self.rng, u32::try_from(routers).unwrap_or(1))).unwrap_or(0);
        let (one, other) = (draw(self.routers), draw(self.routers));
        let (host, visitor) = (self.place_at(one, true), self.place_at(other, false));
        for place in [host, visitor] {
            self.open(world, place);
        }
        self.shorts.push(Short { host, visitor, opened: world.now(), asked: false });
    }

    /// One place asks another, if its router runs.
    fn ask(
        &mut self,
        world: &mut World<Load>,
        ends: [usize; 2],
        to: DestinationHash,
        what: Purpose,
        size: u64,
        patience: Duration,
    ) {
        let Some(place) = self.places.get(ends[0]).filter(|place| world.is_up(place.router)) else { return };
        self.tags += 1;
        self.wishes.insert(self.tags, (what, ends));
        if let Some(load) = world.user(place.router) {
            let upload = if self.tags.is_multiple_of(UPLOAD_ONE_OF) { size.min(MOST_UPLOADED) } else { 0 };
            load.fetch(Wish { id: place.id, to, tag: self.tags, size, upload, patience });
        }
        world.wake_user(place.router);
    }

    fn note(&mut self, world: &mut World<Load>, measures: &mut Measures) {
        self.delivered = 0;
        for router in 0..world.routers() {
            let Some(load) = world.user(router) else { continue };
            self.delivered += load.delivered();
            for fetched in load.take_fetched() {
                self.note_one(world, measures, fetched);
            }
        }
    }

    fn note_one(&mut self, world: &mut World<Load>, measures: &mut Measures, fetched: Fetched) {
        let Some((purpose, ends)) = self.wishes.remove(&fetched.tag) else { return };
        if let Some(Failure::Altered(what)) = &fetched.failure {
            world.watch.violated(fetched.ended, oracle::STREAMS_EXACT, what.clone());
        }
        let since = |tick: Tick| tick.saturating_since(Tick(0));
        let failure = fetched.failure.map(|(Failure::Lost(what) | Failure::Altered(what))| what);
        let mut routers = ends.iter().filter_map(|end| self.places.get(*end)).map(|place| place.router);
        if failure.is_some() && routers.any(|router| world.was_down(router, fetched.started, fetched.ended)) {
            measures.excused += 1;
            return;
        }
        let visits = match purpose {
            Purpose::Page { site } => {
                let site = self.sites.get_mut(site).filter(|_| failure.is_none() && fetched.started >= self.faults_end);
                if let Some(site) = site {
                    site.reached.get_or_insert(fetched.ended);
                }
                &mut measures.pages
            }
            Purpose::Bulk => &mut measures.bulk,
            Purpose::ShortLived => &mut measures.short_lived,
        };
        visits.push(Visit { started: since(fetched.started), ended: since(fetched.ended), bytes: fetched.size, failure });
    }
}
