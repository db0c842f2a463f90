//! Hears every event and every span's fields, whatever their level.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::Shared;

pub(crate) struct Listener {
    shared: Shared,
}

impl Listener {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared }
    }
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut line = Line::begin(attributes.metadata());
        attributes.record(&mut line);
        self.shared.check(&line.0);
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut line = Line("a span's field:".to_owned());
        values.record(&mut line);
        self.shared.check(&line.0);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Line::begin(metadata);
        event.record(&mut line);
        self.shared.lock().targets.insert((metadata.target(), *metadata.level()));
        self.shared.check(&line.0);
    }
}

/// A line as a log would show it.
struct Line(String);

impl Line {
    fn begin(metadata: &tracing::Metadata<'_>) -> Self {
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
