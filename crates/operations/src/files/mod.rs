//! Files of this host that the program relies on or makes: whose they are, who else may change
//! them, and what must not lie in their place.

pub mod cache;
mod owned;
pub mod rebuilding;
pub mod written;

pub use owned::Accounts;
