//! What is known of each collection of settings: one [`Row`] says how it is read, how its objects
//! become what is kept, how it is put back and after what, how grave a change of it is, and what it
//! means that it is empty. A collection without a row is in no snapshot; a row that lacks one of
//! these does not compile.
//!
//! Deliberately absent: any request, any file, any thought about whether a setting is good. Start
//! at [`Row`]; [`settle`] is where what was read becomes what is kept.

mod row;
mod rows;
mod settle;

pub use row::{
    Ask, Back, Derived, Empty, How, Limit, Naming, Normalizer, Part, PartHow, Principals, Rank,
    Ranks, ReadPart, Reader, Row, Setter, Shape,
};
pub use rows::{Settable, row, rows, setters};
pub use settle::{
    MICROSOFT_TENANT, PART_IDS, Principal, Raw, STARTED, settle, symbol_kind, without_row_ids,
};
