//! The replication passes that a node's daemons left word of in its recon cache files.

use crate::daemon::ReconCache;
use serde::Serialize;
use serde_json::{Map, Value};

/// The unit in which most daemons tell how long a pass took.
const SECOND_S: f64 = 1.0;
/// That of the daemons of objects.
const MINUTE_S: f64 = 60.0;

/// A pass that was finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// When it began, in Unix seconds, rounded down.
    pub began: i64,
    /// When it ended, in Unix seconds, rounded down.
    pub ended: i64,
}

/// The last one of the replicator of databases that writes to `recon`.
pub(super) fn of_databases(recon: &ReconCache) -> Option<Pass> {
    pass(&recon.figures(), "replication", SECOND_S)
}

/// The last one over all objects. With fragments it is the replicator's and the reconstructor's together: it began when
/// the first of them began, and is none before both ended one.
pub(super) fn of_objects(recon: &ReconCache, has_fragments: bool) -> Option<Pass> {
    let figures = recon.figures();
    let replicated = pass(&figures, "object_replication", MINUTE_S)?;
    if !has_fragments {
        return Some(replicated);
    }
    let reconstructed = pass(&figures, "object_reconstruction", MINUTE_S)?;
    Some(Pass {
        began: replicated.began.min(reconstructed.began),
        ended: replicated.ended.max(reconstructed.ended),
    })
}

/// The pass of `<what>_last`, when it ended, and `<what>_time`, how long it took.
fn pass(figures: &Map<String, Value>, what: &str, unit_s: f64) -> Option<Pass> {
    let figure = |name: &str| figures.get(&format!("{what}_{name}"))?.as_f64();
    let (ended, took) = (figure("last")?, figure("time")?);
    // a float's way to an integer stops at the integer's ends
    (ended > 0.0 && took >= 0.0)
        .then(|| Pass { began: (ended - took * unit_s).floor() as i64, ended: ended as i64 })
}
