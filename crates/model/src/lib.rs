//! The vocabulary of the house: ids, facts of an item, verdicts, alarms, names, limits, `Clock` and
//! `Progress`.
//!
//! Deliberately absent: any I/O, any knowledge of Graph's wire format or of the repository's.
//! Start at [`Facts`], the small record that travels with every stored item, and [`record`], which
//! says how anything stored is read.

mod alarm;
mod canonical;
mod clock;
mod collection_state;
pub mod collections;
mod configuration;
pub mod decision;
mod ending;
mod event;
mod facts;
pub mod limits;
mod names;
pub mod plan;
mod progress;
pub mod record;
mod series;
mod shown;
mod untrusted;
mod verdict;

pub use alarm::{Alarm, AlarmKind, AlarmList, AlarmSeverity};
pub use canonical::canonical;
pub use clock::{Clock, Sleep};
pub use collection_state::CollectionState;
pub use configuration::{
    AuditEntry, ConfigCollection, ConfigObject, Configuration, SymbolNames, is_guid, is_principal,
};
pub use ending::Ending;
pub use event::{Coming, Cursor, Feed, SourceEvent};
pub use facts::{FACTS_VERSION, Facts, FileState, ItemId, ItemKind, MessageState, Pending, Role};
pub use names::{
    MAX_NAME_BYTES, day_folder, digest_id, extension, fit_name, message_name, short_id,
};
pub use progress::{Progress, Silent};
pub use record::{Record, RecordError, Row, Stored};
pub use series::Series;
pub use shown::{shown, shown_bytes, shown_line, without_values};
pub use untrusted::{Line, Untrusted};
pub use verdict::{Judgement, Verdict, VerdictReason};
