//! What was counted.

use std::io::{self, Write};

/// Counts of one audit.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub accounts: Counts,
    pub account_container_mismatch: u64,
    pub account_object_mismatch: u64,
    pub containers: Counts,
    pub container_count_mismatch: u64,
    pub container_object_mismatch: u64,
    pub objects: Counts,
    pub object_checksum_mismatch: u64,
}

/// What is counted of accounts, of containers and of objects.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    /// How many were looked at.
    pub checked: u64,
    /// Servers that have none.
    pub not_found: u64,
    /// Servers that gave no answer that can be read.
    pub exceptions: u64,
}

impl Tally {
    /// Prints it. What is 0 is left out, but for how many were looked at.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let blocks = [
            (
                "Accounts",
                &self.accounts,
                [
                    ("Container mismatch", self.account_container_mismatch),
                    ("Object mismatch", self.account_object_mismatch),
                ],
            ),
            (
                "Containers",
                &self.containers,
                [
                    ("Count mismatch", self.container_count_mismatch),
                    ("Object mismatch", self.container_object_mismatch),
                ],
            ),
            ("Objects", &self.objects, [("MD5 Mismatch", self.object_checksum_mismatch), ("", 0)]),
        ];
        for (what, counts, mismatches) in blocks {
            writeln!(out, "\n{:>18}: {}", format!("{what} checked"), counts.checked)?;
            let faults = [("Missing Replicas", counts.not_found), ("Exceptions", counts.exceptions)];
            for (name, count) in faults.into_iter().chain(mismatches).filter(|(_, count)| *count > 0) {
                writeln!(out, "{name:>18}: {count}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_none_is_not_told() {
        let mut tally = Tally::default();
        tally.accounts.checked = 1;
        tally.objects = Counts { checked: 3, not_found: 2, exceptions: 0 };
        tally.object_checksum_mismatch = 1;
        let mut told = Vec::new();
        tally.print(&mut told).unwrap();
        assert_eq!(
            String::from_utf8(told).unwrap(),
            "\n  Accounts checked: 1\n\nContainers checked: 0\n\n   Objects checked: 3\n  Missing Replicas: 2\n      \
             MD5 Mismatch: 1\n"
        );
    }
}
