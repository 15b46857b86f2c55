//! What may be asked: Microsoft's published operations with their query options, types and
//! permissions, and for each the service that answers it and the budget that it is taken from.
//!
//! This is the one place where a call is classified. The rows come from the published files
//! (`cargo xtask published`); a call that is not among them is not there, as Graph says it.

use crate::core::http::Area;
use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

const OPERATIONS: &str = include_str!("../../data/operations.tsv");

/// Which folder of the simulator answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Mail,
    Drives,
    Sites,
    Contacts,
    Tasks,
    Calendars,
    Directory,
    Settings,
    Managed,
}

/// Which published limit a call is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Outlook: requests and uploads for an application and a mailbox.
    Mailbox,
    /// SharePoint and OneDrive: resource units for an application and a tenant.
    SharePoint,
    /// Entra: resource units for an application and a tenant, writes apart.
    Identity,
    /// Conditional Access: one request a second for a tenant, whoever asks.
    ConditionalAccess,
    /// Intune: requests for an application and a tenant, writes apart.
    Intune,
    /// Sign-in and audit reports.
    Reports,
    /// Alerts and scores.
    Security,
}

/// A published operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Folded: small letters, ids as `{}`.
    pub(crate) path: &'static str,
    /// Query options that it takes, with `$` where they have it.
    pub(crate) options: Vec<&'static str>,
    /// Type of the body; empty when it takes none or it is published inline.
    pub(crate) request: &'static str,
    /// Type of the answer.
    pub(crate) response: &'static str,
    /// Any of these lets an application in.
    pub(crate) application: BTreeSet<&'static str>,
    /// Any of these lets a person in.
    pub(crate) delegated: BTreeSet<&'static str>,
    pub(crate) service: Service,
    pub(crate) scope: Scope,
}

/// Where a call leads.
#[derive(Debug)]
pub(crate) enum Found {
    /// To this operation.
    Operation(&'static Operation),
    /// The path is there, and not with this method.
    OtherMethod(Area),
    /// No published path begins like this; the part that leads nowhere.
    Nothing(String),
}

/// By how a path begins; the longest that fits decides.
const PLACES: &[(&str, Service, Scope)] = &[
    ("/", Service::Settings, Scope::Identity),
    ("/users", Service::Directory, Scope::Identity),
    ("/users/{}/mailfolders", Service::Mail, Scope::Mailbox),
    ("/users/{}/messages", Service::Mail, Scope::Mailbox),
    ("/users/{}/mailboxsettings", Service::Mail, Scope::Mailbox),
    ("/users/{}/contacts", Service::Contacts, Scope::Mailbox),
    ("/users/{}/contactfolders", Service::Contacts, Scope::Mailbox),
    ("/users/{}/calendar", Service::Calendars, Scope::Mailbox),
    ("/users/{}/calendars", Service::Calendars, Scope::Mailbox),
    ("/users/{}/calendarview", Service::Calendars, Scope::Mailbox),
    ("/users/{}/events", Service::Calendars, Scope::Mailbox),
    ("/users/{}/todo", Service::Tasks, Scope::Mailbox),
    ("/users/{}/drive", Service::Drives, Scope::SharePoint),
    ("/users/{}/drives", Service::Drives, Scope::SharePoint),
    ("/drives", Service::Drives, Scope::SharePoint),
    ("/sites", Service::Sites, Scope::SharePoint),
    ("/organization", Service::Directory, Scope::Identity),
    ("/auditlogs", Service::Directory, Scope::Reports),
    ("/security", Service::Directory, Scope::Security),
    ("/security/securescores", Service::Settings, Scope::Security),
    ("/identity/conditionalaccess", Service::Settings, Scope::ConditionalAccess),
    ("/devicemanagement", Service::Settings, Scope::Intune),
    ("/deviceappmanagement", Service::Settings, Scope::Intune),
    ("/admin/configurationmanagement", Service::Managed, Scope::Identity),
];

fn place(path: &str) -> (Service, Scope) {
    let within = |head: &str| {
        head == "/" || path.strip_prefix(head).is_some_and(|r| r.is_empty() || r.starts_with('/'))
    };
    PLACES
        .iter()
        .filter(|(head, ..)| within(head))
        .max_by_key(|(head, ..)| head.len())
        .map_or((Service::Settings, Scope::Identity), |(_, service, scope)| (*service, *scope))
}

impl Service {
    /// Whether what it answers of stands in somebody's mailbox.
    pub(crate) fn in_a_mailbox(self) -> bool {
        self.area() == Area::Mail
    }

