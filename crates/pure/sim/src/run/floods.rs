//! Floods: hostile routers that ask for more than a router can do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use ramson_aes::LayerKeys;
use ramson_crypto::rng;
use ramson_lane::{Class, LaneCommand, LaneConfig, Relay, RelayRole};
use ramson_wire::i2np::{LookupKind, TunnelGateway};
use ramson_wire::{Codec, Date, I2npMessage, MessageId, MessageKind, NetDbKey, RouterHash, TunnelId};

use super::{Plan, Run};
use crate::cpu::{Costs, number};
use crate::oracle::answers::question;
use crate::scenario::{Fault, Flood, FloodOf};

/// Hostile routers of a flood.
const HOSTILE: usize = 16;
/// They are there so long before, to have their sessions.
const HOSTILE_BEFORE: Duration = Duration::from_secs(20);
/// A flood's messages are sent in steps of this.
const STEP: Duration = Duration::from_millis(100);
/// Records of a build request, and the size of one.
const RECORDS: usize = 4;
const RECORD_LEN: usize = 218;
/// A first message of a handshake, without padding.
const GREETING_LEN: usize = 64;
/// What a garlic message to a destination has at least when it opens a session.
const GARLIC_LEN: usize = 200;
const TUNNEL_DATA_LEN: usize = 1028;
/// The hostile tunnel through a victim.
const TUNNEL: u32 = 0x666;

impl Run {
    pub(super) fn plan_flood(&mut self, index: usize, flood: &Flood) {
        let begin = Duration::from_secs(flood.from_secs);
        if self.is_first_flood(index) {
            for _ in 0..HOSTILE {
                self.plan(begin.saturating_sub(HOSTILE_BEFORE), Plan::AddHostile);
            }
        }
        self.plan(begin, Plan::Flood { index });
        let mut victims: Vec<usize> = (0..self.scenario.routers).collect();
        if flood.of_users {
            victims.retain(|router| self.users.are_at(*router));
            rng::shuffle(&mut self.rng, &mut victims);
        }
        victims.truncate(flood.routers);
        self.victims.insert(index, victims);
    }

    /// The same hostile routers are behind all floods.
    fn is_first_flood(&self, index: usize) -> bool {
        let floods = self.scenario.faults.iter().enumerate().filter(|(_, fault)| matches!(fault, Fault::Flood(_)));
        floods.min_by_key(|(_, fault)| fault.begins()).is_some_and(|(first, _)| first == index)
    }

    /// The next step of a flood: what looks right up to where it costs.
    pub(super) fn flood(&mut self, index: usize) {
        let Some(Fault::Flood(flood)) = self.scenario.faults.get(index).cloned() else { return };
        if self.elapsed() >= Duration::from_secs(flood.to_secs) {
            return;
        }
        self.after(STEP, Plan::Flood { index });
        let count = self.capacity(flood.of).saturating_mul(usize::try_from(flood.times_capacity).unwrap_or(0));
        for victim in self.victims.get(&index).cloned().unwrap_or_default() {
            let Some(hash) = self.world.status(victim).map(|status| status.hash) else { continue };
            match flood.of {
                FloodOf::Handshakes => self.knock(victim, count),
                FloodOf::Builds => self.send_all(count, hash, Self::build_request),
                FloodOf::Netdb => self.send_all(count, hash, |run, _| {
                    let (key, asker) = (NetDbKey(rng::bytes(&mut run.rng)), RouterHash(rng::bytes(&mut run.rng)));
                    let id = rng::below(&mut run.rng, u32::MAX);
                    question(run.world.date(), id, key, asker, LookupKind::RouterInfo)
                }),
                FloodOf::Sessions => self.open_sessions(victim, count),
                FloodOf::Transit => {
                    self.lay_tunnel(victim);
                    self.send_all(count, hash, |run, _| run.tunnel_data());
                }
            }
        }
    }

    /// What a router can do of it in one step, if it does nothing else.
    fn capacity(&self, of: FloodOf) -> usize {
        let costs = Costs { scale_percent: u64::from(self.scenario.cpu.scale_percent), ..Costs::measured() };
        let each = match of {
            FloodOf::Builds => costs.of_build_request(),
            FloodOf::Handshakes => costs.of_greeting(),
            FloodOf::Netdb => costs.engine_message() + costs.calls(2),
            FloodOf::Sessions => costs.of_new_session(),
            FloodOf::Transit => {
                let share = LaneConfig::default().transit_bytes_per_sec.unwrap_or(0);
                Duration::from_secs(number(TUNNEL_DATA_LEN)) / u32::try_from(share).unwrap_or(u32::MAX)
            }
        };
        usize::try_from(STEP.as_nanos() / each.as_nanos().max(1)).unwrap_or(0)
    }

