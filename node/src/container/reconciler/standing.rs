//! Which policy a container has, where its replicas may disagree.

use super::super::policy_choice::{Standing, is_remote_right};
use crate::http::Headers;
use swiftlet_types::Timestamp;

/// The policy that these replicas come to agree on, each being what one server says of the container.
pub(super) fn agreed_policy(replicas: &[Headers]) -> Option<u32> {
    let mut told = replicas.iter().filter_map(read);
    let first = told.next()?;
    let best = told.fold(first, |best, other| if is_remote_right(&best.1, &other.1) { other } else { best });
    Some(best.0)
}

fn read(headers: &Headers) -> Option<(u32, Standing)> {
    let time = |name| headers.get_str(name).and_then(|text| text.parse().ok()).unwrap_or(Timestamp::ZERO);
    let standing = Standing {
        put_timestamp: time("X-Backend-PUT-Timestamp"),
        delete_timestamp: time("X-Backend-DELETE-Timestamp"),
        status_changed_at: time("X-Backend-Status-Changed-At"),
        // not told of one that is deleted, and of no matter for any other
        object_count: 0,
    };
    Some((headers.get_str("X-Backend-Storage-Policy-Index")?.trim().parse().ok()?, standing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(
        policy: &'static str,
        put: &'static str,
        delete: &'static str,
        changed: &'static str,
    ) -> Headers {
        let mut headers = Headers::new();
        headers.set("X-Backend-Storage-Policy-Index", policy);
        headers.set("X-Backend-PUT-Timestamp", put);
        headers.set("X-Backend-DELETE-Timestamp", delete);
        headers.set("X-Backend-Status-Changed-At", changed);
        headers
    }

    #[test]
    fn the_policy_that_was_set_first_stands() {
        let (early, late) = (replica("1", "1", "0", "1"), replica("0", "2", "0", "2"));
        assert_eq!(agreed_policy(&[late.clone(), early.clone(), late.clone()]), Some(1));
        let recreated = replica("2", "4", "3", "4");
        assert_eq!(agreed_policy(&[early, recreated, late]), Some(2));
        assert_eq!(agreed_policy(&[Headers::new()]), None);
    }
}
