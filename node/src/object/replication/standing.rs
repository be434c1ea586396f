//! What log lines say of a pass that goes on. Pure.

/// How long it still takes, where so many seconds brought it so far: `10m`.
pub(in crate::object) fn remaining(elapsed_seconds: f64, done: f64) -> String {
    let (length, unit) = match elapsed_seconds / done.max(1e-5) - elapsed_seconds {
        seconds @ ..=60.0 => (seconds, 's'),
        seconds @ ..=3600.0 => (seconds / 60.0, 'm'),
        seconds => (seconds / 3600.0, 'h'),
    };
    format!("{}{unit}", length as i64)
}

/// The lines about suffixes, and about how long partitions took, in seconds, sorted.
pub(in crate::object) fn suffix_lines(checked: u64, hashed: u64, synced: u64, times: &[f32]) -> Vec<String> {
    let percent = |n: u64| n as f64 * 100.0 / checked.max(1) as f64;
    let mut lines = vec![format!(
        "{checked} suffixes checked - {:.2}% hashed, {:.2}% synced",
        percent(hashed),
        percent(synced)
    )];
    if let [min, .., max] | [min @ max] = times {
        let median = times[times.len() / 2];
        lines.push(format!("Partition times: max {max:.4}s, min {min:.4}s, med {median:.4}s"));
    }
    lines
}
