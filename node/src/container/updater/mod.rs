//! The container updater: tells accounts what their containers hold, once it changed.

pub mod plan;
pub mod run;

#[cfg(test)]
mod tests;