    /// Whose words its errors use.
    pub(crate) fn area(self) -> Area {
        match self {
            Self::Mail | Self::Contacts | Self::Tasks | Self::Calendars => Area::Mail,
            Self::Drives | Self::Sites => Area::Drive,
            Self::Directory | Self::Settings | Self::Managed => Area::Directory,
        }
    }
}

#[derive(Default)]
struct Node {
    words: HashMap<&'static str, Node>,
    id: Option<Box<Node>>,
    methods: HashMap<(&'static str, &'static str), Operation>,
}

static CATALOG: LazyLock<Node> = LazyLock::new(|| {
    let mut root = Node::default();
    for line in OPERATIONS.lines().skip(1) {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let [version, method, path, options, request, response, application, delegated] =
            cells.as_slice()
        else {
            continue;
        };
        let list = |cell: &'static str| cell.split(',').filter(|n| !n.is_empty());
        let (service, scope) = place(path);
        let mut node = &mut root;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            node = match part {
                "{}" => node.id.get_or_insert_with(Box::default),
                word => node.words.entry(word).or_default(),
            };
        }
        node.methods.insert(
            (version, method),
            Operation {
                path,
                options: list(options).collect(),
                request,
                response,
                application: list(application).collect(),
                delegated: list(delegated).collect(),
                service,
                scope,
            },
        );
    }
    root
});

/// A path in the form in which it is published: a user's drive and `root:/a/b:` are an item of a
/// drive, `delta(token='x')` is `delta`, names of types lose their namespace.
fn published_form(path: &[String]) -> Vec<String> {
    let lower: Vec<String> = path.iter().map(|p| p.to_lowercase()).collect();
    let (mut out, mut rest): (Vec<String>, &[String]) = match lower.as_slice() {
        [users, id, drive, rest @ ..]
            if users == "users" && drive == "drive" && !rest.is_empty() =>
        {
            (vec!["drives".into(), id.clone()], rest)
        }
        [users, _, drives, id, rest @ ..]
            if users == "users" && drives == "drives" && !id.starts_with('$') =>
        {
            (vec!["drives".into(), id.clone()], rest)
        }
        [drives, id, rest @ ..] if drives == "drives" => (vec!["drives".into(), id.clone()], rest),
        [sites, host, ..] if sites == "sites" && host.ends_with(':') => {
            // `/sites/{host}:/{path}:/drive`: a site by its path.
            below_site(vec!["sites".into(), "{}".into()], after_path(&lower[1..]))
        }
        [sites, id, rest @ ..] if sites == "sites" => {
            below_site(vec!["sites".into(), id.clone()], rest)
        }
        all => (Vec::new(), all),
    };
    if out.first().is_some_and(|p| p == "drives") {
        let by_path = |p: &str| p.ends_with(':') || p.contains(":");
        match rest {
            [root, tail @ ..] if root == "root" && tail.is_empty() => {}
            [root, tail @ ..] if root == "root" || root.starts_with("root:") => {
                out.extend(["items".into(), "{}".into()]);
                rest = if root == "root" { tail } else { after_path(rest) };
            }
            [items, id, ..] if items == "items" && by_path(id) => {
                out.extend(["items".into(), "{}".into()]);
                rest = after_path(&rest[1..]);
            }
            _ => {}
        }
    }
    let mut skip = false;
    for part in rest {
        if skip {
            skip = false;
            continue;
        }
        let part = part.strip_prefix("microsoft.graph.").map_or_else(
            || part.clone(),
            |name| if out.len() < 2 { name.into() } else { format!("graph.{name}") },
        );
        let part = if part == "graph.delta" { "delta".to_owned() } else { part };
        let search = part == "search" && out.first().is_some_and(|p| p == "drives");
        let part = if search { "search(q='{q}')".to_owned() } else { part };
        // A token or a text within brackets became a part of its own.
        skip = part == "delta" || search;
        out.push(part);
    }
    out
}

/// What lies in a site's drive is published below `/drives`.
fn below_site(site: Vec<String>, rest: &[String]) -> (Vec<String>, &[String]) {
    match rest {
        [drive, rest @ ..] if drive == "drive" && !rest.is_empty() => {
            (vec!["drives".into(), "{}".into()], rest)
        }
        [drives, id, rest @ ..] if drives == "drives" && !rest.is_empty() => {
            (vec!["drives".into(), id.clone()], rest)
        }
        rest => (site, rest),
    }
}

/// What follows a path within colons: `root:/a/b:/content` is `content`.
fn after_path(parts: &[String]) -> &[String] {
    let begins = parts.first().is_some_and(|p| !p.ends_with(':') || parts.len() > 1);
    let from = usize::from(begins);
    match parts.iter().skip(from).position(|p| p.ends_with(':')) {
        Some(n) => &parts[from + n + 1..],
        None => &[],
    }
}

