//! Every object of which a file lies on some device: which files, where, and what the object is called.
//!
//! `scan` fills it from the devices, `index` keeps it in an SQLite file, so that memory stays the same with a million
//! objects and work that was cut off goes on; `object` tells from all files of an object, wherever they lie, which of
//! them count.

mod index;
mod object;
mod scan;

pub use index::{Counts, Index, IndexError, Indexed, State};
pub use object::{Copies, Standing, Version};
pub use scan::{Filter, scan};
