//! `kubectl swift plan`: what a changed manifest would come to. The operator's own planner is asked, and nothing changes.

mod differences;
pub mod words;

use super::Output;
use super::target::{Connection, FIELD_MANAGER, Target, Where};
use crate::cluster::{Context, observe};
use anyhow::{Context as _, bail};
use k8s_openapi::jiff::Timestamp;
use std::path::{Path, PathBuf};
use swiftlet_plan::documents::Documents;
use swiftlet_plan::forecast::{Assumptions, Forecast, forecast};
use swiftlet_plan::resources::{SwiftCluster, parse_quantity_bytes};
use swiftlet_plan::validate::{Desired, HashPath, ValidatedCluster, Validation, validate};
use swiftlet_plan::world::World;

/// What `plan` is told.
#[derive(clap::Args)]
pub struct Options {
    /// Changed manifests; `-` is standard input. What they do not speak of stays as it is. None: what is declared now.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A Zone that would be deleted.
    #[arg(long, value_name = "ZONE")]
    without_zone: Vec<String>,
    /// What replication moves from or to one device a second.
    #[arg(long, value_name = "BYTES", default_value = "80Mi")]
    rate: String,
    /// Every device that gives or takes, however many.
    #[arg(long)]
    devices: bool,
    /// For people or for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// What is asked of the forecast.
struct Question {
    before: Option<Desired>,
    after: Desired,
    world: World,
}

/// Prints the forecast.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let bytes_per_s =
        parse_quantity_bytes(&options.rate).map_err(|error| anyhow::anyhow!("--rate: {error}"))?;
    let assumptions = Assumptions { device_bytes_per_s: bytes_per_s.max(1), ..Assumptions::default() };
    let documents = read(&options.files)?;
    let connection = place.connect().await?;
    let name = place.cluster.clone().or_else(|| documents.cluster_name().map(str::to_string));
    let found = match &name {
        None => Some(connection.cluster(None).await?),
        Some(name) => {
            let found = connection.api::<SwiftCluster>().get_opt(name).await;
            found.with_context(|| format!("read SwiftCluster {name}"))?
        }
    };
    let mut question = match found {
        Some(cluster) => of_a_cluster(Target { connection, cluster }, &documents).await?,
        None => of_nothing(&connection, &documents)?,
    };
    let now_s = Timestamp::now().as_second();
    delete_zones(&mut question.after, &options.without_zone)?;
    let cluster = valid(validate(&question.after))?;
    question.world.addresses = observe::addresses(&question.after, &question.world);
    question.world.zones_changed_at_s = now_s;
    // The planner is synchronous, and of a large cluster it takes its time.
    let world = question.world.clone();
    let told = tokio::task::spawn_blocking(move || forecast(&cluster, &world, now_s, &assumptions)).await?;
    match options.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&words::json(&told, &assumptions))?),
        Output::Text => {
            show!("{}", differences::text(question.before.as_ref(), &question.after));
            show!("{}", words::text(&told, &question.world, &assumptions, options.devices));
            say!("Nothing has been changed.");
        }
    }
    refused(&told)
}

fn read(files: &[PathBuf]) -> anyhow::Result<Documents> {
    let mut documents = Documents::default();
    for file in files {
        let text = match file == Path::new("-") {
            true => std::io::read_to_string(std::io::stdin()),
            false => std::fs::read_to_string(file),
        };
        let text = text.with_context(|| format!("read {}", file.display()))?;
        documents.read(&file.display().to_string(), &text)?;
    }
    Ok(documents)
}

/// A cluster that exists, changed.
async fn of_a_cluster(target: Target, documents: &Documents) -> anyhow::Result<Question> {
    let context = Context::from_outside(target.connection.client.clone(), FIELD_MANAGER);
    let (observed, _) = observe::observe(&context, &target.owner(), &target.cluster).await?;
    let after = documents.applied_to(&observed.desired)?;
    Ok(Question { before: Some(observed.desired), after, world: observed.world })
}

/// A cluster that is not there yet.
fn of_nothing(connection: &Connection, documents: &Documents) -> anyhow::Result<Question> {
    let mut after = documents.desired()?;
    after.cluster.metadata.namespace = Some(connection.namespace.clone());
    // The operator would make one; which does not matter.
    let made = || HashPath { prefix: String::new(), suffix: "new".to_string() };
    after.hash_path = Some(after.hash_path.unwrap_or_else(made));
    Ok(Question { before: None, after, world: World::default() })
}

fn delete_zones(desired: &mut Desired, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        let Some(zone) = desired.zones.iter_mut().find(|zone| zone.name() == name) else {
            bail!("there is no Zone {name} of SwiftCluster {}", desired.cluster.name());
        };
        zone.metadata.deletion_timestamp = Some(Timestamp::now().to_string());
    }
    Ok(())
}

/// The cluster that can be planned for; a manifest with a mistake ends here.
fn valid(validation: Validation) -> anyhow::Result<ValidatedCluster> {
    let problems: Vec<String> = validation.problems.iter().map(ToString::to_string).collect();
    match validation.cluster {
        Some(cluster) if problems.is_empty() => Ok(cluster),
        _ => bail!("refused:\n{}", problems.join("\n")),
    }
}

/// An error where a person would have to decide.
fn refused(told: &Forecast) -> anyhow::Result<()> {
    let mut needs = told.needs_a_person().map(|held| held.message.clone());
    match needs.next() {
        None => Ok(()),
        Some(first) => {
            let all: Vec<String> = std::iter::once(first).chain(needs).collect();
            bail!("it would stop, and wait for you: {}", all.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubectl::plan::words::tests::cluster;

    #[test]
    fn a_mistake_in_a_manifest_is_an_error_and_a_zone_to_delete_must_be_there() {
        let mut desired = cluster(3, 1);
        assert!(valid(validate(&desired)).is_ok());
        assert!(delete_zones(&mut desired, &["rack9".into()]).is_err());
        delete_zones(&mut desired, &["rack1".into()]).unwrap();
        assert!(desired.zones[0].is_deleting());
        desired.zones[1].spec.devices[0].size = "1X".into();
        let error = valid(validate(&desired)).unwrap_err().to_string();
        assert!(error.contains("Zone rack2: spec.devices[0].size"), "{error}");
    }
}
