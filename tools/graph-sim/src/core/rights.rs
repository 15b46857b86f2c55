//! Who may do what: permissions of applications and of people, and what a person may at all.

use crate::core::{
    catalog::{Operation, Service},
    http::ApiError,
    world::{Call, World},
};
use std::collections::BTreeSet;

/// The role that may do everything (Microsoft Entra built-in roles).
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// What every member of a tenant may read by default (Microsoft Entra default user permissions);
/// policies and devices ask for a role.
const FOR_MEMBERS: &[&str] = &[
    "/users",
    "/me",
    "/organization",
    "/groups",
    "/applications",
    "/serviceprincipals",
    "/domains",
    "/subscribedskus",
    "/directoryobjects",
    "/directory/administrativeunits",
    "/groupsettings",
    "/groupsettingtemplates",
    "/oauth2permissiongrants",
    "/rolemanagement/directory",
];

/// `Files.ReadWrite.All` in its parts: what, how far, whose.
fn parts(scope: &str) -> (&str, u8, bool) {
    let (what, rest) = scope.split_once('.').unwrap_or((scope, ""));
    let (access, whose) = rest.split_once('.').unwrap_or((rest, ""));
    let far = match access {
        "ReadBasic" => 1,
        "Read" => 2,
        "ReadWrite" => 3,
        _ => 0,
    };
    (what, far, whose == "All")
}

/// Whether a person's scope is good for what asks for `least`: the published table names for
/// people the least ones alone, and what reaches further serves as well. Of one's own things
/// nothing is asked in the name of all.
fn serves(scope: &str, least: &str, own: bool) -> bool {
    if scope == least {
        return true;
    }
    let ((what, far, all), (asked, asked_far, asked_all)) = (parts(scope), parts(least));
    what == asked && far >= asked_far && asked_far > 0 && (all || !asked_all || own)
}

fn lets_in(operation: &Operation, scopes: &BTreeSet<String>, own: bool) -> bool {
    scopes.iter().any(|s| {
        operation.application.contains(s.as_str())
            || operation.delegated.iter().chain(&operation.application).any(|l| serves(s, l, own))
    })
}

/// `/me` is the person who signed in. The one place where it is.
pub(crate) fn as_the_person(path: Vec<String>, person: Option<&str>) -> Vec<String> {
    match (path.first(), person) {
        (Some(me), Some(id)) if me.eq_ignore_ascii_case("me") => {
            ["users".to_owned(), id.to_owned()]
                .into_iter()
                .chain(path.into_iter().skip(1))
                .collect()
        }
        _ => path,
    }
}

impl World {
    /// Whether the caller has the permission, and, if it is a person, the right.
    pub(crate) fn permits(&self, call: &Call<'_>, operation: &Operation) -> Result<(), ApiError> {
        let denied = || ApiError::denied(operation.service.area());
        let Some((person, scopes)) = &call.person else {
            // `A+B` in the table asks for both.
            let both = |set: &str| set.split('+').all(|p| call.roles.contains(p));
            let held = operation.application.iter().any(|set| both(set));
            return if held { Ok(()) } else { Err(denied()) };
        };
        let tenant = &self.tenants[call.tenant];
        let named = call.path.get(1).map(String::as_str).unwrap_or_default();
        let whose = match call.path.first().map(|p| p.to_ascii_lowercase()).as_deref() {
            Some("users") => tenant.user_id(named),
            Some("drives") => tenant.drive_owner(named),
            _ => None,
        };
        let own = whose.as_ref() == Some(person);
        if !lets_in(operation, scopes, own) {
            return Err(denied());
        }
        let roles = tenant.settings.many.get("rolemanagement/directory/roleassignments");
        let roles: Vec<&str> = roles
            .into_iter()
            .flatten()
            .filter(|r| r["principalId"] == person.as_str())
            .filter_map(|r| r["roleDefinitionId"].as_str())
            .collect();
        let may = match operation.service {
            // No delegation between mailboxes is simulated; an administrator has none either.
            service if service.in_a_mailbox() => own,
            // What is not there is said as such, further in.
            Service::Drives => own || whose.is_none(),
            _ if call.method() != "GET" => own || roles.contains(&GLOBAL_ADMINISTRATOR),
            _ => {
                let open = |head: &str| {
                    let rest = operation.path.strip_prefix(head);
                    rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
                };
                FOR_MEMBERS.iter().any(|head| open(head)) || !roles.is_empty()
            }
        };
        if may { Ok(()) } else { Err(denied()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_further_serves_and_what_reaches_less_does_not() {
        for (scope, least, own, want) in [
            ("Files.ReadWrite.All", "Files.Read", false, true),
            ("Files.ReadWrite", "Files.Read", false, true),
            ("Files.Read", "Files.ReadWrite", true, false),
            ("User.Read", "User.ReadBasic.All", false, false),
            ("User.Read", "User.ReadBasic.All", true, true),
            ("Mail.Read", "Mail.ReadBasic", false, true),
            ("Mail.Send", "Mail.Read", true, false),
            ("Group.Read.All", "GroupMember.Read.All", false, false),
        ] {
            assert_eq!(serves(scope, least, own), want, "{scope} for {least}, own: {own}");
        }
    }

    #[test]
    fn me_is_a_person_and_an_application_is_none() {
        let path = || vec!["me".to_owned(), "messages".to_owned()];
        assert_eq!(as_the_person(path(), Some("ann")), ["users", "ann", "messages"]);
        assert_eq!(as_the_person(path(), None), path());
    }
}
