//! A complete router: the production lane and engine, fed and drained as the production threads do it, each with a processor that its
//! work keeps busy.

mod engine_thread;
mod judged;
mod lane_thread;
mod repeated;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_engine::{Command, Engine, Event, IdentityId, Progress};
use ramson_lane::{ConnId, Lane, LaneCommand, LaneEvent};
use ramson_wire::{Date, Now, Tick};

use crate::cpu::Costs;
use crate::disk::Disk;
use crate::net::{EndId, Net};
use crate::schedule::Schedule;
use crate::tamper::Tamper;
use crate::trace::Trace;
use crate::watch::Watch;
use crate::world::Happening;
use repeated::Phantoms;

/// Outputs of one call. More is taken for a loop without end.
const MAX_OUTPUTS: usize = 100_000;
/// Connections that wait to be taken, as production asks of the system.
const ACCEPT_BACKLOG: usize = 1024;
/// Calls of the system to wake the other thread.
const WAKING: u64 = 1;
/// Handing a batch to the other thread takes a time between these.
const HAND_OVER_NANOS: (u64, u64) = (2_000, 300_000);

/// What uses a router: applications, or their like.
pub trait User {
    /// The router starts, for the first time or again.
    fn started(&mut self, now: Tick) -> Vec<Command>;

    /// The router said something.
    fn handle_event(&mut self, now: Tick, event: Event);

    /// Reads and writes streams and does what is due; what the engine is to be told. `tamper` sees what is read.
    fn poll(&mut self, now: Tick, tamper: &mut dyn Tamper) -> Vec<Command>;

    /// When to poll at the latest.
    fn deadline(&self) -> Option<Tick>;
}

/// What a router's turn needs of the world.
pub(crate) struct Around<'a> {
    pub(crate) schedule: &'a mut Schedule<Happening>,
    pub(crate) net: &'a mut Net,
    pub(crate) trace: &'a mut Trace,
    pub(crate) disk: &'a mut Disk,
    pub(crate) watch: &'a mut Watch,
    pub(crate) tamper: &'a mut dyn Tamper,
    pub(crate) costs: &'a Costs,
}

/// For the engine's thread.
pub(crate) enum Letter {
    Lane(Vec<LaneEvent>),
    Command(Command),
    /// What came before already, for an oracle.
    Repeated(LaneEvent),
    /// The router is to end cleanly.
    Stop,
}

/// How far a clean stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Nobody stops it.
    Whole,
    /// The engine said all that it has to say.
    EngineStopped,
    /// The lane has heard all of it, and ends at the end of its turn.
    LaneStops,
    /// Neither does anything any more.
    Over,
}

/// A thread with a core of its own.
#[derive(Default)]
pub(crate) struct Thread {
    busy_until: Tick,
    /// The turn that is scheduled.
    turn_at: Option<Tick>,
    /// All moments for which one was, while sooner ones came between: a deadline stays the same over many turns.
    queued: BTreeSet<Tick>,
    /// Time spent since the start.
    pub(crate) spent: Duration,
    /// When the last batch that it handed over arrives.
    handed_over: Tick,
}

impl Thread {
    /// When a turn is to be scheduled so that there is one at `at`, or as soon after it as the core is free.
    fn wake(&mut self, now: Tick, at: Tick) -> Option<Tick> {
        let at = at.max(now).max(self.busy_until);
        let sooner = self.turn_at.is_none_or(|turn| at < turn);
        sooner.then(|| *self.turn_at.insert(at)).filter(|at| self.queued.insert(*at))
    }

    /// Whether the turn scheduled for now is still meant.
    fn begins(&mut self, now: Tick) -> bool {
        self.queued.remove(&now);
        let meant = self.turn_at == Some(now);
        if meant {
            self.turn_at = None;
        }
        meant
    }

    /// When something handed over at `at` arrives: after all before it.
    fn hand_over(&mut self, rng: &mut SeededRng, at: Tick) -> Tick {
        let delay = Duration::from_nanos(rng::between(rng, HAND_OVER_NANOS.0, HAND_OVER_NANOS.1));
        self.handed_over = (at + delay).max(self.handed_over + Duration::from_nanos(1));
        self.handed_over
    }
}

pub(crate) struct Node<U> {
    pub(crate) number: usize,
    /// How often this router was started before.
    pub(crate) life: u32,
    pub(crate) lane: Lane,
    pub(crate) engine: Engine,
    pub(crate) user: U,
    pub(crate) running: Life,
    pub(crate) progress: Option<Progress>,
    pub(crate) ready: BTreeSet<IdentityId>,
    pub(crate) lane_thread: Thread,
    pub(crate) engine_thread: Thread,
    /// The users' threads, whose time isn't counted.
    users: Thread,
    to_lane: Vec<LaneCommand>,
    to_engine: VecDeque<Letter>,
    /// Connections by the lane's names.
    conns: BTreeMap<ConnId, EndId>,
    incoming: Vec<(EndId, SocketAddr)>,
    standing: Vec<(ConnId, bool)>,
    /// Connections of nobody in the network, with what they say.
    knocks: VecDeque<(SocketAddr, Bytes)>,
    readable: BTreeSet<ConnId>,
    /// Where reading goes on, if it didn't come to all of them.
    read_from: ConnId,
    writable: BTreeSet<ConnId>,
    phantoms: Phantoms,
    /// Destinations that it was asked for.
    opened: BTreeSet<IdentityId>,
    rng: SeededRng,
    /// Virtual wall time at tick 0 on this machine's clock.
    pub(crate) epoch: Date,
}

