//! Holds that keep mail from being destroyed, as far as Graph v1.0 shows them: the hold status of
//! eDiscovery custodians.
//!
//! Litigation holds, holds without custodians and retention policies are invisible to Graph v1.0.

use serde::{Deserialize, Serialize};
use strongroom_graph::{Client, Error, Request, Scope};
use strongroom_model::Stored;

/// The application permission that it takes.
pub const PERMISSION: &str = "eDiscovery.Read.All";

/// Names of the people whose mailboxes are on hold, sorted.
pub async fn applied(client: &Client) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let base = "security/cases/ediscoveryCases";
    for case in client.list(&Request::get(Scope::Directory, base)).await? {
        let Some(id) = case["id"].as_str() else { continue };
        let target = format!("{base}/{}/custodians", crate::escape(id));
        for person in client.list(&Request::get(Scope::Directory, target)).await? {
            let held =
                person["holdStatus"].as_str().is_some_and(|s| s.eq_ignore_ascii_case("applied"));
            if let (true, Some(name)) = (held, person["email"].as_str()) {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The list as it is stored: `tenant/holds.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// Names of the people whose mailboxes are on hold, sorted.
    pub holds: Vec<String>,
    /// Format version.
    pub v: u32,
}

impl Stored for Holds {
    const NAME: &'static str = "the list of holds (tenant/holds.json)";
}

impl Holds {
    /// A list of this program's version.
    pub fn new(holds: Vec<String>) -> Self {
        Self { holds, v: Self::VERSION }
    }
}
