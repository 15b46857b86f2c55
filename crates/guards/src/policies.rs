//! Conditional Access as rules ask about it: does one policy that is on cover what it should, with
//! nothing that lets people slip by?

use crate::{
    Evidence,
    rule::{Concern, Judged, Outcome},
};
use serde_json::Value;
use strongroom_model::collections::identity;

/// Built-in strengths; the same ids in every tenant. Source: Microsoft Entra, built-in
/// authentication strengths.
pub(crate) const PHISHING_RESISTANT: &str = "00000000-0000-0000-0000-000000000004";
const BUILT_IN_MFA: &[&str] = &[
    "00000000-0000-0000-0000-000000000002",
    "00000000-0000-0000-0000-000000000003",
    PHISHING_RESISTANT,
];
const PHISHING_RESISTANT_METHODS: &[&str] =
    &["windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"];

/// A policy.
#[derive(Clone, Copy)]
pub(crate) struct AccessPolicy<'c> {
    pub(crate) name: &'c str,
    pub(crate) body: &'c Value,
}

/// Whom a policy must cover.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whom<'w> {
    Everyone,
    Roles(&'w [&'w str]),
    Guests,
    /// Everyone but administrators.
    EveryoneBut(&'w [&'w str]),
}

/// What a policy must be about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'w> {
    AllApps,
    App(&'w str),
    Action(&'w str),
}

/// A condition that is the point of a policy, so that it is no gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    ClientApps,
    SignInRisk,
    UserRisk,
    Platforms,
    Locations,
    Devices,
    Flows,
    InsiderRisk,
}

