//! What the oracles look at inside a router: whose state a message changes, what is held, what strangers are answered.

use ramson_crypto::meter;
use ramson_crypto::rng::{self, SeededRng};
use ramson_engine::{Command, DestinationConfig, IdentityId, Output, Owner};
use ramson_lane::LaneEvent;
use ramson_wire::bounds::Bound;
use ramson_wire::i2np::LookupKind;
use ramson_wire::{DestinationKeys, I2npMessage, MessageKind, NetDbKey, RouterHash, Tick, TunnelId};

use super::lane_thread::ENGINE_BACKLOG;
use super::repeated::MAX_TURNS;
use super::{Around, MAX_OUTPUTS, Node, User};
use crate::cpu;
use crate::oracle::answers::{self, Answer, KINDS};
use crate::oracle::quotas::{self, Probe, Tally};
use crate::oracle::{ANSWERS, IDENTITIES_APART};
use crate::trace;

/// The destination that is flooded after a run. Users count theirs from below.
const FLOODED: IdentityId = IdentityId(u32::MAX);
/// Batches for the engine beyond those that make the lane pause: commands, and what is under way then.
const MAILBOX_MORE: usize = 8192;

/// What belonged to others before a message came through a tunnel of a destination.
pub(super) struct Others(Vec<(Owner, u64)>);

impl<U: User> Node<U> {
    /// Before a message is handled. Nothing if it has no owner, or if other things would be done in the same call.
    pub(super) fn others(&self, around: &mut Around<'_>, event: &LaneEvent) -> Option<Others> {
        let LaneEvent::Message { message, .. } = event else { return None };
        if !matches!(message.kind, MessageKind::TUNNEL_DATA | MessageKind::TUNNEL_GATEWAY) {
            return None;
        }
        let tunnel = TunnelId::new(u32::from_be_bytes(*message.body.first_chunk()?))?;
        let owner = self.engine.owner_of_tunnel(tunnel).filter(|owner| *owner != Owner::Router)?;
        if self.engine.has_backlog() || !around.watch.compares_others() {
            return None;
        }
        let others = self
            .owners()
            .into_iter()
            .filter(|other| *other != owner)
            .map(|other| (other, self.engine.fingerprint(other)))
            .collect();
        cpu::forget_work();
        Some(Others(others))
    }

    pub(super) fn owners(&self) -> Vec<Owner> {
        self.opened.iter().map(|id| Owner::Identity(*id)).chain([Owner::Router]).collect()
    }

    /// And after it.
    pub(super) fn compare_others(&self, around: &mut Around<'_>, at: Tick, others: Option<Others>) {
        let Some(Others(others)) = others else { return };
        for (other, before) in others {
            if self.engine.fingerprint(other) != before {
                let what = format!("router {}: a message for one destination changed {}", self.number, name(other));
                around.watch.violated(at, IDENTITIES_APART, what);
            }
        }
        cpu::forget_work();
    }

    /// What comes out of tunnels to a floodfill, for the observer there.
    pub(super) fn show_observer(&self, around: &mut Around<'_>, at: Tick, event: &LaneEvent) {
        let LaneEvent::Message { from, message } = event else { return };
        if message.kind == MessageKind::GARLIC && around.watch.observes(self.number) {
            // From nobody: this router is the tunnel's end itself.
            let from = from.unwrap_or_else(|| self.engine.router_info().hash());
            for asked in self.engine.opened(self.now(at), message) {
                around.watch.asked(self.now(at), self.number, from, message, &asked);
            }
            cpu::forget_work();
        }
    }

    /// What comes out of tunnels to destinations, for the strict peer that looks at everything.
    pub(super) fn show_peer(&self, around: &mut Around<'_>, at: Tick, event: &LaneEvent) {
        for (tunnel, garlic) in around.watch.garlic_for_destinations(self.now(at), self.number, event) {
            if let Some(Owner::Identity(id)) = self.engine.owner_of_tunnel(tunnel)
                && let Some(peeked) = self.engine.peek(id, &garlic)
            {
                around.watch.read(self.now(at), self.number, &peeked);
            }
        }
        cpu::forget_work();
    }

