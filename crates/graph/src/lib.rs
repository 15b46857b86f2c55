//! Microsoft Graph over HTTPS: sign-in with a certificate, throttle budgets, retry, paging, delta,
//! batch, upload sessions.
//!
//! Error policy: an [`Error`] says what failed in one sentence, and its [`ErrorKind`] what a caller
//! may do about it. Temporary failures are retried here and only returned when patience
//! ([`RetryLimits`]) is used up.
//!
//! Deliberately absent: what the answers are used for, constants of any cloud (authority and base
//! URL are settings), and any knowledge of the simulator. Start at [`Client`]; all that it sends
//! goes through a [`Transport`].

mod budget;
mod certificate;
mod client;
mod error;
mod https;
mod inside;
mod pages;
mod reading;
mod settings;
mod sign_in_check;
mod signin;
mod transfer;
mod transport;

pub use budget::{Budget, BudgetReport, Scope};
pub use client::{Client, Request, RetryLimits, Stats};
pub use error::{Error, ErrorKind};
pub use https::Https;
pub use pages::Page;
pub use reading::Unreadable;
pub use settings::{Credential, Settings, TokioClock};
pub use sign_in_check::SignInCheck;
pub use transfer::Download;
pub use transport::{Answering, BodyStream, HttpAnswer, HttpRequest, Transport, TransportError};
