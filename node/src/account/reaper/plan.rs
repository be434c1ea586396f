//! Whose share a container is, and what the answers of servers come to.

use md5::{Digest, Md5};

/// Which of an account's `primaries` reaps the container: all of them are asked the same, and agree.
pub(super) fn share_of(container: &str, primaries: usize) -> usize {
    let digest: [u8; 16] = Md5::digest(container.as_bytes()).into();
    (u128::from_be_bytes(digest) % primaries.max(1) as u128) as usize
}

/// What came of deleting something on all of its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// On most of them it is gone.
    Deleted,
    /// It is gone from some.
    PossiblyRemaining,
    /// None deleted it.
    Remaining,
}

/// Judges the answers; true is a success.
pub(super) fn outcome(answers: &[bool]) -> Outcome {
    let successes = answers.iter().filter(|success| **success).count();
    match (successes, answers.len() - successes) {
        (0, _) => Outcome::Remaining,
        (successes, failures) if successes > failures => Outcome::Deleted,
        _ => Outcome::PossiblyRemaining,
    }
}

/// The whole part of the square root: so many containers at once with so many objects each are `concurrency`.
pub(super) fn each_at_once(concurrency: usize) -> usize {
    concurrency.isqrt().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_pythons() {
        let python = "import hashlib, json\n\
                      print(json.dumps([int(hashlib.md5(c.encode()).hexdigest(), 16) % 3 for c in 'abcü']))";
        let theirs: Vec<usize> =
            serde_json::from_str(&swiftlet_testing::run_python(python, &[], "")).unwrap();
        let ours: Vec<usize> = "abcü".chars().map(|name| share_of(&name.to_string(), 3)).collect();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn most_servers_decide() {
        assert_eq!(outcome(&[true, true, false]), Outcome::Deleted);
        assert_eq!(outcome(&[true, false, false]), Outcome::PossiblyRemaining);
        assert_eq!(outcome(&[true, false]), Outcome::PossiblyRemaining);
        assert_eq!(outcome(&[false, false]), Outcome::Remaining);
        assert_eq!(outcome(&[]), Outcome::Remaining);
        assert_eq!((each_at_once(25), each_at_once(0), each_at_once(8)), (5, 1, 2));
    }
}
