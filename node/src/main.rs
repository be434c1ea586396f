//! The `swiftlet` program. Whatever it was called as, `multicall` decides what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    swiftlet::multicall::main()
}
