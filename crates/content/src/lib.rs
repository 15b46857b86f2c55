//! What a content is, and what became of it: a small record of each version, and the evidence that
//! two records give.
//!
//! A [`ContentExaminer`] is fed with a file's bytes in their order, and gives a [`ContentRecord`]:
//! its form and whether that form's own rules hold, what its main part says, where it looks like
//! noise, and fingerprints by which a later version's trace of it is found. [`judge`] holds two
//! records against each other; no byte of either file is read again.
//!
//! # Laws
//! * Bounded: memory by [`MEMORY_BYTES_MAX`], unpacking by [`UNPACKED_BYTES_MAX`] a file whatever
//!   it declares, parsers by [`STEPS_MAX`], and of long files ever fewer blocks are looked at, from
//!   the beginning to the end. No byte is unpacked twice: members that overlap are not unpacked.
//! * A form counts before noise does: what packs looks like noise and is honest.
//! * Evidence adds up, and each piece of it is a sentence with figures.
//! * No input or output, no clock, and nothing that depends on the host.

mod bytes;
mod examine;
mod form;
mod judge;
mod names;
mod note;
mod record;
mod sketch;
mod text;

pub use examine::{ContentExaminer, MEMORY_BYTES_MAX, examine};
pub use form::{Kind, MainPart, STEPS_MAX, State, UNPACKED_BYTES_MAX};
pub use judge::{Appraisal, Finding, Sameness, Version, judge, sameness};
pub use record::{ContentError, ContentRecord, StoredContent};
pub use text::{Encoding, TextLook};
