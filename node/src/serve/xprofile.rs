//! `xprofile`, the one filter of Swift's that there will not be: why, for whoever has it in a pipeline.

/// Its entry point.
pub const NAME: &str = "xprofile";
/// Why there is none.
pub const WHY_NOT: &str = "xprofile profiles Python code, and there is none here: `perf record -p PID` tells where time \
                           goes, /metrics how long requests take";
