//! The account server: Swift's backend API for accounts.

mod handlers;
mod headers;
mod listing;
pub mod server;

pub use server::AccountServer;

#[cfg(test)]
mod tests;