impl<'c> AccessPolicy<'c> {
    pub(crate) fn at(&self, path: &str) -> &'c Value {
        path.split('.').fold(self.body, |v, part| &v[part])
    }

    pub(crate) fn list(&self, path: &str) -> Vec<&'c str> {
        self.at(path).as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub(crate) fn has(&self, path: &str, word: &str) -> bool {
        self.list(path).iter().any(|w| w.eq_ignore_ascii_case(word))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.at("state") == "enabled"
    }

    /// Whether it asks something of all administrators, wherever they go.
    pub(crate) fn could_lock_out(&self) -> bool {
        let wide = self.has("conditions.users.includeUsers", "All")
            || self.has("conditions.users.includeRoles", crate::words::GLOBAL_ADMINISTRATOR);
        self.is_on()
            && wide
            && self.has("conditions.applications.includeApplications", "All")
            && self.at("grantControls").is_object()
    }

    pub(crate) fn blocks(&self) -> bool {
        self.has("grantControls.builtInControls", "block")
    }

    fn strength(&self) -> &'c Value {
        self.at("grantControls.authenticationStrength")
    }

    pub(crate) fn strength_is_phishing_resistant(&self) -> bool {
        let s = self.strength();
        let methods: Vec<&str> = s["allowedCombinations"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match s["id"].as_str() {
            Some(id) if BUILT_IN_MFA.contains(&id) => id == PHISHING_RESISTANT,
            Some(_) => {
                !methods.is_empty()
                    && methods.iter().all(|m| PHISHING_RESISTANT_METHODS.contains(m))
            }
            None => false,
        }
    }

    fn strength_is_mfa(&self) -> bool {
        let s = self.strength();
        s["id"]
            .as_str()
            .is_some_and(|id| BUILT_IN_MFA.contains(&id) || s["requirementsSatisfied"] == "mfa")
    }

    /// Whether nobody gets through without one of these controls.
    pub(crate) fn demands(&self, controls: &[&str]) -> bool {
        let wanted = |c: &str| controls.iter().any(|w| w.eq_ignore_ascii_case(c));
        let mut each: Vec<bool> =
            self.list("grantControls.builtInControls").into_iter().map(wanted).collect();
        if self.strength().is_object() {
            each.push(controls.contains(&"mfa") && self.strength_is_mfa());
        }
        // What this side does not know may let people through.
        let others = ["grantControls.customAuthenticationFactors", "grantControls.termsOfUse"];
        each.extend(others.iter().flat_map(|p| self.list(p)).map(|_| false));
        match self.at("grantControls.operator").as_str() {
            Some("AND") => each.iter().any(|w| *w),
            _ => !each.is_empty() && each.iter().all(|w| *w),
        }
    }

    pub(crate) fn demands_phishing_resistance(&self) -> bool {
        let alone = self.list("grantControls.builtInControls").is_empty()
            || self.at("grantControls.operator") == "AND";
        self.strength_is_phishing_resistant() && alone
    }

    /// What lets people slip by; empty when nothing does.
    pub(crate) fn gaps(
        &self,
        f: &Evidence<'_>,
        whom: Whom<'_>,
        what: What<'_>,
        on: &[On],
    ) -> Vec<String> {
        let mut out = Vec::new();
        match self.at("state").as_str() {
            Some("enabled") => {}
            Some("enabledForReportingButNotEnforced") => {
                out.push("only reports and enforces nothing".to_owned())
            }
            _ => out.push("is off".to_owned()),
        }
        self.people(f, whom, &mut out);
        self.apps(what, &mut out);
        if !on.contains(&On::ClientApps) && !self.has("conditions.clientAppTypes", "all") {
            let modern = self.has("conditions.clientAppTypes", "browser")
                && self.has("conditions.clientAppTypes", "mobileAppsAndDesktopClients");
            if !modern {
                out.push("covers only some kinds of client".to_owned());
            }
        }
        for (condition, path, says) in [
            (On::SignInRisk, "conditions.signInRiskLevels", "holds only for sign-ins at risk"),
            (On::UserRisk, "conditions.userRiskLevels", "holds only for people at risk"),
        ] {
            if !on.contains(&condition) && !self.list(path).is_empty() {
                out.push(says.to_owned());
            }
        }
        let narrow = |path: &str, include: &str, exclude: &str| -> bool {
            let v = self.at(path);
            v.is_object()
                && !(self.has(&format!("{path}.{include}"), "all")
                    && self.list(&format!("{path}.{exclude}")).is_empty())
        };
        if !on.contains(&On::Platforms)
            && narrow("conditions.platforms", "includePlatforms", "excludePlatforms")
        {
            out.push("holds only on some platforms".to_owned());
        }
        if !on.contains(&On::Locations)
            && narrow("conditions.locations", "includeLocations", "excludeLocations")
        {
            out.push("holds only from some places".to_owned());
        }
        for (condition, path, says) in [
            (On::Devices, "conditions.devices", "holds only for some devices"),
            (On::Flows, "conditions.authenticationFlows", "holds only for some ways to sign in"),
            (On::InsiderRisk, "conditions.insiderRiskLevels", "holds only at insider risk"),
        ] {
            let v = self.at(path);
            let empty =
                v.is_null() || v.as_object().is_some_and(|m| m.values().all(Value::is_null));
            if !on.contains(&condition) && !empty {
                out.push(says.to_owned());
            }
        }
        out
    }

    fn people(&self, f: &Evidence<'_>, whom: Whom<'_>, out: &mut Vec<String>) {
        let users = "conditions.users";
        let list = |name: &str| self.list(&format!("{users}.{name}"));
        let all = list("includeUsers").iter().any(|u| u.eq_ignore_ascii_case("All"));
        match whom {
            Whom::Everyone | Whom::EveryoneBut(_) if !all => {
                out.push("does not cover everybody".to_owned())
            }
            Whom::Roles(roles) if !all => {
                let there = list("includeRoles");
                let lacking: Vec<&str> = roles
                    .iter()
                    .copied()
                    .filter(|r| !there.iter().any(|t| t.eq_ignore_ascii_case(r)))
                    .collect();
                if !lacking.is_empty() {
                    out.push(format!("leaves out {}", crate::words::roles(&lacking)));
                }
            }
            Whom::Guests if !all => {
                let kinds = self
                    .at(&format!("{users}.includeGuestsOrExternalUsers.guestOrExternalUserTypes"))
                    .as_str()
                    .unwrap_or_default();
                let guests = list("includeUsers").contains(&"GuestsOrExternalUsers");
                let lacking: Vec<&str> = [
                    "b2bCollaborationGuest",
                    "b2bCollaborationMember",
                    "b2bDirectConnectUser",
                    "otherExternalUser",
                ]
                .into_iter()
                .filter(|k| !kinds.split(',').any(|t| t.trim() == *k))
                .collect();
                if !guests && !lacking.is_empty() {
                    out.push(format!(
                        "does not cover every kind of guest ({} is missing)",
                        lacking.join(", ")
                    ));
                }
            }
            _ => {}
        }
        let may_go = |role: &str| {
            matches!(whom,
            Whom::EveryoneBut(roles) if roles.iter().any(|r| r.eq_ignore_ascii_case(role)))
        };
        let mut left: Vec<String> = list("excludeRoles")
            .into_iter()
            .filter(|r| !may_go(r))
            .map(|r| crate::words::roles(&[r]))
            .collect();
        left.extend(
            list("excludeUsers")
                .into_iter()
                .chain(list("excludeGroups"))
                .filter(|s| !f.may_be_left_out(s))
                .map(crate::words::symbol),
        );
        if self.at(&format!("{users}.excludeGuestsOrExternalUsers")).is_object()
            && !matches!(whom, Whom::EveryoneBut(_))
        {
            left.push("guests".to_owned());
        }
        if !left.is_empty() {
            out.push(format!(
                "excludes {}, whom the exceptions file does not name",
                left.join(", ")
            ));
        }
    }

    fn apps(&self, what: What<'_>, out: &mut Vec<String>) {
        let apps = "conditions.applications";
        let included = self.list(&format!("{apps}.includeApplications"));
        match what {
            What::AllApps if !included.contains(&"All") => {
                out.push("does not cover all apps".to_owned())
            }
            What::App(id)
                if !included.iter().any(|a| *a == "All" || a.eq_ignore_ascii_case(id)) =>
            {
                out.push("does not cover the app".to_owned())
            }
            What::Action(action) if !self.has(&format!("{apps}.includeUserActions"), action) => {
                out.push("does not cover the action".to_owned())
            }
            _ => {}
        }
        let excluded = self.list(&format!("{apps}.excludeApplications"));
        if !excluded.is_empty() {
            let some = excluded.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            out.push(format!(
                "excludes {} ({some})",
                crate::words::count(excluded.len(), "app", "apps")
            ));
        }
        if self.at(&format!("{apps}.applicationFilter")).is_object() {
            out.push("covers only apps that a filter lets through".to_owned());
        }
    }
}

