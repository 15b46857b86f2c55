//! x
mod judge;
pub use judge::{Content, judge};
