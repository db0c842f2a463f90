//! The timers of one stream.

use ramson_wire::Tick;

/// What a stream waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The first packet leaves even without data.
    FirstPacket,
    /// The peer's first answer is overdue.
    Connect,
    /// Nothing was acked for long: send again.
    Retransmit,
    /// A NACKed packet may count as lost now.
    Loss,
    /// An ack is owed.
    Ack,
    /// The pacer lets the next packet go, or a small packet has waited long enough.
    Pace,
    /// Tell the peer again that it may go on.
    Unchoke,
    /// Nothing was heard for long.
    Idle,
    /// Nobody holds the stream any more: end it.
    Linger,
}

impl Timer {
    /// In the order in which those due at the same time fire.
    pub(super) const ALL: [Self; 9] = [
        Self::FirstPacket,
        Self::Connect,
        Self::Retransmit,
        Self::Loss,
        Self::Ack,
        Self::Pace,
        Self::Unchoke,
        Self::Idle,
        Self::Linger,
    ];

    fn index(self) -> usize {
        match self {
            Self::FirstPacket => 0,
            Self::Connect => 1,
            Self::Retransmit => 2,
            Self::Loss => 3,
            Self::Ack => 4,
            Self::Pace => 5,
            Self::Unchoke => 6,
            Self::Idle => 7,
            Self::Linger => 8,
        }
    }
}

/// At most one deadline for each [`Timer`].
#[derive(Debug, Default)]
pub(super) struct Timers([Option<Tick>; 9]);

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Option<Tick>) {
        if let Some(slot) = self.0.get_mut(timer.index()) {
            *slot = at;
        }
    }

    pub(super) fn get(&self, timer: Timer) -> Option<Tick> {
        self.0.get(timer.index()).copied().flatten()
    }

    /// Sets the timer, unless it is due earlier already.
    pub(super) fn at_latest(&mut self, timer: Timer, at: Tick) {
        let at = self.get(timer).map_or(at, |set| set.min(at));
        self.set(timer, Some(at));
    }

    /// Clears the timer and says whether it was due.
    pub(super) fn take_due(&mut self, timer: Timer, now: Tick) -> bool {
        let due = self.get(timer).is_some_and(|at| at <= now);
        if due {
            self.set(timer, None);
        }
        due
    }

    pub(super) fn next(&self) -> Option<Tick> {
        self.0.iter().flatten().min().copied()
    }
}
