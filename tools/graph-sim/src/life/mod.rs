//! How a school comes to be, lives and is attacked; what it holds.

pub(crate) mod attack;
pub(crate) mod digest;
pub(crate) mod people;
pub(crate) mod seed;
