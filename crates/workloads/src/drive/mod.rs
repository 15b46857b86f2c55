//! OneDrive: items, their content and versions, and the way back.

mod item;
mod read;
mod restore;
mod workload;
mod write;

pub use read::{
    DriveHead, DriveItem, FileHead, changes, download, download_version, drive_is_there, drive_of,
    drives_of, item, versions,
};
pub use workload::{Drives, Libraries};
pub use write::{
    Other, Uploaded, child, create_folder, delete, is_by_session, root, set_place, upload,
};