/// Finds the operation of a call. A path of `beta` that is not among its rows is taken as v1.0 has
/// it.
pub(crate) fn classify(method: &str, path: &[String], beta: bool) -> Found {
    let form = published_form(path);
    let parts: Vec<&str> = form.iter().map(String::as_str).collect();
    let mut reached = 0;
    let root: &'static Node = &CATALOG;
    let found = walk(root, &parts, 0, &mut reached, &|node| {
        let of = |version| node.methods.iter().find(|((v, m), _)| *v == version && *m == method);
        let row = if beta { of("beta").or_else(|| of("v1.0")) } else { of("v1.0") };
        row.map(|(_, o)| o)
    });
    if let Some(operation) = found {
        return Found::Operation(operation);
    }
    let version = if beta { "beta" } else { "v1.0" };
    let there = walk(root, &parts, 0, &mut reached, &|node| {
        node.methods.iter().find(|((v, _), _)| beta || *v == version).map(|(_, o)| o)
    });
    match there {
        Some(other) => Found::OtherMethod(other.service.area()),
        None => Found::Nothing(
            path.get(reached.min(path.len().saturating_sub(1))).cloned().unwrap_or_default(),
        ),
    }
}

/// Words before ids; back again when a word leads nowhere and an id would.
fn walk(
    node: &'static Node,
    parts: &[&str],
    depth: usize,
    reached: &mut usize,
    pick: &impl Fn(&'static Node) -> Option<&'static Operation>,
) -> Option<&'static Operation> {
    *reached = (*reached).max(depth);
    let Some((first, rest)) = parts.split_first() else { return pick(node) };
    if let Some(next) = node.words.get(*first)
        && let Some(found) = walk(next, rest, depth + 1, reached, pick)
    {
        return Some(found);
    }
    walk(node.id.as_deref()?, rest, depth + 1, reached, pick)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        crate::core::world::segments(text)
    }

    fn shape(method: &str, text: &str) -> String {
        match classify(method, &path(text), false) {
            Found::Operation(o) => o.path.to_owned(),
            Found::OtherMethod(_) => "405".to_owned(),
            Found::Nothing(at) => format!("nothing at {at}"),
        }
    }

    #[test]
    fn calls_are_known_in_every_form_that_clients_use() {
        for (method, text, want) in [
            (
                "GET",
                "/Users/ann@x/MailFolders/abc/Messages/delta",
                "/users/{}/mailfolders/{}/messages/delta",
            ),
            ("GET", "/users/a/drive/root:/b/c d:/content", "/drives/{}/items/{}/content"),
            ("GET", "/drives/x/root:/b/c", "/drives/{}/items/{}"),
            (
                "POST",
                "/drives/x/items/root%3A%2Fa%20b%3A/createUploadSession",
                "/drives/{}/items/{}/createuploadsession",
            ),
            ("GET", "/drives/x/root:", "/drives/{}/items/{}"),
            ("GET", "/drives/x/items/y:/z:/children", "/drives/{}/items/{}/children"),
            ("PUT", "/drives/x/items/y:/z.txt:/content", "/drives/{}/items/{}/content"),
            ("GET", "/drives/x/root", "/drives/{}/root"),
            ("GET", "/drives/x/root/delta(token='latest')", "/drives/{}/items/{}/delta"),
            ("GET", "/users/a/drives/x/items/y", "/drives/{}/items/{}"),
            ("GET", "/drives/x/root/search(q='a b')", "/drives/{}/items/{}/search(q='{q}')"),
            ("GET", "/users/a/drive/search(q='a')", "/drives/{}/search(q='{q}')"),
            ("PUT", "/drives/x/root:/a(b)/c%25d:/content", "/drives/{}/items/{}/content"),
            ("GET", "/users/delta()", "/users/delta"),
            ("GET", "/sites/getAllSites()", "/sites/getallsites"),
            ("GET", "/sites/a.sharepoint.com,1,2/drives", "/sites/{}/drives"),
            ("GET", "/sites/a.sharepoint.com:/sites/staff", "/sites/{}"),
            ("GET", "/sites/a.sharepoint.com:/sites/staff:/drive", "/sites/{}/drive"),
            ("GET", "/sites/root/drive/root:/b/c", "/drives/{}/items/{}"),
            ("GET", "/sites/x/drives/y/items/z/versions", "/drives/{}/items/{}/versions"),
            ("DELETE", "/organization", "405"),
            ("GET", "/nonsense/x", "nothing at nonsense"),
            ("GET", "/users/a/nonsense", "nothing at nonsense"),
        ] {
            assert_eq!(shape(method, text), want, "{method} {text}");
        }
    }

    #[test]
    fn every_operation_has_a_place() {
        let drives = classify("GET", &path("/drives/x"), false);
        assert!(matches!(drives, Found::Operation(o) if o.scope == Scope::SharePoint));
        let scores = classify("GET", &path("/security/secureScores"), false);
        assert!(matches!(scores, Found::Operation(o) if o.service == Service::Settings));
    }
}
