//! The thread that owns the routers and their virtual network.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use ramson_router::Router;
use ramson_router::driver::{Command, Desk, Event};
use ramson_sim::User;
use ramson_sim::cpu::Costs;
use ramson_sim::tamper::Tamper;
use ramson_sim::world::{World, WorldConfig};
use ramson_wire::{DestinationKeys, Tick};
use tokio::sync::oneshot;

use super::arguments::Arguments;
use super::pace::Pace;

/// Virtual time in which the network has to come up.
const COMING_UP: Duration = Duration::from_secs(180);
/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A network in which nothing happens looks at its clock all the same.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// What the thread is told.
enum Note {
    /// The handles of a router want something.
    Wishes(usize),
    /// All is opened that has to be ready before time is real.
    ComeUp(oneshot::Sender<anyhow::Result<()>>),
    /// It ends.
    Stop,
}

/// One of the routers.
pub(crate) struct Member {
    pub(crate) router: Router,
    pub(crate) floodfill: bool,
}

/// A running network. It stops when dropped, which takes a moment.
pub(crate) struct Network {
    /// All routers.
    pub(crate) members: Vec<Member>,
    site: Option<DestinationKeys>,
    notes: Sender<Note>,
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Network {
    /// Starts the routers. Time stands still until [`Self::come_up`].
    pub(crate) async fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let arguments = arguments.clone();
        let (notes, received) = channel();
        let (made, making) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let sender = notes.clone();
        let run = move || {
            // Dropped at the end, however it comes.
            let _end: oneshot::Sender<()> = end;
            let (world, members) = build(&arguments, &sender);
            let site = DestinationKeys::generate(&mut world.draws("site"));
            if made.send((members, site)).is_ok() {
                Driver { world, notes: received }.work();
            }
        };
        let thread = std::thread::Builder::new()
            .name("ramson-devnet".to_owned())
            .spawn(run)
            .context("cannot start the network's thread")?;
        let (members, site) = making.await.context("the network's thread failed")?;
        Ok(Self { members: members?, site: Some(site), notes, ended, thread: Some(thread) })
    }

    /// The keys of the site, once.
    pub(crate) fn site_keys(&mut self) -> anyhow::Result<DestinationKeys> {
        self.site.take().context("the site is open already")
    }

    /// Lets time pass as fast as it can until all routers, and what is open on them, are ready; from then on as the clock does.
    pub(crate) async fn come_up(&mut self) -> anyhow::Result<()> {
        let (answer, ready) = oneshot::channel();
        // A thread that is gone drops the answer.
        let _ = self.notes.send(Note::ComeUp(answer));
        ready.await.context("the network's thread failed")?
    }

    /// Returns when the thread has ended by itself.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        // Nothing is ever sent: it ends.
        let _ = (&mut self.ended).await;
        Err(anyhow!("the network's thread failed"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.notes.send(Note::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the network's thread had panicked");
        }
    }
}

/// Makes the routers and the handles to them.
fn build(arguments: &Arguments, notes: &Sender<Note>) -> (World<Bridge>, anyhow::Result<Vec<Member>>) {
    let config = WorldConfig {
        links: arguments.links(),
        // The real work is done in real time.
        costs: Costs::none(),
        skew_millis: (0, 0),
        routers_per_subnet: 1,
        // Nobody asks what they saw.
        oracles: false,
        ..WorldConfig::default()
    };
    let mut world = World::new(arguments.seed, config);
    let members = (0..arguments.routers).map(|number| {
        let floodfill = number < arguments.floodfills();
        world.add_router(floodfill, Bridge::default());
        let notes = notes.clone();
        // After the thread's end nobody is to be woken.
        let wake = move || drop(notes.send(Note::Wishes(number)));
        let info = world.router_info(number).context("a router did not start")?;
        let (desk, router) = Desk::new(info.hash(), info.bytes().clone(), wake);
        world.user(number).context("a router did not start")?.desk = Some(desk);
        Ok(Member { router, floodfill })
    });
    let members = members.collect();
    (world, members)
}

/// What joins a simulated router with the handles to it.
#[derive(Default)]
struct Bridge {
    desk: Option<Desk>,
    /// Destinations that are open, and not ready yet.
    unready: BTreeSet<ramson_sim::IdentityId>,
}

impl User for Bridge {
    fn started(&mut self, _now: Tick) -> Vec<Command> {
        Vec::new()
    }

