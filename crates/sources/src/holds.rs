//! Holds that keep mail from being destroyed, as far as Graph v1.0 shows them: the hold status of
//! eDiscovery custodians.
//!
//! Litigation holds, holds without custodians and retention policies are invisible to Graph v1.0.

use serde_json::Value;
use strongroom_graph::{Client, Error, Request, Scope};

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

/// The form in which the list is stored.
pub fn to_json(names: &[String]) -> Value {
    serde_json::json!({"v": 1, "holds": names})
}
