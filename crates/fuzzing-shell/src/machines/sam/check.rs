//! What has to hold of the bridge: at any time, and at the end.

use std::time::Duration;

use ramson_wire::{Destination, DestinationHash, DestinationKeys};
use tokio::task::yield_now;

use super::client::Left;
use super::transcript::{Carried, Standing, key};
use super::{IDS, MAX_CONNECTIONS, MAX_SESSIONS, World, stream_bytes};
use crate::machines::network::Line;
use crate::machines::pipe::Ending;
use crate::machines::{Border, tasks};

/// Longer than anything waits in the bridge.
const LONG: Duration = Duration::from_secs(700);
/// The label of the destination that stays for look-ups.
const LOOKUPS: &str = "sam-lookups";

impl<B: Border> World<'_, B> {
    /// At any time.
    pub(super) fn check(&mut self) {
        assert!(self.clients.iter().all(|client| !client.program.panicked()), "a connection's task panicked");
        assert!(tasks() <= MAX_CONNECTIONS + 1, "{} tasks", tasks());
        let open = || self.network.identities.values().filter(|identity| identity.open && identity.name != LOOKUPS);
        if !self.network.stalled {
            assert!(open().count() <= MAX_SESSIONS, "more sessions than there may be");
            let mut hashes: Vec<_> = open().map(|identity| identity.destination.hash()).collect();
            hashes.sort_unstable();
            assert!(hashes.windows(2).all(|two| two[0] != two[1]), "two sessions of one destination");
        }
        for client in &mut self.clients {
            client.look();
        }
        for at in 0..self.clients.len() {
            self.check_session(at);
            self.check_stream(at);
        }
    }

    /// A session's answer tells its own keys, and came after its tunnels.
    fn check_session(&self, at: usize) {
        let Some((id, keys)) = &self.clients[at].transcript.session else { return };
        let hash = DestinationKeys::from_base64(keys).expect("keys").destination().hash();
        let mut own = self.network.identities.values().filter(|identity| identity.destination.hash() == hash);
        assert!(own.any(|identity| identity.ready && identity.name == "sam"), "a session {id:?} that never was ready");
    }

    fn check_stream(&mut self, at: usize) {
        let client = &self.clients[at];
        let Standing::Stream(carried) = &client.transcript.standing else { return };
        let (data, payload) = (&client.got[carried.got_from..], &client.sent[carried.sent_from..]);
        let whole = client.reading && client.program.ended() && client.left != Left::Closed && client.left != Left::Reset;
        let ended = whole && self.border.ending(Ending::Closed) == Ending::Closed
            || client.program.ending() == Some(Ending::Aborted) && self.border.ending(Ending::Aborted) == Ending::Closed;
        let [high, low, ..] = data else {
            let quiet = |line: &Line| line.ended && line.delivered.len() <= 1 && self.is_of(carried, line);
            assert!(carried.silent || !ended || self.network.lines.iter().any(quiet), "a stream without an end was closed");
            return;
        };
        let number = usize::from(*high) << 8 | usize::from(*low);
        let line = self.network.lines.get(number).expect("a stream that is known");
        assert!(self.is_of(carried, line), "bytes of a stream of another session");
        assert!(data.len() <= line.delivered.len(), "more bytes than came");
        assert!(data == stream_bytes(number, 0, data.len()), "other bytes than came");
        assert!(!ended || line.ended && data.len() == line.delivered.len(), "a part looks like the whole");
        assert!(payload.starts_with(&line.taken), "other bytes than the client's");
        if line.finished {
            assert!(line.taken == payload && client.left != Left::No, "a part looks like the whole to the peer");
        }
    }

    /// The line may be the one that the client asked for.
    fn is_of(&self, carried: &Carried, line: &Line) -> bool {
        let command = &carried.command;
        let (Some(identity), Some(id)) = (self.network.identities.get(&line.identity), key(command, "ID")) else { return false };
        let hash = identity.destination.hash();
        let accepts = command.action == "ACCEPT";
        let from_there = carried.from.as_ref().is_none_or(|from| self.is_from(from, line));
        let there = accepts || key(command, "DESTINATION").and_then(|name| self.hash_of(name)) == Some(line.peer);
        accepts == line.incoming && from_there && there && self.may_be(id, hash)
    }

    /// Somebody asked for a session of that name with that destination, and nobody was told otherwise.
    fn may_be(&self, id: &str, hash: DestinationHash) -> bool {
        let public = |keys: &str| Some(DestinationKeys::from_base64(keys).ok()?.destination().hash());
        let fixed = self.cast.own_public.iter().any(|own| own.hash() == hash);
        let transcripts = || self.clients.iter().map(|client| &client.transcript);
        let mut wishes = transcripts().flat_map(|transcript| &transcript.wishes).filter(|(name, _)| name == id);
        let wanted = |keys: &str| if fixed { public(keys) == Some(hash) } else { keys == "TRANSIENT" };
        let mut told = transcripts().filter_map(|transcript| transcript.session.as_ref());
        wishes.any(|(_, keys)| wanted(keys)) && (fixed || told.all(|(name, keys)| name == id || public(keys) != Some(hash)))
    }

    fn hash_of(&self, name: &str) -> Option<DestinationHash> {
        self.cast.names.resolve(name).ok().map(|target| target.hash())
    }

    fn is_from(&self, said: &str, line: &Line) -> bool {
        let mut words = said.split(' ');
        let destination = words.next().and_then(|text| Destination::from_base64(text).ok());
        let ports: Vec<_> = words.collect();
        let named = ports.is_empty() || ports == [format!("FROM_PORT={}", line.ports.0), format!("TO_PORT={}", line.ports.1)];
        destination.is_some_and(|from| from.hash() == line.peer) && named
    }

    /// Everything is answered in time, and everything ends with its clients.
    pub(super) async fn end(&mut self) {
        self.network.stalled = false;
        self.network.lines.iter_mut().for_each(|line| line.held = false);
        self.clients.iter_mut().for_each(|client| client.reading = true);
        self.rest().await;
        for client in &self.clients {
            let standing = &client.transcript.standing;
            let lives = client.program.ending().is_none();
            let refused = !lives && client.program.taken() == 0 && self.clients.len() > MAX_CONNECTIONS;
            if !refused && client.left == Left::No && !self.dropped && !self.network.stopped {
                let waits = matches!(standing, Standing::Asked(line) if line.action != "ACCEPT" || !lives);
                assert!(!waits, "no answer: {standing:?}");
                let silent = standing == &Standing::Idle && !client.sent.contains(&b'\n');
                assert!(lives || silent || standing != &Standing::Idle, "closed without a reason");
                assert!(!lives || standing != &Standing::Over, "left open");
            }
        }
        for (at, client) in self.clients.iter_mut().enumerate() {
            if at % 3 == 0 { client.reset() } else { client.close() }
        }
        self.rest().await;
        self.check_empty();
        if !self.dropped && !self.network.stopped {
            self.all_is_free().await;
        }
        self.server.abort();
        self.dropped = true;
        self.rest().await;
        self.network.check_empty("");
    }

    async fn rest(&mut self) {
        for _ in 0..3 {
            self.turn().await;
            self.network.give_up();
            self.pass(LONG).await;
        }
        self.turn().await;
        yield_now().await;
    }

    fn check_empty(&self) {
        assert_eq!(tasks(), usize::from(!self.dropped), "tasks are left");
        self.network.check_empty(LOOKUPS);
    }

    /// Names and destinations of sessions that ended can be used again, as many as there may be.
    async fn all_is_free(&mut self) {
        self.clients.clear();
        for (at, id) in IDS.iter().enumerate().take(MAX_SESSIONS) {
            self.open(255).await;
            let keys = &self.cast.own[at];
            let line = format!("SESSION CREATE STYLE=STREAM ID=\"{id}\" DESTINATION={keys}\n");
            self.say(u8::try_from(at).unwrap_or(0), line.as_bytes(), 0);
            self.turn().await;
        }
        for which in 0..=u8::try_from(MAX_SESSIONS).unwrap_or(0) {
            self.network.ready(which);
        }
        self.turn().await;
        assert!(self.clients.iter().all(|client| client.transcript.session.is_some()), "an ended session is in the way");
        self.clients.iter_mut().for_each(super::Client::close);
        self.rest().await;
        self.check_empty();
    }
}
