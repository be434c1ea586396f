//! Sending an object's update on to the shard that its name belongs to.

use crate::database::answer::of_error;
use crate::database::target::says_yes;
use crate::http::{Headers, Response};
use swiftlet_storage::db::{ContainerBroker, ShardQuery, ShardState};
use swiftlet_types::names::quote;

/// What the sender of an object's update can do with a redirection.
#[derive(Clone, Copy)]
pub(super) struct Redirect {
    accepted: bool,
    quoted_accepted: bool,
}

impl Redirect {
    /// Reads what the request says.
    pub fn of(headers: &Headers) -> Self {
        Self {
            accepted: says_yes(headers, "X-Backend-Accept-Redirect"),
            quoted_accepted: says_yes(headers, "X-Backend-Accept-Quoted-Location"),
        }
    }

    /// The answer 301 with the shard that has `object` in its range; `None` where there is none, or the sender
    /// cannot be sent on.
    pub fn to_shard(self, broker: &ContainerBroker, object: &str) -> Result<Option<Response>, Response> {
        if !self.accepted {
            return Ok(None);
        }
        let states = ShardState::UPDATING.to_vec();
        let query = ShardQuery { includes: object.to_owned(), states, ..ShardQuery::default() };
        let Some(shard) = broker.shard_ranges(&query).map_err(of_error)?.into_iter().next() else {
            return Ok(None);
        };
        let location = format!("/{}/{object}", shard.name);
        let quoted = quote(&location);
        if quoted != location && !self.quoted_accepted {
            // An old sender would misread it; the row stays here until the sharder moves it.
            return Ok(None);
        }
        let answer = Response::standard(301)
            .with("Location", quoted)
            .with("X-Backend-Location-Is-Quoted", "true")
            .with("X-Backend-Redirect-Timestamp", shard.timestamp.normal());
        Ok(Some(answer))
    }
}
