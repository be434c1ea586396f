//! The `swiftlet` program. Whatever it was called as, `multicall` decides what it does.

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// Requests allocate on one thread and free on another, often; the C library's allocator spends a fifth of a small
/// GET on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

unsafe extern "C" {
    fn mi_option_set(option: c_int, value: c_long);
}

/// How many milliseconds the allocator keeps memory that is free; the same number in its second and third versions.
const MI_OPTION_PURGE_DELAY: c_int = 15;

fn main() -> ExitCode {
    // Of huge pages a few small requests would hold two mebibytes each, and memory be two to three times what is used. The
    // allocator is built so that it asks for none; some systems give them unasked. A kernel that has none says so.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let arguments: Vec<_> = std::env::args_os().collect();
    if swiftlet::multicall::is_daemon(&arguments) {
        // A daemon has a moment's use of much, and many of them run beside each other: free memory is the system's at once.
        // SAFETY: it sets a number that the allocator reads atomically, and no other thread runs yet.
        unsafe { mi_option_set(MI_OPTION_PURGE_DELAY, 0) };
    }
    swiftlet::multicall::main(arguments)
}
