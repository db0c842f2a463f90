//! Routers that aren't driven by threads of their own: one whose engine runs in a simulated network, say. Their handles
//! are the usual [`Router`], so that every service works over them.
//!
//! Who owns the engine passes it what [`Desk::take_commands`] gives, and passes its events to [`Desk::handle_event`];
//! lane, sockets, clock and disk are its own affair.

use std::sync::Arc;

use bytes::Bytes;
use ramson_engine::Progress;
pub use ramson_engine::{Command, Event};
use ramson_wire::RouterHash;
use tokio::sync::watch;

use crate::mailbox::Mailbox;
use crate::router::Router;
use crate::routes::{Meaning, Routes, ToEngine};
use crate::storage::Trouble;

/// Where the wishes of a router's handles arrive, and its events go out to them. Dropping it ends the router for all of them.
pub struct Desk {
    mailbox: Arc<Mailbox<ToEngine>>,
    /// None: the router was stopped.
    routes: Option<Routes>,
    /// For the engine, at the next asking.
    commands: Vec<Command>,
}

impl Desk {
    /// A desk and the router that it serves. `wake` is called, from any thread, when there is something to take after
    /// there was nothing.
    #[must_use]
    pub fn new(hash: RouterHash, router_info: Bytes, wake: impl Fn() + Send + Sync + 'static) -> (Self, Router) {
        let mailbox = Arc::new(Mailbox::with_bell(Box::new(wake)));
        let (sender, progress) = watch::channel(Progress::NoRouters);
        let router = Router::new(hash, router_info, Arc::clone(&mailbox), progress, Trouble::default(), Vec::new());
        (Self { mailbox, routes: Some(Routes::new(sender)), commands: Vec::new() }, router)
    }

    /// What the engine is to be told now, in this order. The last, after [`Router::shutdown`], close all destinations.
    pub fn take_commands(&mut self) -> Vec<Command> {
        let mut letters = Vec::new();
        self.mailbox.take(&mut letters);
        for letter in letters {
            let Some(routes) = &mut self.routes else {
                letter.refuse();
                continue;
            };
            match routes.read(letter) {
                Meaning::Command(command) => self.commands.push(command),
                Meaning::Stop => {
                    self.commands.extend(routes.close_all());
                    self.routes = None;
                }
                // The lane's news take no way through this mailbox.
                Meaning::Lane(_) => {}
            }
        }
        std::mem::take(&mut self.commands)
    }

    /// Takes what the engine says. There may be something to take for it afterwards.
    pub fn handle_event(&mut self, event: Event) {
        if let Some(routes) = &mut self.routes {
            self.commands.extend(routes.deliver(event));
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.routes = None;
        self.mailbox.close().into_iter().for_each(ToEngine::refuse);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ramson_engine::{CloseReason, DestinationConfig, IdentityId};
    use ramson_leaks::{Watched, watch_process};
    use ramson_wire::DestinationHash;

    use super::*;

    fn desk() -> (Watched<Desk>, Router, Arc<AtomicUsize>) {
        let rung = Arc::new(AtomicUsize::new(0));
        let bell = Arc::clone(&rung);
        let (desk, router) = Desk::new(RouterHash([1; 32]), Bytes::from_static(b"info"), move || {
            bell.fetch_add(1, Ordering::Relaxed);
        });
        (watch_process().over(desk), router, rung)
    }

    fn open(router: &Router) -> crate::Destination {
        router.open("test", crate::new_destination().unwrap(), DestinationConfig::default())
    }

    #[tokio::test]
    async fn wishes_reach_the_engine_and_its_events_the_handles() {
        let (mut desk, router, rung) = desk();
        let destination = open(&router);
        let other = open(&router);
        assert_eq!(rung.load(Ordering::Relaxed), 1, "one call for all that waits");
        let commands = desk.take_commands();
        let [Command::OpenDestination { id, .. }, Command::OpenDestination { id: second, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert_ne!(id, second);
        desk.handle_event(Event::DestinationReady { id: *id });
        destination.ready().await.unwrap();
        let (looking, answering) = (other.lookup(DestinationHash([2; 32])), async {
            let commands = desk.take_commands();
            let [Command::LookupDestination { request, .. }] = commands[..] else { panic!("{commands:?}") };
            desk.handle_event(Event::LookupResult { request, destination: Some(Box::new(destination.address().clone())) });
        });
        let (found, ()) = tokio::join!(looking, answering);
        assert_eq!(found.unwrap().hash(), destination.address().hash());
        assert_eq!(rung.load(Ordering::Relaxed), 2);
        desk.handle_event(Event::Progress(Progress::Ready));
        assert_eq!(*router.progress().borrow(), Progress::Ready);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_router_that_ended() {
        let (mut desk, router, _) = desk();
        let destination = open(&router);
        assert_eq!(desk.take_commands().len(), 1);
        router.shutdown();
        let commands = desk.take_commands();
        assert!(matches!(commands[..], [Command::CloseDestination { id: IdentityId(1) }]), "{commands:?}");
        assert!(destination.ready().await.is_err());
        assert!(router.progress().changed().await.is_err());
        let late = destination.open_stream(DestinationHash([2; 32]), 0, 0);
        assert!(desk.take_commands().is_empty());
        assert_eq!(late.connected().await, Err(CloseReason::Shutdown));
        drop(desk);
        assert!(router.status().await.is_err());
    }
}
