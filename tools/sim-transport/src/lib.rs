//! The simulator plugged into `graph`: requests are answered in process, and time is virtual.
//!
//! A test that uses it needs no sockets and waits for nothing: [`VirtualTime`] is the simulator's
//! clock, moved on to the next moment that somebody sleeps until whenever nobody can go on
//! otherwise.
//!
//! Deliberately absent: any knowledge of what the requests mean. Start at [`in_process`].

mod time;
mod transport;

pub use time::VirtualTime;
pub use transport::InProcess;

use graph_sim::Sim;
use std::sync::Arc;
use strongroom_graph::{Budget, Client, Credential, RetryLimits, Settings};

/// Where everything is asked for; no socket is behind it.
const HOST: &str = "https://graph.microsoft.com/";
const AUTHORITY: &str = "https://login.microsoftonline.com/";

/// A client of one of a tenant's applications (`read`, `write`, …), in process and on the
/// simulator's time. `None` when there is no such tenant or application.
pub fn in_process(
    sim: &Sim,
    time: &VirtualTime,
    tenant: usize,
    application: &str,
    budget: Arc<Budget>,
    patience: RetryLimits,
) -> Option<Client> {
    let credentials = sim.credentials(tenant, application)?;
    let settings = Settings {
        authority: AUTHORITY.parse().ok()?,
        graph: HOST.parse().ok()?,
        tenant: credentials.tenant_id,
        application_id: credentials.application_id,
        credential: Credential::Secret(credentials.secret.into()),
        ca_file: None,
        user_agent: "NONISV|Strongroom|in-process".into(),
    };
    let transport = Arc::new(InProcess::new(sim.clone(), time.clone()));
    Some(Client::with_transport(settings, transport, Arc::new(time.clone()), budget, patience))
}
