//! Settings of a tenant: put back as a snapshot has them, and never so that nobody gets in any
//! more.

mod exceptions;
mod hand;
mod restore;

pub use exceptions::exceptions;
pub use hand::{Applied, Hand, Writing, break_glass, called};
pub use restore::{
    RestoreSettings, RestoreSettingsReport, RestoreSettingsRequest, RestoreSettingsWork, WayBack,
    keep_way_back, load, touched, way_back,
};
