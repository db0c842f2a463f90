//! What an engine's message costs on this machine apart from cryptography, by the name of the simulator's table `Costs`, which is filled
//! from it: whole networks run as usual, and the clock is read around each event that an engine takes. Cryptography is counted and
//! costs what the table says, so the table must be of this machine.
//!
//! Run it on an idle machine: `cargo bench -p ramson-sim --bench engines`

#![expect(clippy::print_stdout, reason = "a table for a person")]
#![expect(clippy::expect_used, reason = "a harness fails by a panic")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ramson_engine::Command;
use ramson_lane::{LaneCommand, LaneEvent};
use ramson_sim::cpu::Costs;
use ramson_sim::run::Run;
use ramson_sim::scenario::Scenario;
use ramson_sim::tamper::Tamper;
use ramson_wire::{MessageKind, Now, Tick};

const SCENARIOS: [(&str, &str); 2] =
    [("calm", include_str!("../../../../scenarios/calm.toml")), ("bulk", include_str!("../../../../scenarios/bulk.toml"))];
const SEEDS: u64 = 3;
/// The network has come up by then.
const BEGIN: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(600);

/// An event that an engine took: how long that lasted apart from cryptography, which is what remains when the virtual clock is taken off.
struct Taken {
    kind: Option<MessageKind>,
    nanos: f64,
}

/// Between a router's lane and its engine.
struct Tap {
    taken: Rc<RefCell<Vec<Taken>>>,
    begun: Option<(Instant, Tick, Option<MessageKind>)>,
}

impl Tap {
    /// The engine is done with an event. The table's price of an event is on the virtual clock when it's not a turn's last.
    fn end(&mut self, now: Now, price: Duration) {
        let ended = Instant::now();
        if let Some((begun, at, kind)) = self.begun.take() {
            let cryptography = now.tick.saturating_since(at).saturating_sub(price);
            let nanos = ((ended - begun).as_secs_f64() - cryptography.as_secs_f64()) * 1e9;
            self.taken.borrow_mut().push(Taken { kind, nanos });
        }
    }
}

impl Tamper for Tap {
    fn besides(&mut self, now: Now, event: &LaneEvent) -> Vec<Command> {
        self.end(now, Duration::from_nanos(Costs::measured().engine_message / 1_000));
        let kind = if let LaneEvent::Message { message, .. } = event { Some(message.kind) } else { None };
        self.begun = Some((Instant::now(), now.tick, kind));
        Vec::new()
    }

    fn commands(&mut self, now: Now, commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        self.end(now, Duration::ZERO);
        commands
    }
}

/// Of the middle nine tenths: the longest are those in which the machine did something else.
fn mean<'a>(taken: impl Iterator<Item = &'a Taken>) -> f64 {
    let mut nanos: Vec<f64> = taken.map(|taken| taken.nanos).collect();
    nanos.sort_by(f64::total_cmp);
    let middle = nanos.get(nanos.len() / 20..nanos.len() - nanos.len() / 20).unwrap_or_default();
    middle.iter().sum::<f64>() / f64::from(u32::try_from(middle.len()).expect("few"))
}

fn row(name: &str, nanos: f64) {
    println!("{name:<32}{nanos:>12.3}");
}

fn main() {
    println!("{:<32}{:>12}", "", "nanoseconds");
    let taken = Rc::new(RefCell::new(Vec::new()));
    for (name, text) in SCENARIOS {
        let scenario = Scenario::from_toml(text, name).expect("a scenario");
        for seed in 1..=SEEDS {
            let mut run = Run::unwatched(&scenario, seed);
            let so_far = taken.borrow().len();
            for router in 0..scenario.routers {
                run.world.tamper(router, Box::new(Tap { taken: Rc::clone(&taken), begun: None }));
            }
            run.run_to(BEGIN);
            taken.borrow_mut().truncate(so_far);
            run.run_to(END);
        }
    }
    let taken = taken.borrow();
    row("engine_message", mean(taken.iter()));
    let of = |kind| mean(taken.iter().filter(|taken| taken.kind == kind));
    row("  (of a tunnel)", of(Some(MessageKind::TUNNEL_DATA)));
    row("  (garlic)", of(Some(MessageKind::GARLIC)));
    row("  (build request)", of(Some(MessageKind::SHORT_TUNNEL_BUILD)));
    row("  (no message)", of(None));
}
