//! `kubectl swift status`.

pub mod node;
mod screen;
mod snapshot;

use super::Output;
use super::target::Where;
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
    loop {
        let cluster = connection.cluster(name).await?;
        let target = super::target::Target { connection: connection.clone(), cluster };
        let seen = snapshot::take(&target).await?;
        let mut text = match options.output {
            Output::Json if options.watch => serde_json::to_string(&seen)?,
            Output::Json => serde_json::to_string_pretty(&seen)?,
            Output::Text => screen::render(&seen, options.all),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let mut stdout = std::io::stdout().lock();
        if options.watch && options.output == Output::Text && stdout.is_terminal() {
            stdout.write_all(CLEAR.as_bytes())?;
        }
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        drop(stdout);
        if !options.watch {
            return Ok(());
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}
