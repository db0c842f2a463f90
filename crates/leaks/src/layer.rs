//! Hears every event and every span's fields, whatever their level and target.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::{Shared, THREAD, process};

/// The one subscriber of this process: passes what it hears to those who watch.
pub(crate) struct Listener;

impl Listener {
    /// The watches of this thread get the line, or else those of the process: a leak of a thread that is watched for itself
    /// fails its test and no other. While nobody watches, the line isn't even made.
    fn tell(line: impl FnOnce() -> Line, event: Option<&Metadata<'static>>) {
        // A thread that ends may log when its own record is gone.
        let thread = THREAD.try_with(Shared::clone).ok().filter(Shared::is_watched);
        let Some(shared) = thread.or_else(|| Some(process().clone()).filter(Shared::is_watched)) else { return };
        let Line(line) = line();
        shared.check(&line);
        if let Some(metadata) = event {
            shared.lock().targets.insert((metadata.target(), *metadata.level()));
        }
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let fields = || {
            let mut line = Line::begin(attributes.metadata());
            attributes.record(&mut line);
            line
        };
        Self::tell(fields, None);
        // They needn't be told apart.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let fields = || {
            let mut line = Line("a span's field:".to_owned());
            values.record(&mut line);
            line
        };
        Self::tell(fields, None);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let fields = || {
            let mut line = Line::begin(event.metadata());
            event.record(&mut line);
            line
        };
        Self::tell(fields, Some(event.metadata()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line as a log would show it.
struct Line(String);

impl Line {
    fn begin(metadata: &Metadata<'_>) -> Self {
        Self(format!("{} {}:", metadata.level(), metadata.target()))
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string can't fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
