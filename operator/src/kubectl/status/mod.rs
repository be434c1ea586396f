//! `kubectl swift status`.

mod screen;
mod snapshot;

use super::Output;
use super::target::{Connection, Target, Where};
use snapshot::Snapshot;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// How often `--watch` looks.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Moves to the upper left corner of a terminal and clears what follows.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What `status` is told.
#[derive(clap::Args)]
pub struct Options {
    /// The SwiftCluster, as with --cluster.
    name: Option<String>,
    /// Look again every two seconds until interrupted.
    #[arg(short, long)]
    watch: bool,
    /// Every node, however many there are.
    #[arg(long)]
    all: bool,
    /// For people or for programs; with --watch a line of JSON each time.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// Prints the screen, once or again and again.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let name = options.name.as_deref().or(place.cluster.as_deref());
    let connection = place.connect().await?;
    let first = look(&connection, name).await?;
    show(&first, &options)?;
    if !options.watch {
        return Ok(());
    }
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        match look(&connection, name).await {
            Ok(seen) => show(&seen, &options)?,
            // What is watched may well be how the API server comes back.
            Err(error) => eprintln!("{error:#}"),
        }
    }
}

async fn look(connection: &Connection, name: Option<&str>) -> anyhow::Result<Snapshot> {
    let cluster = connection.cluster(name).await?;
    snapshot::take(&Target { connection: connection.clone(), cluster }).await
}

fn show(seen: &Snapshot, options: &Options) -> anyhow::Result<()> {
    match options.output {
        Output::Json if options.watch => say!("{}", serde_json::to_string(seen)?),
        Output::Json => say!("{}", serde_json::to_string_pretty(seen)?),
        Output::Text => {
            let clear = if options.watch && std::io::stdout().is_terminal() { CLEAR } else { "" };
            show!("{clear}{}", screen::render(seen, options.all));
        }
    }
    Ok(std::io::stdout().flush()?)
}
