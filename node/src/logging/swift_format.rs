//! Log lines as Swift's `SwiftLogFormatter` writes them: `<log_name>: <message> (txn: <id>)`.

use super::Line;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Formats events and hands the lines to a sink.
pub(super) struct SwiftLayer<F> {
    name: String,
    sink: F,
}

impl<F: Fn(Level, &str)> SwiftLayer<F> {
    pub(super) fn new(name: &str, sink: F) -> Self {
        Self { name: name.to_owned(), sink }
    }
}

/// The transaction id of a span.
struct Txn(String);

struct FindTxn(Option<String>);

impl Visit for FindTxn {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "txn" {
            self.0 = Some(format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "txn" {
            self.0 = Some(value.to_owned());
        }
    }
}

impl<S, F> Layer<S> for SwiftLayer<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: Fn(Level, &str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = FindTxn(None);
        attributes.record(&mut found);
        if let (Some(txn), Some(span)) = (found.0.filter(|txn| !txn.is_empty()), context.span(id)) {
            // The same that the layer of another log may have put there.
            span.extensions_mut().replace(Txn(txn));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let mut text = format!("{}: {}{}", self.name, line.message, line.fields).replace('\n', "#012");
        let txn = context
            .event_scope(event)
            .into_iter()
            .flatten()
            .find_map(|span| span.extensions().get::<Txn>().map(|txn| txn.0.clone()));
        // An access log line has the id in it.
        if let Some(txn) = txn.filter(|txn| !text.contains(txn.as_str())) {
            text.push_str(&format!(" (txn: {txn})"));
        }
        (self.sink)(*event.metadata().level(), &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn lines_carry_name_and_transaction() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = lines.clone();
        let layer = SwiftLayer::new("object-server", move |level, line: &str| {
            sink.lock().push(format!("{level} {line}"))
        });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("plain");
            let span = tracing::info_span!("request", txn = "tx1");
            let _entered = span.enter();
            tracing::error!(device = "sda", "two\nlines");
            tracing::info!("already has tx1");
        });
        assert_eq!(
            *lines.lock(),
            [
                "INFO object-server: plain",
                "ERROR object-server: two#012lines device: sda (txn: tx1)",
                "INFO object-server: already has tx1"
            ]
        );
    }
}
