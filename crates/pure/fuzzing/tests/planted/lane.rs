//! Faults of the lane.

use ramson_fuzzing::lane::{Border, EndpointBorder, lane_with, tunnel_endpoint_with};
use ramson_lane::{LaneConfig, LaneEvent, LaneOutput};
use ramson_wire::{I2npMessage, TunnelDelivery};

use crate::finds;

#[test]
fn the_limit_on_relays_is_forgotten() {
    struct Unlimited;
    impl Border for Unlimited {
        fn config(&self, config: LaneConfig) -> LaneConfig {
            LaneConfig { max_relays: 1000, ..config }
        }
    }
    finds("lane", |data| lane_with(data, Unlimited));
}

#[test]
fn the_end_of_a_second_session_is_not_told() {
    struct Silent(u32);
    impl Border for Silent {
        fn output(&mut self, output: LaneOutput) -> Option<LaneOutput> {
            let ends = matches!(output, LaneOutput::Event(LaneEvent::Disconnected { .. }));
            self.0 += u32::from(ends);
            Some(output).filter(|_| !(ends && self.0 == 2))
        }
    }
    finds("lane", |data| lane_with(data, Silent(0)));
}

#[test]
fn fragments_are_put_together_in_the_order_in_which_they_came() {
    struct Swapped;
    impl EndpointBorder for Swapped {
        fn delivered(&mut self, mut messages: Vec<(TunnelDelivery, I2npMessage)>) -> Vec<(TunnelDelivery, I2npMessage)> {
            for (_, message) in messages.iter_mut().filter(|(_, message)| message.body.len() > 2000) {
                let mut body = message.body.to_vec();
                body.rotate_left(996);
                message.body = body.into();
            }
            messages
        }
    }
    finds("tunnel_endpoint", |data| tunnel_endpoint_with(data, &mut Swapped));
}
