//! Shard ranges: listing them (GET) and merging them (PUT), both with `X-Backend-Record-Type: shard`.

use super::change::{
    auto_creates, broker_for_change, check_sync_to, ensure_exists, put_answer, update_metadata,
};
use super::get::listing_answer;
use super::head::with_headers;
use crate::container::headers::{KEPT, of_container, requested_policy};
use crate::container::listing;
use crate::container::state::{Done, Job, State};
use crate::database::answer::{of_error, refuse};
use crate::database::body::read_body;
use crate::database::listing::Form;
use crate::database::target::{Depth, says_yes, timestamp};
use crate::database::{Params, Target};
use crate::http::{Headers, Request, Response};
use std::sync::Arc;
use swiftlet_storage::db::{
    ContainerBroker, ContainerInfo, DbState, ListingQuery, ShardQuery, ShardRange, ShardState,
};
use swiftlet_types::listing::{ContainerEntry, Subdir, container_to_xml, to_text};

/// A request for shard ranges, as far as it is one.
pub(super) struct ShardListing {
    record_type: String,
    query: ShardQuery,
    states: Vec<String>,
    /// Only names and bounds are wanted.
    namespaces: bool,
    override_deleted: bool,
    /// In this state of the database every range is wanted, whatever name is asked for.
    unfiltered_in: String,
}

impl ShardListing {
    pub fn of(headers: &Headers, params: &Params, listing: &ListingQuery) -> Result<Self, Response> {
        let word = |name: &str| headers.get_str(name).unwrap_or_default().to_ascii_lowercase();
        let states = params.text("states")?;
        let states = states.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned);
        Ok(Self {
            record_type: word("X-Backend-Record-Type"),
            query: ShardQuery {
                marker: listing.marker.clone(),
                end_marker: listing.end_marker.clone(),
                includes: params.text("includes")?,
                reverse: listing.reverse,
                include_deleted: says_yes(headers, "X-Backend-Include-Deleted"),
                ..ShardQuery::default()
            },
            states: states.collect(),
            namespaces: word("X-Backend-Record-Shard-Format") == "namespace",
            override_deleted: says_yes(headers, "X-Backend-Override-Deleted"),
            unfiltered_in: word("X-Backend-Override-Shard-Name-Filter"),
        })
    }

    /// Whether the answer for a database in this state is shard ranges.
    pub fn is_wanted(&self, state: DbState) -> bool {
        let is_sharded = matches!(state, DbState::Sharding | DbState::Sharded);
        self.record_type == "shard" || self.record_type == "auto" && is_sharded
    }

    pub fn answer(
        mut self,
        broker: &ContainerBroker,
        info: Option<ContainerInfo>,
        form: Form,
    ) -> Result<Done, Response> {
        let is_hidden = info.as_ref().is_none_or(|info| info.is_deleted() && !self.override_deleted);
        let mut headers = of_container(info.as_ref(), is_hidden);
        let Some(info) = info.filter(|_| !is_hidden) else {
            return Err(with_headers(Response::standard(404), headers));
        };
        headers.set("X-Backend-Record-Type", "shard");
        if self.unfiltered_in == "sharded" && info.db_state == DbState::Sharded {
            headers.set("X-Backend-Override-Shard-Name-Filter", "true");
            let states = std::mem::take(&mut self.query.states);
            let include_deleted = self.query.include_deleted;
            self.query = ShardQuery { states, include_deleted, ..ShardQuery::default() };
        }
        self.resolve_states()?;
        headers.set("X-Backend-Record-Shard-Format", if self.namespaces { "namespace" } else { "full" });
        if self.namespaces && self.query.include_deleted {
            return Err(refuse(400, "No include_deleted for namespace GET"));
        }
        if self.namespaces && self.query.include_own {
            return Err(refuse(400, "No auditing state for namespace GET"));
        }
        let ranges = broker.shard_ranges(&self.query).map_err(of_error)?;
        let body = match form {
            Form::Json => listing::shard_ranges(&ranges, !self.namespaces),
            Form::Text => to_text(&names(&ranges)).into(),
            Form::Xml(_) => container_to_xml(broker.container(), &names(&ranges)).into(),
        };
        listing_answer(broker, headers, body, form)
    }

    fn resolve_states(&mut self) -> Result<(), Response> {
        for word in &self.states {
            let states = ShardState::from_word(word).ok_or_else(|| refuse(400, "Bad state"))?;
            self.query.states.extend(states);
            self.query.fill_gaps |= word == "listing" || word == "updating";
            // A shrinking shard looks for who takes its objects, which may be the root itself.
            self.query.include_own |= word == "auditing";
        }
        Ok(())
    }
}

/// The ranges' names as lines: nobody reads shard ranges but as JSON.
fn names(ranges: &[ShardRange]) -> Vec<ContainerEntry<'_>> {
    ranges.iter().map(|range| ContainerEntry::Subdir(Subdir { subdir: range.name.as_str().into() })).collect()
}

/// Whether a PUT brings shard ranges.
pub(in crate::container) fn is_shard_put(request: &Request) -> bool {
    let is_shard = |value: &str| value.eq_ignore_ascii_case("shard");
    request.headers.get_str("X-Backend-Record-Type").is_some_and(is_shard)
        && Target::of(request, Depth::ContainerOrObject).is_ok_and(|target| target.object.is_none())
}

pub(in crate::container) async fn put_shards(
    request: &mut Request,
    state: Arc<State>,
) -> Result<Job, Response> {
    let target = Target::of(request, Depth::Container)?;
    let timestamp = timestamp(&request.headers)?;
    let updates = KEPT.entries(&request.headers, timestamp)?;
    let policy = requested_policy(&request.headers, &state.swift.policies)?;
    let auto_create = auto_creates(&target, &request.headers, &state);
    let ranges = read_ranges(request).await?;
    let device = target.device.clone();
    let work = move || {
        check_sync_to(&updates, &state)?;
        let broker = broker_for_change(&target, &state)?;
        let created = ensure_exists(&broker, auto_create, timestamp, policy)?;
        update_metadata(&broker, updates, &state)?;
        broker.merge_shard_ranges(ranges).map_err(of_error)?;
        let policy = broker.info().map_err(of_error)?.storage_policy_index;
        Ok(put_answer(created, policy)?.into())
    };
    Ok(Job { device, work: Box::new(work) })
}

async fn read_ranges(request: &mut Request) -> Result<Vec<ShardRange>, Response> {
    let body = read_body(request).await?;
    let invalid = |why: String| refuse(400, format!("Invalid body: {why}"));
    let values: Vec<serde_json::Value> =
        serde_json::from_slice(&body).map_err(|error| invalid(error.to_string()))?;
    values.iter().map(|value| ShardRange::from_json(value).map_err(invalid)).collect()
}