    /// From hostile routers in turn.
    fn send_all(&mut self, count: usize, to: RouterHash, message: impl Fn(&mut Self, RouterHash) -> I2npMessage) {
        let senders: Vec<usize> = self.hostile.iter().copied().cycle().take(count).collect();
        for sender in senders {
            let message = message(self, to);
            self.world.command_lane(sender, LaneCommand::Send { to, message, class: Class::Own });
        }
    }

    fn message(&mut self, kind: MessageKind, body: Vec<u8>) -> I2npMessage {
        let id = MessageId(rng::below(&mut self.rng, u32::MAX));
        I2npMessage::new(kind, id, self.expiration(), Bytes::from(body))
    }

    fn expiration(&self) -> Date {
        self.world.date() + Duration::from_secs(10)
    }

    fn build_request(&mut self, victim: RouterHash) -> I2npMessage {
        let mut body = vec![u8::try_from(RECORDS).unwrap_or(0)];
        for _ in 0..RECORDS {
            let mut record: [u8; RECORD_LEN] = rng::bytes(&mut self.rng);
            if let Some((to, from)) = record.first_chunk_mut::<16>().zip(victim.0.first_chunk::<16>()) {
                *to = *from;
            }
            body.extend_from_slice(&record);
        }
        self.message(MessageKind::SHORT_TUNNEL_BUILD, body)
    }

    /// Connections from everywhere, each with a first message that must be opened to be seen as none.
    fn knock(&mut self, victim: usize, count: usize) {
        for _ in 0..count {
            let ip = Ipv4Addr::from(rng::bytes::<4>(&mut self.rng));
            let greeting: [u8; GREETING_LEN] = rng::bytes(&mut self.rng);
            self.world.knock(victim, SocketAddr::from((ip, 40_000)), Bytes::copy_from_slice(&greeting));
        }
    }

    /// Garlic for the victim's destinations, at the gateways that their LeaseSets name.
    fn open_sessions(&mut self, victim: usize, count: usize) {
        let gateways = self.world.gateways(victim);
        let senders: Vec<usize> = self.hostile.iter().copied().cycle().take(count).collect();
        for (sender, (to, tunnel)) in senders.into_iter().zip(gateways.into_iter().cycle()) {
            let mut body = u32::try_from(GARLIC_LEN).unwrap_or(0).to_be_bytes().to_vec();
            body.extend(rng::bytes::<GARLIC_LEN>(&mut self.rng));
            let garlic = self.message(MessageKind::GARLIC, body);
            let body = TunnelGateway { tunnel, message: garlic.encode_long().into() }.to_bytes();
            let message = self.message(MessageKind::TUNNEL_GATEWAY, body);
            self.world.command_lane(sender, LaneCommand::Send { to, message, class: Class::Own });
        }
    }

    /// As if the victim had agreed to a tunnel from anybody to a hostile router. There already: nothing happens.
    fn lay_tunnel(&mut self, victim: usize) {
        let next = self.hostile.first().and_then(|hostile| self.world.status(*hostile)).map(|status| status.hash);
        let (Some(next), Some(tunnel)) = (next, TunnelId::new(TUNNEL)) else { return };
        let relay = Relay {
            tunnel,
            role: RelayRole::Participant { next, next_tunnel: tunnel },
            keys: LayerKeys::new(&[6; 32], &[6; 32]),
            previous: None,
            expires: self.world.now() + Duration::from_secs(600),
        };
        self.world.command_lane(victim, LaneCommand::Install(Box::new(relay)));
    }

    fn tunnel_data(&mut self) -> I2npMessage {
        let mut body: [u8; TUNNEL_DATA_LEN] = rng::bytes(&mut self.rng);
        if let Some(id) = body.first_chunk_mut::<4>() {
            *id = TUNNEL.to_be_bytes();
        }
        self.message(MessageKind::TUNNEL_DATA, body.to_vec())
    }
}
