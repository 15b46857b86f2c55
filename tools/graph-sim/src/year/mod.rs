//! What happens in a school, as plain data: a life can be written down, cut short and told again.

mod act;
mod event;
mod files;
mod mail;
mod people;
mod state;
mod things;

pub use act::Life;
pub use event::{Event, FileKey, FolderKey, MailKey, PersonKey};
pub use state::{
    DriveState, FileState, FolderState, LibraryState, MessageState, PersonState, State,
    VersionState,
};
pub use things::{DayState, ListState, PartState, SiteState, ThingState};
