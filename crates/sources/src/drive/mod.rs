//! OneDrive: items, their content and versions, and the way back.

mod read;
mod write;

pub use read::{
    DriveHead, DriveItem, FileHead, Version, changes, download, download_version, drive_is_there,
    drive_of, drives_of, item, versions,
};
pub use write::{Uploaded, child, create_folder, delete, root, set_place, upload};
