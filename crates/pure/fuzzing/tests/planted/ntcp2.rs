//! Faults of sessions.

use ramson_fuzzing::ntcp2::watched::Border;
use ramson_fuzzing::ntcp2::{data_phase_with, initiator_with, responder_with};
use ramson_transport::ntcp2::Event;

use crate::finds;

#[test]
fn a_responder_forgets_first_messages() {
    struct Forgetful;
    impl Border for Forgetful {
        fn remembers(&self) -> bool {
            false
        }
    }
    finds("ntcp2_responder", |data| responder_with(data, &mut Forgetful));
}

#[test]
fn an_initiator_loses_its_deadline_once_established() {
    struct Tireless(bool);
    impl Border for Tireless {
        fn event(&mut self, event: Event) -> Option<Event> {
            self.0 |= matches!(event, Event::Established { .. });
            Some(event)
        }
        fn deadline(&mut self, deadline: Option<ramson_wire::Tick>) -> Option<ramson_wire::Tick> {
            deadline.filter(|_| !self.0)
        }
    }
    finds("ntcp2_initiator", |data| initiator_with(data, &mut Tireless(false)));
}

#[test]
fn the_second_message_of_a_session_comes_twice() {
    struct Stuttering(Option<Event>, u32);
    impl Border for Stuttering {
        fn event(&mut self, event: Event) -> Option<Event> {
            if let Event::Message(message) = &event {
                self.1 += 1;
                if let (2, Some(first)) = (self.1, self.0.take()) {
                    return Some(first);
                }
                self.0 = Some(Event::Message(message.clone()));
            }
            Some(event)
        }
    }
    finds("ntcp2_data", |data| data_phase_with(data, &mut Stuttering(None, 0)));
}
