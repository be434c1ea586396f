//! `kubectl swift ring list`.

use super::store::{self, Store};
use crate::kubectl::Output;
use crate::kubectl::table::{Table, count, duration};
use crate::kubectl::target::Where;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

/// What `ring list` is told.
#[derive(clap::Args)]
pub struct Options {
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// Prints the generations.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let store = store::read(&place.target().await?).await?;
    match options.output {
        Output::Text => show!("{}", text(&store, super::now_s())),
        Output::Json => say!("{}", serde_json::to_string_pretty(&json(&store))?),
    }
    for damage in &store.damaged {
        eprintln!("cannot be read: {damage}");
    }
    Ok(())
}

fn text(store: &Store, now_s: i64) -> String {
    if store.generations.is_empty() {
        return "No rings yet: the first ones are built once the Zones can hold all replicas.\n".to_string();
    }
    let mut table =
        Table::new(&["GENERATION", "PUBLISHED", "AGE", "RINGS", "DEVICES", "PARTITIONS", "IN USE"]);
    for generation in &store.generations {
        let time = |at_s: i64| Timestamp::from_second(at_s).map(|time| time.to_string()).ok();
        let devices =
            generation.builders.values().map(|builder| builder.devices().count()).max().unwrap_or(0);
        let partitions = generation.builders.values().map(|builder| builder.part_count()).max().unwrap_or(0);
        table.push([
            generation.number.to_string(),
            generation.written_at_s.and_then(time).unwrap_or_else(|| "-".into()),
            generation.written_at_s.map_or("-".into(), |at_s| duration(now_s.saturating_sub(at_s))),
            generation.builders.keys().cloned().collect::<Vec<_>>().join(" "),
            count(devices as u64),
            count(partitions as u64),
            if store.current == Some(generation.number) { "yes" } else { "" }.to_string(),
        ]);
    }
    table.to_string()
}

fn json(store: &Store) -> serde_json::Value {
    let generations = store.generations.iter().map(|generation| {
        let rings = generation.builders.iter().map(|(name, builder)| {
            let ring = json!({
                "devices": builder.devices().count(), "partitions": builder.part_count(),
                "replicas": builder.replicas(), "builderVersion": builder.version(),
            });
            (name.clone(), ring)
        });
        json!({
            "generation": generation.number, "parent": generation.parent, "publishedAt": generation.written_at_s,
            "inUse": store.current == Some(generation.number), "rings": rings.collect::<serde_json::Map<_, _>>(),
        })
    });
    json!({"current": store.current, "generations": generations.collect::<Vec<_>>(), "damaged": store.damaged})
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::{generation, next};
    use super::*;

    #[test]
    fn the_one_in_use_is_marked() {
        let first = generation(1, 3);
        let store = Store { current: Some(2), generations: vec![next(&first, 4), first], damaged: vec![] };
        let text = text(&store, 360);
        let cells: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(cells[1], ["2", "1970-01-01T00:00:00Z", "6m", "object", "4", "64", "yes"]);
        assert_eq!(cells[2][..6], ["1", "1970-01-01T00:00:00Z", "6m", "object", "3", "64"]);
        assert_eq!(json(&store)["generations"][0]["rings"]["object"]["devices"], 4);
    }
}
