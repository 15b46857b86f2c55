//! What was backed up comes back: into Microsoft 365 ([`RestoreData`], a plan like any other), or
//! as files into a folder of this host ([`FilesToRestore`]). Either is written down beside the
//! configuration, with who did it.

mod data;
mod files;
mod log;

pub use data::{
    RestoreData, RestoreDataReport, RestoreDataRequest, RestoreDataWork, RestoreInto, addresses,
};
pub use files::{
    FilesReport, FilesRestored, FilesToRestore, RestoreFilesRequest, files_to_restore,
};
pub use strongroom_engine::restore::{
    Action, DataRestorePlan, PlanRow, RestoreOutcome, RestoreReport, RestoredItem,
};
