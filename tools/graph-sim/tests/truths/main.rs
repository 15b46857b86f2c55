//! What Microsoft documents, asked of the simulator in process: each test names its source.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod ask;
mod calendars;
mod contacts;
mod devices;
mod drives;
mod front_doors;
mod mail;
mod people;
mod sites;
mod tasks;
mod writes;
