//! Outlook's calendars: events, series with exceptions, views, permissions; and each message that a
//! change of a meeting would send.
//!
//! Deliberately absent: what attendees receive. Their calendars stay as they are; the messages are
//! counted (`Sim::messages_to_attendees`) and not delivered.

pub(crate) mod events;
pub(crate) mod instance;
pub(crate) mod life;
pub(crate) mod permissions;
pub(crate) mod routes;
pub(crate) mod seed;
pub(crate) mod series;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod times;
pub(crate) mod view;
