//! Quorums: when enough nodes have answered alike, and which of their answers the client gets.
//!
//! Pure functions of statuses and counts; `fanout` and `put` feed them.

/// How many of `n` replicas must agree: half of them, rounded up (Swift lets two replicas do with one).
pub fn quorum_size(n: usize) -> usize {
    n.div_ceil(2)
}

/// Whether `statuses` already settle what the client is told, of `node_count` nodes asked: a quorum of one
/// class of status, 1xx to 4xx. Server errors settle nothing, another node may still do better.
pub fn have_quorum(statuses: &[u16], node_count: usize) -> bool {
    let quorum = quorum_size(node_count);
    statuses.len() >= quorum && (1..=4).any(|class| count_class(statuses, class) >= quorum)
}

/// The place in `statuses` of the answer for the client: the highest status of the first class (2xx, 3xx, 4xx)
/// that `quorum` nodes agree on. `None`: they do not, which the client sees as 503.
///
/// Where they do not agree, `overrides` says how a status may be read instead, and they are counted again. An
/// answer so reinterpreted counts but is never itself chosen: a DELETE that one node did and one did not find
/// (404 read as 204) is answered by the 204 that is real.
pub fn best_response(statuses: &[u16], quorum: usize, overrides: &[(u16, u16)]) -> Option<usize> {
    choose(statuses, quorum, |_| true).or_else(|| {
        let reread: Vec<u16> = statuses.iter().map(|&s| read_as(s, overrides).unwrap_or(s)).collect();
        let is_real = |i: usize| read_as(statuses[i], overrides).is_none();
        if overrides.is_empty() { None } else { choose(&reread, quorum, is_real) }
    })
}

/// How many object servers must be told of the container's servers, so that the container's update is as
/// durable as the object: even where only a quorum of the object servers stored it, a quorum of the container's
/// servers must be named among them; and each container server at least once.
pub fn container_updates_needed(
    container_replicas: usize,
    container_quorum: usize,
    object_replicas: usize,
    object_quorum: usize,
) -> usize {
    (container_quorum + object_replicas).saturating_sub(object_quorum).max(container_replicas)
}

fn read_as(status: u16, overrides: &[(u16, u16)]) -> Option<u16> {
    overrides.iter().find(|(from, _)| *from == status).map(|(_, to)| *to)
}

fn count_class(statuses: &[u16], class: u16) -> usize {
    statuses.iter().filter(|&&s| s / 100 == class).count()
}

fn choose(statuses: &[u16], quorum: usize, eligible: impl Fn(usize) -> bool) -> Option<usize> {
    if statuses.is_empty() {
        return None;
    }
    (2..=4)
        .filter(|&class| count_class(statuses, class) >= quorum)
        .find_map(|class| {
            let of_class = statuses.iter().enumerate().filter(|(i, s)| **s / 100 == class && eligible(*i));
            // the first of the highest: max_by_key would give the last
            of_class.fold(None, |best: Option<(usize, u16)>, (i, &s)| match best {
                Some((_, highest)) if highest >= s => best,
                _ => Some((i, s)),
            })
        })
        .map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DELETE_OVERRIDES: &[(u16, u16)] = &[(404, 204)];

    fn best(statuses: &[u16]) -> Option<u16> {
        best_response(statuses, quorum_size(statuses.len()), &[]).map(|i| statuses[i])
    }

    #[test]
    fn quorum_is_half_rounded_up() {
        assert_eq!([1, 2, 3, 4, 5].map(quorum_size), [1, 1, 2, 2, 3]);
    }

    #[test]
    fn the_class_most_agree_on_answers() {
        assert_eq!(best(&[201, 201, 503]), Some(201));
        assert_eq!(best(&[201, 404, 404]), Some(404));
        assert_eq!(best(&[201, 404, 503]), None);
        assert_eq!(best(&[404, 409, 503]), Some(409));
        assert_eq!(best(&[503, 503, 503]), None);
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn success_goes_before_failure_where_both_have_quorum() {
        assert_eq!(best(&[201, 404]), Some(201));
        assert_eq!(best(&[404, 404, 201, 202]), Some(202));
    }

    #[test]
    fn overrides_count_but_do_not_answer() {
        let delete = |s: &[u16]| best_response(s, quorum_size(s.len()), DELETE_OVERRIDES).map(|i| s[i]);
        assert_eq!(delete(&[204, 404, 503]), Some(204));
        assert_eq!(delete(&[404, 404, 503]), Some(404));
        assert_eq!(delete(&[404, 503, 503]), None);
        assert_eq!(delete(&[404, 409, 503]), Some(409));
    }

    #[test]
    fn container_updates_cover_each_container_server_and_the_failing_object_servers() {
        assert_eq!(container_updates_needed(3, 2, 3, 2), 3);
        assert_eq!(container_updates_needed(3, 2, 4, 2), 4);
        assert_eq!(container_updates_needed(3, 2, 14, 11), 5);
        assert_eq!(container_updates_needed(5, 3, 3, 2), 5);
    }

    proptest! {
        #[test]
        fn an_answer_has_quorum_behind_it(statuses in prop::collection::vec(prop::sample::select(
            vec![200u16, 201, 202, 204, 304, 404, 409, 412, 500, 503, 507]), 1..8)) {
            let quorum = quorum_size(statuses.len());
            if let Some(i) = best_response(&statuses, quorum, &[]) {
                prop_assert!(statuses[i] < 500);
                prop_assert!(count_class(&statuses, statuses[i] / 100) >= quorum);
                prop_assert!(statuses.iter().all(|s| s / 100 != statuses[i] / 100 || *s <= statuses[i]));
            }
            prop_assert_eq!(best_response(&statuses, quorum, &[]).is_some(), have_quorum(&statuses, statuses.len()));
        }

        #[test]
        fn enough_updates_survive_failing_object_servers(rc in 1usize..8, ro in 1usize..20) {
            let needed = container_updates_needed(rc, quorum_size(rc), ro, quorum_size(ro));
            // the worst case: each object server that failed had been given its full share
            let worst_share = needed.div_ceil(ro);
            let lost = (worst_share * (ro - quorum_size(ro))).min(needed);
            prop_assert!(needed >= rc);
            prop_assert!(worst_share > 1 || needed - lost >= quorum_size(rc));
        }
    }
}
