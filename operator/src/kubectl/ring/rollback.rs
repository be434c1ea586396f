//! `kubectl swift ring rollback`: the rings of an earlier generation once more, as a new generation.
//!
//! It is a rebalance like any other, and vetted like one: by the very rules that no plan of the operator may break.

use super::diff;
use super::store::{self, Generation};
use crate::cluster::apply::Applier;
use crate::cluster::{Context, observe, rings};
use crate::kubectl::target::{FIELD_MANAGER, Where};
use anyhow::{Context as _, bail};
use swiftlet_plan::check::{Rule, check};
use swiftlet_plan::forecast::compare;
use swiftlet_plan::plan::{HoldReason, Plan, RingGeneration, Step, plan};
use swiftlet_plan::validate::{ValidatedCluster, validate};
use swiftlet_plan::world::{PublishedRing, PublishedRings, World};
use swiftlet_ring::builder::file;
use swiftlet_ring::distribution::slots_needed;

/// What `ring rollback` is told.
#[derive(clap::Args)]
pub struct Options {
    /// The generation to go back to.
    generation: u64,
    /// Publish it although it is not known to be safe: read the reasons first.
    #[arg(long)]
    force: bool,
    /// Say what would happen and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Publishes an earlier generation's rings.
pub async fn run(place: &Where, options: Options) -> anyhow::Result<()> {
    let target = place.target().await?;
    let store = store::read(&target).await?;
    let (current, old) = (store.get(None)?, store.get(Some(options.generation))?);
    if current.number == old.number {
        bail!("generation {} is in use already", old.number);
    }
    let owner = target.owner();
    let context = Context::from_outside(target.connection.client.clone(), FIELD_MANAGER);
    let (observed, live) = observe::observe(&context, &owner, &target.cluster).await?;
    let validation = validate(&observed.desired);
    let Some(cluster) = &validation.cluster else {
        let problems: Vec<String> = validation.problems.iter().map(ToString::to_string).collect();
        bail!("the manifests have problems, mend them first: {}", problems.join("; "));
    };
    if observed.world.rings.as_ref().map(|rings| rings.generation) != Some(current.number) {
        bail!("a new generation was published just now; nothing was changed, try again");
    }
    let next = again(old, current, super::now_s())?;
    show!("{}", diff::text(current, &Generation::new(published(&next), current.number, None)?));

    let publication = Plan { steps: vec![Step::PublishRings(next.clone())], ..Plan::default() };
    let mut against: Vec<String> = silent(&observed.world);
    let violations = check(cluster, &observed.world, &publication);
    let rings =
        violations.iter().filter(|v| [Rule::RingsKeepTheirData, Rule::RebalanceIsSafe].contains(&v.rule));
    against.extend(rings.map(|violation| violation.message.clone()));
    against.extend(undone(cluster, &observed.world, &next, super::now_s()));
    if !against.is_empty() {
        let reasons = against.join("\n- ");
        if !options.force {
            bail!(
                "not safe now, nothing was changed:\n- {reasons}\nWait for it, or --force if you know better"
            );
        }
        eprintln!("forced although:\n- {reasons}");
    }
    if options.dry_run {
        say!("Nothing has been changed.");
        return Ok(());
    }
    let slots = slots_needed(cluster.rings.iter().map(|ring| (ring.part_power, ring.replicas)));
    let applier = Applier::new(&context, &owner, &live);
    let done = rings::publish(&context, &owner, &applier, &next, slots).await;
    done.context("the operator may have published at the same moment; look at kubectl swift ring list")?;
    say!(
        "Generation {} is published: the rings of generation {}. Where the manifests still ask for what came since, \
         the operator builds it again as soon as it may: change them too.",
        next.generation,
        old.number
    );
    Ok(())
}

/// The generation after `current` with the tables of `old`. What moves counts as moved now.
fn again(old: &Generation, current: &Generation, now_s: i64) -> anyhow::Result<RingGeneration> {
    let mut rings = current.published.rings.clone();
    for (name, builder) in &old.builders {
        let Some(before) = current.table(name) else { continue };
        let moves = compare(&before, &builder.ring())
            .with_context(|| format!("ring {name} has another partPower by now: there is no way back"))?;
        let mut builder = builder.clone();
        builder.mark_moved(moves.parts, u64::try_from(now_s).unwrap_or(0));
        rings.insert(name.clone(), PublishedRing { builder: file::write(&builder) });
    }
    let generation = current.number + 1;
    let rings = swiftlet_plan::rings::made_again(&PublishedRings { generation, rings })
        .map_err(anyhow::Error::msg)?;
    Ok(RingGeneration { generation, rings, summary: format!("the rings of generation {} again", old.number) })
}

fn published(next: &RingGeneration) -> PublishedRings {
    let rings =
        next.rings.iter().map(|(name, ring)| (name.clone(), PublishedRing { builder: ring.builder.clone() }));
    PublishedRings { generation: next.generation, rings: rings.collect() }
}

/// What the operator would do about the rings next: it follows the manifests, whoever published what they do not ask for.
fn undone(cluster: &ValidatedCluster, world: &World, next: &RingGeneration, now_s: i64) -> Option<String> {
    let world = World { rings: Some(published(next)), ..world.clone() };
    let next = plan(cluster, &world, now_s);
    let built =
        next.steps.iter().filter(|step| matches!(step, Step::PublishRings(_))).map(ToString::to_string);
    let held = next.held.iter().filter(|held| held.step == "PublishRings" && !is_about_time(held.reason));
    let mut undone = built.chain(held.map(|held| held.message.clone()));
    undone
        .next()
        .map(|what| format!("the manifests ask for something else, so the operator would go on with: {what}"))
}

/// Whether a ring only waits for what every rebalance waits for, and would wait for without the rollback.
fn is_about_time(reason: HoldReason) -> bool {
    matches!(reason, HoldReason::WaitingForNodes | HoldReason::WaitingForQuiet | HoldReason::WaitingForZones)
}

/// Nodes that nobody can tell the rings of: the operator waits for those that answer, a person should know of the others.
fn silent(world: &World) -> Vec<String> {
    let silent = world.nodes.iter().filter(|(_, node)| node.ring_generation.is_none());
    silent
        .map(|(name, _)| format!("node {name} does not answer: nobody knows which rings it holds"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::store::tests::{generation, next};
    use super::*;
    use swiftlet_plan::world::ObservedNode;

    #[test]
    fn the_old_table_comes_back_as_the_next_generation_and_counts_as_moved_now() {
        let first = generation(1, 3);
        let second = next(&first, 4);
        let now_s = 1_800_000_000;
        let third = again(&first, &second, now_s).unwrap();
        assert_eq!(third.generation, 3);
        let third = Generation::new(published(&third), 2, None).unwrap();
        assert_eq!(
            compare(&first.table("object").unwrap(), &third.table("object").unwrap()).unwrap().replicas,
            0
        );
        let mut builder = third.builders["object"].clone();
        builder.set_min_part_hours(24);
        assert_eq!(builder.min_part_secs_left(1_800_000_000), 24 * 3600);
        assert_eq!(builder.secs_until_all_may_move(1_800_000_000), 24 * 3600);
    }

    #[test]
    fn rings_that_came_since_stay() {
        let first = generation(1, 3);
        let mut second = next(&first, 4);
        let ring = second.published.rings["object"].clone();
        second.published.rings.insert("object-1".into(), ring);
        let second = Generation::new(second.published, 1, None).unwrap();
        let third = again(&first, &second, 0).unwrap();
        assert_eq!(third.rings.keys().collect::<Vec<_>>(), ["object", "object-1"]);
        assert_eq!(third.rings["object-1"].builder, second.published.rings["object-1"].builder);
    }

    #[test]
    fn nodes_that_do_not_answer_speak_against_it() {
        let mut world = World::default();
        world.nodes.insert("a".into(), ObservedNode { ring_generation: Some(1), ..ObservedNode::default() });
        world.nodes.insert("b".into(), ObservedNode::default());
        assert_eq!(silent(&world), ["node b does not answer: nobody knows which rings it holds"]);
    }
}
