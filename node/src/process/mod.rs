//! What a server is as processes: a parent that holds the sockets and has no threads, and the workers it starts;
//! signals, readiness, notifications and privileges as Swift has them. It knows nothing of what is served.

mod notify;
mod parent;
mod priority;
mod privileges;
mod signals;
mod stdio;
mod worker;

pub use notify::{notification_address, notify};
pub use parent::{Outcome, Parent, ProcessError};
pub use priority::Priority;
pub use privileges::{current_user, drop_privileges, raise_limits, user_id};
pub use stdio::leave_terminal;
pub use worker::{Ready, Worker};
