//! `swiftlet recover objects`

use super::{Output, devices, tell_problems};
use crate::cli::foreground::runtime;
use crate::recover::inventory::{Filter, Index, scan};
use crate::recover::objects::{ClusterTarget, Credentials, FolderTarget, Options, Report, Target, recover};
use crate::recover::problems::Problems;
use crate::recover::progress::Style;
use crate::web_client::WebClient;
use anyhow::{Context, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use swiftlet_types::Timestamp;

/// The state of a recovery, in the folder that objects go to. Objects' files are never called so.
const STATE: &str = "%recovery.sqlite";
/// The same of one into a cluster, where nothing else is said.
const CLUSTER_STATE: &str = "swiftlet-recover-objects.sqlite";

/// Bring objects back by name: the newest version of each, from whichever device has it sound
#[derive(Args)]
pub(super) struct ObjectsArgs {
    /// Where devices are mounted
    #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
    devices: Vec<String>,
    /// A folder to write them to: ACCOUNT/CONTAINER/OBJECT, and its metadata beside it as OBJECT%.json. Names that no
    /// file can have are written with %
    #[arg(
        long,
        value_name = "FOLDER",
        required_unless_present = "to_cluster",
        conflicts_with = "to_cluster"
    )]
    to: Option<PathBuf>,
    /// The auth URL (v1) of a cluster to put them into; what is there already stays. Its user and key are those in
    /// ST_USER and ST_KEY, or in --credentials
    #[arg(long, value_name = "URL")]
    to_cluster: Option<String>,
    /// A file with the cluster's user in its first line and the key in its second
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Where the state of a recovery into a cluster is kept, to go on after an interruption
    #[arg(long, default_value = CLUSTER_STATE, value_name = "FILE")]
    state: PathBuf,
    /// Only objects of this account
    #[arg(long)]
    account: Option<String>,
    /// Only objects of containers called so
    #[arg(long)]
    container: Option<String>,
    /// Only objects whose names begin so
    #[arg(long)]
    prefix: Option<String>,
    /// Objects that have expired, too; a cluster takes none of them
    #[arg(long)]
    include_expired: bool,
    /// Objects at once
    #[arg(long, default_value_t = 4, value_name = "N")]
    workers: usize,
    /// Say how many there are, and bring none back
    #[arg(long)]
    dry_run: bool,
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

/// Runs it.
pub(super) fn run(args: &ObjectsArgs) -> anyhow::Result<()> {
    let style = Style::for_stderr(args.output == Output::Json);
    let paths =
        args.devices.iter().map(|word| devices::parse_path(word)).collect::<anyhow::Result<Vec<_>>>()?;
    let options = Options {
        now: Timestamp::now(),
        include_expired: args.include_expired,
        workers: args.workers.clamp(1, 256),
        style,
    };
    let mut problems = Problems::default();
    let report = if args.dry_run {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let index = filled(&folder.path().join(STATE), args, &paths, style, &mut problems)?;
        recover(&index, None, &options, &mut problems)?
    } else if let Some(folder) = &args.to {
        let index = filled(&prepared(folder, &paths)?, args, &paths, style, &mut problems)?;
        let target = FolderTarget::new(folder.clone());
        recover(&index, Some(&target), &options, &mut problems)?
    } else {
        let runtime = runtime(None)?;
        let target = cluster(args, runtime.handle().clone())?;
        let index = filled(&args.state, args, &paths, style, &mut problems)?;
        recover(&index, Some(&target as &dyn Target), &options, &mut problems)?
    };
    tell_problems(&problems);
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Text => tell(args, &report),
    }
    match report.objects.damaged + report.objects.found {
        0 => Ok(()),
        left => bail!("{left} objects were not recovered"),
    }
}

/// The inventory at `state`, with all that is on the devices.
fn filled(
    state: &Path,
    args: &ObjectsArgs,
    paths: &[PathBuf],
    style: Style,
    problems: &mut Problems,
) -> anyhow::Result<Index> {
    let filter = Filter {
        account: args.account.clone(),
        container: args.container.clone(),
        prefix: args.prefix.clone(),
    };
    let purpose = serde_json::json!({ "objects": filter, "to": args.to, "to_cluster": args.to_cluster });
    let index = Index::open(state, &purpose.to_string())?;
    scan(&index, paths, &filter, style, problems)?;
    Ok(index)
}

/// Makes the folder that objects go to, which is empty or this recovery's, and on no device; where its state is.
fn prepared(folder: &Path, devices: &[PathBuf]) -> anyhow::Result<PathBuf> {
    super::make_target(folder, devices)?;
    let state = folder.join(STATE);
    let mut entries =
        std::fs::read_dir(folder).with_context(|| format!("{}: cannot list", folder.display()))?;
    if !state.exists() && entries.next().is_some() {
        bail!("{}: it is not empty, and no recovery was begun there", folder.display());
    }
    Ok(state)
}

fn cluster(args: &ObjectsArgs, runtime: tokio::runtime::Handle) -> anyhow::Result<ClusterTarget> {
    let url = args.to_cluster.as_deref().unwrap_or_default();
    if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        bail!("--to-cluster {url}: http://HOST:PORT/auth/v1.0 would be right");
    }
    let credentials = match &args.credentials {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("{}: cannot read", path.display()))?;
            let mut lines = text.lines().map(|line| line.trim().to_owned());
            lines.next().zip(lines.next())
        }
        None => std::env::var("ST_USER").ok().zip(std::env::var("ST_KEY").ok()),
    };
    let Some((user, key)) = credentials else {
        bail!("the cluster's user and key are missing: set ST_USER and ST_KEY, or give --credentials FILE");
    };
    let authorities = std::env::var_os("OS_CACERT").filter(|path| !path.is_empty()).map(PathBuf::from);
    let client = |limits| WebClient::new(authorities.as_deref(), limits);
    Ok(ClusterTarget::connect(client, url, Credentials { user, key }, runtime)?)
}

fn tell(args: &ObjectsArgs, report: &Report) {
    let Report { objects, bytes, encrypted } = report;
    let recovered = if args.dry_run { "to recover" } else { "recovered" };
    println!("{recovered}  {} objects, {bytes} bytes in this run", objects.recovered);
    let rest = [
        (objects.present, "at the target already"),
        (objects.deleted, "deleted"),
        (objects.expired, "expired (--include-expired takes them, too)"),
        (objects.damaged, "damaged: no sound copy is left"),
        (objects.found, "not recovered: run again"),
        (*encrypted, "of those recovered are ciphertext: this cluster encrypted them"),
    ];
    for (count, what) in rest.iter().filter(|(count, _)| *count > 0) {
        println!("{count} {what}");
    }
}
