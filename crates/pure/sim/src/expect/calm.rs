//! When a network is left in peace.

use std::time::Duration;

use crate::scenario::{Fault, Scenario};

/// What goes on at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The network forms.
    Settling,
    /// A fault lasts, or ended a short while ago.
    Fault,
    /// Neither.
    Calm,
}

/// A scenario's times.
pub(crate) struct Calm {
    settled: Duration,
    disturbed: Vec<(Duration, Duration)>,
    floods: Vec<(Duration, Duration)>,
}

impl Calm {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let grace = Duration::from_secs(scenario.expect.grace_secs);
        Self {
            settled: Duration::from_secs(scenario.expect.settle_secs),
            floods: scenario
                .faults
                .iter()
                .filter(|fault| matches!(fault, Fault::Flood(_)))
                .map(|fault| (fault.begins(), fault.ends()))
                .collect(),
            disturbed: scenario.faults.iter().map(|fault| (fault.begins(), fault.ends() + grace)).collect(),
        }
    }

    /// Whether a flood lasted all the while.
    pub(crate) fn is_flood(&self, from: Duration, to: Duration) -> bool {
        self.floods.iter().any(|(begin, end)| from >= *begin && to <= *end)
    }

    /// Of something that lasted from then to then: it is in calm only if all of it is.
    pub(crate) fn phase(&self, from: Duration, to: Duration) -> Phase {
        if from < self.settled {
            Phase::Settling
        } else if self.disturbed.iter().any(|(begin, end)| from <= *end && to >= *begin) {
            Phase::Fault
        } else {
            Phase::Calm
        }
    }
}
