//! Addresses that credentials go to: what is wrong with one, and how it is shown.

use url::{Host, Url};

/// Whether a host is this machine, whatever a name server says.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(a)) => a.is_loopback(),
        Some(Host::Ipv6(a)) => a.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Why a credential must not go to an address.
pub fn unsafe_for_credentials(url: &Url) -> Option<&'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Some("a user or a password does not belong into an address");
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) {
        return Some("credentials need https");
    }
    None
}

/// Why an address is no base to which paths are added: nothing but scheme, host and port.
pub fn not_a_base(url: &Url) -> Option<&'static str> {
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (!is_bare).then_some("it must end with its host; what comes after is added")
}

/// An address without what may be a secret in it.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}