impl<U: User> Node<U> {
    pub(crate) fn new(number: usize, life: u32, lane: Lane, engine: Engine, user: U, epoch: Date, rng: SeededRng) -> Self {
        Self {
            number,
            life,
            lane,
            engine,
            user,
            running: Life::Whole,
            progress: None,
            ready: BTreeSet::new(),
            lane_thread: Thread::default(),
            engine_thread: Thread::default(),
            users: Thread::default(),
            to_lane: Vec::new(),
            to_engine: VecDeque::new(),
            conns: BTreeMap::new(),
            incoming: Vec::new(),
            standing: Vec::new(),
            knocks: VecDeque::new(),
            readable: BTreeSet::new(),
            read_from: ConnId(0),
            writable: BTreeSet::new(),
            phantoms: Phantoms::default(),
            opened: BTreeSet::new(),
            rng,
            epoch,
        }
    }

    /// Both clocks at a moment.
    pub(crate) fn now(&self, tick: Tick) -> Now {
        Now { tick, date: self.epoch + Duration::from_nanos(tick.0) }
    }

    /// Schedules a turn of the lane's thread, unless there is one soon enough.
    pub(crate) fn wake_lane(&mut self, schedule: &mut Schedule<Happening>, at: Tick) {
        if let Some(at) = self.lane_thread.wake(schedule.now(), at) {
            schedule.add(at, Happening::LaneTurn { router: self.number, life: self.life });
        }
    }

    /// Likewise of the engine's thread.
    pub(crate) fn wake_engine(&mut self, schedule: &mut Schedule<Happening>, at: Tick) {
        if let Some(at) = self.engine_thread.wake(schedule.now(), at) {
            schedule.add(at, Happening::EngineTurn { router: self.number, life: self.life });
        }
    }

    /// A batch of the engine arrived.
    pub(crate) fn take_commands(&mut self, schedule: &mut Schedule<Happening>, mut commands: Vec<LaneCommand>) {
        self.to_lane.append(&mut commands);
        self.wake_lane(schedule, schedule.now());
    }

    /// The engine has ended, and nothing more comes from it.
    pub(crate) fn stop_lane(&mut self, schedule: &mut Schedule<Happening>) {
        self.running = Life::LaneStops;
        self.wake_lane(schedule, schedule.now());
    }

    /// A letter for the engine arrived.
    pub(crate) fn take_letter(&mut self, schedule: &mut Schedule<Happening>, letter: Letter) {
        self.to_engine.push_back(letter);
        self.wake_engine(schedule, schedule.now());
    }

    /// What waits in the engine's mailbox, in messages and kilobytes.
    fn waiting_for_engine(&self) -> usize {
        let weight = |letter: &Letter| match letter {
            Letter::Lane(events) => events.iter().map(LaneEvent::weight).sum(),
            Letter::Command(_) | Letter::Repeated(_) | Letter::Stop => 1,
        };
        self.to_engine.iter().map(weight).sum()
    }

    /// A connection came in.
    pub(crate) fn take_incoming(&mut self, schedule: &mut Schedule<Happening>, end: EndId, remote: SocketAddr) {
        self.incoming.push((end, remote));
        self.wake_lane(schedule, schedule.now());
    }

    /// A connection of nobody came in. The system lets only so many wait.
    pub(crate) fn take_knock(&mut self, schedule: &mut Schedule<Happening>, remote: SocketAddr, bytes: Bytes) {
        if self.knocks.len() < ACCEPT_BACKLOG {
            self.knocks.push_back((remote, bytes));
            self.wake_lane(schedule, schedule.now());
        }
    }

    /// A dialed connection stands or was refused.
    pub(crate) fn take_standing(&mut self, schedule: &mut Schedule<Happening>, conn: ConnId, stands: bool) {
        self.standing.push((conn, stands));
        self.wake_lane(schedule, schedule.now());
    }

    /// A connection can be read.
    pub(crate) fn take_readable(&mut self, schedule: &mut Schedule<Happening>, conn: ConnId) {
        self.readable.insert(conn);
        self.wake_lane(schedule, schedule.now());
    }

    /// A connection can be written.
    pub(crate) fn take_writable(&mut self, schedule: &mut Schedule<Happening>, conn: ConnId) {
        self.writable.insert(conn);
        self.wake_lane(schedule, schedule.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When batches arrive that are handed over a microsecond after each other.
    fn arrivals(seed: u8) -> Vec<Tick> {
        let (mut thread, mut rng) = (Thread::default(), SeededRng::new([seed; 32]));
        (0..1_000).map(|number| thread.hand_over(&mut rng, Tick(number * 1_000))).collect()
    }

    #[test]
    fn a_deadline_that_stays_is_scheduled_once() {
        let mut thread = Thread::default();
        assert_eq!(thread.wake(Tick(0), Tick(100)), Some(Tick(100)));
        for now in 10..20 {
            assert_eq!(thread.wake(Tick(now), Tick(now)), Some(Tick(now)));
            assert!(thread.begins(Tick(now)));
            assert_eq!(thread.wake(Tick(now), Tick(100)), None, "it is already");
        }
        assert!(thread.begins(Tick(100)) && !thread.begins(Tick(100)));
    }

    #[test]
    fn handing_over_takes_what_the_seed_says_and_keeps_the_order() {
        let (one, other) = (arrivals(1), arrivals(2));
        assert_eq!(one, arrivals(1));
        assert_ne!(one, other);
        for times in [one, other] {
            assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
            let late = |(number, at): (u64, &Tick)| at.0 - number * 1_000;
            assert!((0..).zip(&times).map(late).all(|late| (2_000..=302_000).contains(&late)));
        }
    }
}