/// What a rule asks of the policies: one of those that `means` it must have no gap.
pub(crate) struct Ask<'a> {
    pub(crate) whom: Whom<'a>,
    pub(crate) what: What<'a>,
    pub(crate) on: &'a [On],
    /// What is said when no policy means it at all.
    pub(crate) nothing: &'a str,
}

/// Answers it, and says what each near miss lacks.
pub(crate) fn ask(
    f: &Evidence<'_>,
    ask: &Ask<'_>,
    means: impl Fn(&AccessPolicy<'_>) -> bool,
) -> Judged {
    let policies = f.policies()?;
    let mut near: Vec<(usize, Concern)> = Vec::new();
    for p in policies.iter().filter(|p| means(p)) {
        let gaps = p.gaps(f, ask.whom, ask.what, ask.on);
        if gaps.is_empty() {
            return Ok(Outcome::Passed);
        }
        // One that was never meant for it is further away than one with a hole.
        let miss: usize =
            gaps.iter()
                .map(|g| {
                    if g.starts_with("does not cover") || g.starts_with("leaves out") {
                        3
                    } else {
                        1
                    }
                })
                .sum();
        near.push((
            miss,
            Concern::new(
                format!("{}/{}", identity::CONDITIONAL_ACCESS_POLICIES, p.name),
                gaps.join("; "),
            ),
        ));
    }
    // Those that miss by least are what somebody would mend.
    let least = near.iter().map(|(n, _)| *n).min().unwrap_or(0);
    let mut concerns: Vec<Concern> =
        near.into_iter().filter(|(n, _)| *n == least).map(|(_, c)| c).collect();
    if concerns.is_empty() {
        concerns.push(Concern::new(identity::CONDITIONAL_ACCESS_POLICIES, ask.nothing));
    }
    Ok(Outcome::Failed(concerns))
}
