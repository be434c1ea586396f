//! The option `interval`.

use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};

/// `interval`, which was `run_pause` once.
pub(in crate::object) fn interval(o: &Options) -> Result<Duration, OptionError> {
    let (section, old) = (o.section(), o.str("run_pause").is_some());
    if old && o.str("interval").is_some() {
        tracing::warn!("Option {section}/run_pause is deprecated, and ignored beside interval");
    } else if old {
        tracing::warn!("Option {section}/run_pause is deprecated: use interval");
        return o.seconds("run_pause", 30.0);
    }
    o.seconds("interval", 30.0)
}