    fn handle_event(&mut self, _now: Tick, event: Event) {
        if let Event::DestinationReady { id } = &event {
            self.unready.remove(id);
        }
        if let Some(desk) = &mut self.desk {
            desk.handle_event(event);
        }
    }

    fn poll(&mut self, _now: Tick, _tamper: &mut dyn Tamper) -> Vec<Command> {
        let commands = self.desk.as_mut().map(Desk::take_commands).unwrap_or_default();
        for command in &commands {
            match command {
                Command::OpenDestination { id, .. } => drop(self.unready.insert(*id)),
                Command::CloseDestination { id } => drop(self.unready.remove(id)),
                _ => {}
            }
        }
        commands
    }

    fn deadline(&self) -> Option<Tick> {
        None
    }
}

struct Driver {
    world: World<Bridge>,
    notes: Receiver<Note>,
}

impl Driver {
    fn work(mut self) {
        let answer = loop {
            match self.notes.recv() {
                Ok(Note::Wishes(router)) => self.world.wake_user(router),
                Ok(Note::ComeUp(answer)) => break answer,
                Ok(Note::Stop) | Err(_) => return,
            }
        };
        let Some(up) = self.come_up() else { return };
        // Who asked may have given up.
        let _ = answer.send(up);
        self.run();
    }

    /// None: told to stop.
    fn come_up(&mut self) -> Option<anyhow::Result<()>> {
        let end = self.world.now() + COMING_UP;
        while self.world.now() < end {
            self.world.run(LOOK_EVERY);
            while let Ok(note) = self.notes.try_recv() {
                if !self.take(&note) {
                    return None;
                }
            }
            if self.is_up() {
                let virtual_secs = self.world.now().0 / 1_000_000_000;
                tracing::debug!(virtual_secs, "the network is up");
                return Some(Ok(()));
            }
        }
        let ready = (0..self.world.routers()).filter(|router| self.world.ready_after(*router).is_some()).count();
        let (of, secs) = (self.world.routers(), COMING_UP.as_secs());
        Some(Err(anyhow!(
            "only {ready} of {of} routers, or not all their destinations, were ready after {secs} s of the network's time; \
             give less --latency-ms or --loss, or another --seed"
        )))
    }

    fn is_up(&mut self) -> bool {
        let world = &mut self.world;
        let destinations = (0..world.routers()).all(|router| world.user(router).is_some_and(|bridge| bridge.unready.is_empty()));
        destinations && world.all_ready()
    }

    /// Keeps virtual time at the clock's pace until told to stop.
    fn run(&mut self) {
        let mut pace = Pace::new(Instant::now(), self.world.now());
        let mut notes = Vec::new();
        loop {
            let target = pace.target(Instant::now(), self.world.next_at());
            while self.world.step(target) {}
            // What was wished meanwhile is wished at the time that is reached.
            for note in notes.drain(..).chain(self.notes.try_iter()) {
                if !take(&mut self.world, &note) {
                    return;
                }
            }
            let now = Instant::now();
            if let Some(percent) = pace.slowness(now, self.world.now()) {
                tracing::warn!("this machine is too slow for the network: its time passes at {percent} % of the clock's pace");
            }
            let next = self.world.next_at().map_or(LONGEST_SLEEP, |next| pace.until(now, next).min(LONGEST_SLEEP));
            match self.notes.recv_timeout(next) {
                Ok(note) => notes.push(note),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, note: &Note) -> bool {
        take(&mut self.world, note)
    }
}

/// False: it ends.
fn take(world: &mut World<Bridge>, note: &Note) -> bool {
    match note {
        Note::Wishes(router) => world.wake_user(*router),
        // Said once, at the beginning.
        Note::ComeUp(_) => {}
        Note::Stop => return false,
    }
    true
}
