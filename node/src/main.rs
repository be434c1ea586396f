//! The `swiftlet` program. Whatever it was called as, `multicall` decides what it does.

use std::process::ExitCode;

/// Requests allocate on one thread and free on another, often; the C library's allocator spends a fifth of a small
/// GET on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages, of which a few small requests then hold two mebibytes each: memory would be two
    // to three times what is used. A kernel that has none to forbid says so, and nothing is lost.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    swiftlet::multicall::main()
}
