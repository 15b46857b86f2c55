//! The attacks, one file for each kind of attacker.

mod bucket;
mod clock;
mod config;
mod copy2;
mod copy2_msp;
mod copy2_server;
mod custodian;
mod host;
mod local_user;
mod machine;
mod microsoft;
mod net;
mod reader;
mod recovery;
mod settings;
mod token;

use crate::{
    arena::Arena,
    case::{Case, Class, Origin},
};

/// All of them.
pub(crate) const ALL: &[&Class] = &[
    &token::CLASS,
    &reader::CLASS,
    &net::CLASS,
    &copy2::CLASS,
    &copy2_server::CLASS,
    &copy2_msp::CLASS,
    &clock::CLASS,
    &custodian::CLASS,
    &local_user::CLASS,
    &config::CLASS,
    &settings::CLASS,
    &microsoft::CLASS,
    &host::CLASS,
    &machine::CLASS,
    &recovery::CLASS,
    &bucket::CLASS,
];

pub(crate) use clock::{At, at, host_uptime_s};

type Run = fn(&mut Arena) -> anyhow::Result<()>;

/// A case of the list with which the suite began.
const fn listed(id: &'static str, does: &'static str, stands: &'static str, run: Run) -> Case {
    Case { id, origin: Origin::Listed, does, stands, run }
}

/// A case that no list named.
const fn new(id: &'static str, does: &'static str, stands: &'static str, run: Run) -> Case {
    Case { id, origin: Origin::New, does, stands, run }
}
