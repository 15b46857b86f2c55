//! What is known of each collection of settings: one [`Row`] says how it is read, how its objects
//! become what is kept, how it is put back and after what, how grave a change of it is, and what it
//! means that it is empty. A collection without a row is in no snapshot; a row that lacks one of
//! these does not compile.
//!
//! Deliberately absent: any request, any file, any thought about whether a setting is good. Start
//! at [`Row`]; [`normalize`] is where what was read becomes what is kept.

mod normalize;
mod row;
mod rows;

pub use normalize::{
    MICROSOFT_TENANT, PART_IDS, Principal, Raw, STARTED, normalize, symbol_kind, without_row_ids,
};
pub use row::{
    Ask, Back, Derived, Empty, Limit, Naming, Normalizer, Part, PartSetMethod, Principals, Rank,
    Ranks, ReadPart, Reader, Row, SetMethod, Setter, Shape,
};
pub use rows::{Settable, row, rows, setters};
