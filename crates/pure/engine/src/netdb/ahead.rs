//! The second place of a publication shortly before midnight (UTC): the floodfills that are the closest from then on, so that whoever
//! looks after midnight, or has a clock that is ahead, finds there what was published the day before.

use std::time::Duration;

use ramson_wire::{Date, Now, Tick};

use super::publish::Publication;
use super::shared::{Asker, Shared};

/// Each owner goes there at its own time in the first part of the window: one of so many.
const PART: u64 = 3;

/// Counts a day, waits for its window, and keeps the copy in step with what is published.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    day: u64,
    /// When the window opens for this owner; none if it is open, or not known yet.
    opens: Option<Tick>,
    copy: Option<Publication>,
}

impl Ahead {
    pub(super) fn publication(&self) -> Option<&Publication> {
        self.copy.as_ref()
    }

    pub(super) fn publication_mut(&mut self) -> Option<&mut Publication> {
        self.copy.as_mut()
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        [self.opens, self.copy.as_ref().and_then(Publication::deadline)].into_iter().flatten().min()
    }

    /// Sends what is due.
    pub(super) fn step(&mut self, shared: &mut Shared, now: Now, asker: &mut Asker<'_>, main: Option<&Publication>) {
        let Some(main) = main else {
            return;
        };
        let day = now.date.day();
        if self.day != day {
            // Yesterday's copy is today's publication.
            *self = Self { day, opens: Some(opening(shared, now, main.window())), copy: None };
        }
        if self.opens.is_some_and(|opens| opens > now.tick) {
            return;
        }
        if self.opens.take().is_some() && next_midnight(now.date).saturating_since(now.date) > main.window() {
            // The clock went back since the window was planned.
            self.opens = Some(opening(shared, now, main.window()));
            return;
        }
        if let Some(entry) = main.lasting_beyond(next_midnight(now.date)) {
            match &mut self.copy {
                Some(copy) if copy.is_older_than(main) => copy.replace(now, entry),
                Some(_) => {}
                None => self.copy = Some(Publication::ahead(now, entry)),
            }
        }
        if let Some(copy) = &mut self.copy {
            copy.step(shared, now, asker);
        }
    }
}

/// The first millisecond of the next day.
pub(super) fn next_midnight(now: Date) -> Date {
    Date((now.day() + 1) * 86_400_000)
}

/// When this owner's window opens; at some moment soon if it is open already.
fn opening(shared: &mut Shared, now: Now, window: Duration) -> Tick {
    let until_midnight = next_midnight(now.date).saturating_since(now.date);
    let part = u64::try_from(window.min(until_midnight).as_millis()).unwrap_or(0) / PART;
    now.tick + until_midnight.saturating_sub(window) + shared.draw_ms((0, part))
}
