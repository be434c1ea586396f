//! The `swiftlet` program. Whatever it was called as, `multicall` decides what it does.

fn main() {}