    /// Everything it holds against its limits, its mailbox included.
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        self.lane.bounds(visit);
        self.engine.bounds(visit);
        let waiting = self.waiting_for_engine();
        visit(Bound::new("mailbox", waiting, ENGINE_BACKLOG + MAILBOX_MORE, 0));
    }

    /// Now and then, when all outputs are drained, and whenever much came.
    pub(super) fn look_at_bounds(&self, around: &mut Around<'_>, at: Tick, came: usize) {
        if around.watch.looks_at_bounds(came) {
            self.bounds(&mut |bound| around.watch.held(at, self.number, &bound));
        }
    }

    /// Asks for the destinations here and for keys that nobody has, as a stranger who dials and asks.
    pub(crate) fn ask_for_destinations(&mut self, around: &mut Around<'_>, rng: &mut SeededRng) {
        let at = around.schedule.now();
        for (hash, was_sent) in around.watch.destinations_of(self.number) {
            for kind in KINDS {
                let nobodys = NetDbKey(rng::bytes(rng));
                let nobody = self.answer(around, at, rng, nobodys, kind);
                let known = self.answer(around, at, rng, NetDbKey::from(hash), kind);
                let gives = [("send", u64::from(MessageKind::DATABASE_STORE.0), 0)];
                if known != nobody && !(was_sent && known.outputs == gives) {
                    let what =
                        format!("router {}: {kind:?} for a destination of it gave {known:?}, else {nobody:?}", self.number);
                    around.watch.violated(at, ANSWERS, what);
                }
            }
        }
    }

    /// What comes of a question.
    fn answer(&mut self, around: &mut Around<'_>, at: Tick, rng: &mut SeededRng, key: NetDbKey, kind: LookupKind) -> Answer {
        // Each time somebody else, so that no quota counts.
        let from = RouterHash(rng::bytes(rng));
        let message = answers::question(self.now(at).date, rng::below(rng, u32::MAX), key, from, kind);
        self.answer_to(around, at, Some(from), message)
    }

    /// What comes of a stranger's message. Nobody else learns of it.
    pub(crate) fn answer_to(
        &mut self,
        around: &mut Around<'_>,
        at: Tick,
        from: Option<RouterHash>,
        message: I2npMessage,
    ) -> Answer {
        let now = self.now(at);
        self.engine.handle_timeout(now);
        self.outputs_until_idle(at);
        let event = LaneEvent::Message { from, message };
        let _ = meter::take();
        for event in around.tamper.events(now, vec![event]) {
            self.engine.handle_lane(now, event);
        }
        let (mut answer, mut commands) = (Answer::default(), Vec::new());
        for output in self.outputs_until_idle(at) {
            match output {
                Output::Lane(command) => commands.push(command),
                output => {
                    let ((name, detail), size) = trace::of_engine_output(&output);
                    answer.outputs.push((name, detail, size));
                }
            }
        }
        answer.work = meter::take();
        let commands = around.tamper.commands(now, commands);
        answer.outputs.extend(answers::messages(&commands));
        cpu::forget_work();
        answer
    }

    /// Opens a destination that strangers reach without any tunnel of others, to be flooded.
    pub(crate) fn open_flooded(&mut self, around: &mut Around<'_>, keys: DestinationKeys) {
        let config = DestinationConfig { inbound_length: 0, outbound_length: 0, accept: true, ..DestinationConfig::default() };
        let open = Command::OpenDestination { id: FLOODED, name: "flooded".to_owned(), keys: Box::new(keys), config };
        self.wish(around, open);
    }

    /// And closes it.
    pub(crate) fn close_flooded(&mut self, around: &mut Around<'_>) {
        self.wish(around, Command::CloseDestination { id: FLOODED });
    }

    fn wish(&mut self, around: &mut Around<'_>, command: Command) {
        let at = around.schedule.now();
        around.watch.wishes(at, self.number, std::slice::from_ref(&command));
        self.command_later(around, at, command);
    }

    /// What strangers get who flood the router, and those who flood that destination. The router comes first, or the destination.
    pub(crate) fn flooded(&mut self, around: &mut Around<'_>, rng: &mut SeededRng, router_first: bool) -> Option<[Tally; 2]> {
        let (date, us) = (self.now(around.schedule.now()).date, self.engine.router_info().hash());
        let tunnel = self.engine.tunnels_of(Owner::Identity(FLOODED)).next()?;
        let to_router = quotas::to_router(rng, date, us);
        let to_destination = quotas::to_destination(rng, date, tunnel);
        if router_first {
            let of_router = self.tally(around, to_router);
            Some([of_router, self.tally(around, to_destination)])
        } else {
            let of_destination = self.tally(around, to_destination);
            Some([self.tally(around, to_router), of_destination])
        }
    }

    fn tally(&mut self, around: &mut Around<'_>, probes: Vec<Probe>) -> Tally {
        let (at, mut tally) = (around.schedule.now(), Tally::default());
        for (from, message) in probes {
            tally.add(&self.answer_to(around, at, from, message));
        }
        tally
    }

    /// All that it wants now, what waits to be opened included.
    fn outputs_until_idle(&mut self, at: Tick) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..MAX_TURNS {
            let due = loop {
                match self.engine.poll_output() {
                    Output::Timeout(due) => break due,
                    output => outputs.push(output),
                }
                assert!(outputs.len() < MAX_OUTPUTS, "the engine's outputs never end");
            };
            if due.is_none_or(|due| due > at) {
                break;
            }
            self.engine.handle_timeout(self.now(at));
        }
        outputs
    }
}

fn name(owner: Owner) -> String {
    match owner {
        Owner::Router => "the router".to_owned(),
        Owner::Identity(IdentityId(id)) => format!("destination {id}"),
    }
}
