//! Which addresses are neighbours of this host, and a way to look names up that finds none of them.

use crate::Settings;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    collections::HashSet,
    io::{Error, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};
use url::{Host, Url};

/// Whether a URL names a host of this machine, of its link or of a private network, or none.
pub(crate) fn leads_inside(url: &Url) -> bool {
    match url.host() {
        None => true,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => is_inside(ip.into()),
        Some(Host::Ipv6(ip)) => is_inside(ip.into()),
    }
}

/// Whether an address is of this machine, of its link or of a private network.
fn is_inside(ip: IpAddr) -> bool {
    let ip = match ip {
        IpAddr::V4(ip) => return is_inside_v4(ip),
        IpAddr::V6(ip) => ip,
    };
    let s = ip.segments();
    let embedded = match s {
        // What stands for an IPv4 address: mapped, compatible, or through NAT64.
        [0, 0, 0, 0, 0, 0xffff | 0, a, b] | [0x64, 0xff9b, 0, 0, 0, 0, a, b] => {
            let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    };
    embedded.is_some_and(is_inside_v4)
        || ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || s[0] & 0xfe00 == 0xfc00
        || s[0] & 0xffc0 == 0xfe80
}

fn is_inside_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_multicast()
        || a == 0
        // Shared by the customers of a provider.
        || a == 100 && b & 0xc0 == 64
}

/// Looks names up and leaves out what is inside: a name in a link that the service gave may lead
/// anywhere, whatever it looks like.
pub(crate) struct Outside {
    /// Names that a person wrote: where the service is, and through whom it is reached.
    may: HashSet<String>,
}

impl Outside {
    /// For links that the settings' service gives; `None` where it is itself inside, and its links
    /// may be.
    pub(crate) fn of(settings: &Settings) -> Option<Self> {
        let own = [&settings.graph, &settings.authority];
        if own.iter().any(|url| leads_inside(url)) {
            return None;
        }
        // A proxy looks the names up itself, and is one of the own network, as a rule.
        let proxies = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let proxies = proxies
            .iter()
            .filter_map(std::env::var_os)
            .filter_map(|text| proxy_address(&text.to_string_lossy()));
        let all = own.into_iter().cloned().chain(proxies);
        let host = |url: Url| url.host_str().map(str::to_lowercase);
        Some(Self { may: all.filter_map(host).collect() })
    }
}

/// Where a proxy is, in the forms that it may be written in: with a scheme, or without one.
fn proxy_address(text: &str) -> Option<Url> {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    Url::parse(&format!("http://{bare}")).ok()
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_lowercase();
        let is_own = self.may.contains(&name);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.filter(|at| is_own || !is_inside(at.ip())).collect();
            if found.is_empty() {
                let text = "the name leads to an address of an own network";
                return Err(Error::new(ErrorKind::PermissionDenied, text).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_known_in_each_form_in_which_it_may_be_written() {
        for (text, host) in [
            ("http://proxy.corp:3128", "proxy.corp"),
            ("https://proxy.corp:3128/", "proxy.corp"),
            ("socks5h://proxy.corp:1080", "proxy.corp"),
            ("proxy.corp:3128", "proxy.corp"),
            ("localhost:3128", "localhost"),
            ("ann:secret@Proxy.corp:3128", "proxy.corp"),
            ("10.0.0.5:3128", "10.0.0.5"),
        ] {
            assert_eq!(proxy_address(text).unwrap().host_str(), Some(host), "{text}");
        }
    }
}
