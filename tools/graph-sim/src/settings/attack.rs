//! What attackers and careless administrators do to a tenant's configuration, each under its name.
//! Made for a well-kept school.

use crate::{core::ids::IdMaker, core::tenant::Tenant, core::world::World};
use serde_json::{Value, json};

/// Names of all of them, with what they do.
pub const CONFIG_ATTACKS: &[(&str, &str)] = &[
    ("ca-off", "MFA for everyone is switched off"),
    ("ca-report-only", "the block of legacy authentication only reports"),
    ("ca-deleted", "the administrators' policy is deleted"),
    ("ca-exclude-user", "a person is left out of the risk policy"),
    ("ca-exclude-group", "a group is left out of the sign-in risk policy"),
    ("ca-exclude-app", "Exchange is left out of the device policy"),
    ("ca-grant-weakened", "guests may come with a device instead of MFA"),
    ("ca-narrowed", "device codes are blocked on iOS alone"),
    ("ca-block-all", "a new policy blocks everybody"),
    ("location-widened", "half the internet is the school"),
    ("location-country", "another country counts as home"),
    ("strength-new", "a strength that takes a password alone"),
    ("method-sms", "text messages count as proof"),
    ("method-pass", "temporary passes work again and again"),
    ("method-passkeys", "passkeys are switched off"),
    ("method-context", "prompts no longer show the place"),
    ("method-migration", "the old pages count again"),
    ("guest-invites", "everybody invites guests"),
    ("user-consent", "everybody consents to apps"),
    ("user-apps", "everybody registers apps"),
    ("guest-sight", "guests see as much as members"),
    ("consent-requests-off", "nobody can ask for an app"),
    ("trust-foreign-mfa", "other tenants' MFA is trusted"),
    ("partner-added", "a new partner tenant"),
    ("admin-added", "a new Global Administrator"),
    ("admin-app", "an application becomes Privileged Role Administrator"),
    ("admin-eligible", "somebody may become Global Administrator"),
    ("pim-approval-off", "nobody approves Global Administrators"),
    ("pim-alerts-off", "nobody is told of Exchange Administrators"),
    ("emergency-group", "somebody joins the emergency accounts"),
    ("emergency-twin", "policies leave out another group that is called Emergency access"),
    ("role-group", "somebody joins a group with a role"),
    ("app-new", "a new application"),
    ("app-secret", "an application gets a password"),
    ("app-permission", "an application may give roles"),
    ("app-consent", "an application reads everybody's mail"),
    ("backup-consent", "the backup loses a permission"),
    ("domain-federated", "the domain trusts a foreign sign-in service"),
    ("domain-added", "a new domain"),
    ("lockout-off", "a thousand guesses are free"),
    ("guests-own-groups", "guests own groups"),
    ("soft-match", "Active Directory takes over cloud accounts"),
    ("app-policy-off", "applications get any credential"),
    ("sharing-open", "links for anybody"),
    ("sharepoint-legacy", "old protocols read SharePoint"),
    ("unmanaged-healthy", "devices without a policy are healthy"),
    ("compliance-deleted", "the compliance policy is deleted"),
    ("approval-deleted", "one person alone wipes devices"),
    ("join-open", "everybody joins devices and administers them"),
    ("timeout-deleted", "idle sessions never end"),
    ("deletions-unguarded", "Active Directory may delete everything at once"),
    ("managed-audit-off", "what is done in mailboxes is no longer logged"),
    ("managed-copies", "a mail flow rule sends copies outside"),
    ("managed-journal", "a journal takes all mail"),
    ("managed-forwarding", "mail may be forwarded anywhere"),
    ("managed-free-pass", "mail of a domain passes unchecked"),
    ("managed-links-off", "links are no longer checked"),
    ("managed-teams-open", "everybody may write to people in Teams"),
];

const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
const PRIVILEGED_ROLE: &str = "e8611ab8-c189-46e8-94e1-60213ab1f814";
const EXCHANGE: &str = "29232cdf-9323-42fd-ade2-1d097af3e4de";

const CA: &str = "identity/conditionalaccess/policies";
const METHODS: &str = "policies/authenticationmethodspolicy";
const AUTHORIZATION: &str = "policies/authorizationpolicy";

/// Whether changes below a path stand in the directory's audit log.
fn in_the_log(path: &str) -> bool {
    !path.starts_with("admin/") && !path.starts_with("device")
}

/// The tenant's settings, by name.
struct Hand<'t> {
    tenant: &'t mut Tenant,
    ids: IdMaker,
    /// What was touched, as the audit log names it.
    touched: Vec<Value>,
}

impl Hand<'_> {
    fn one(&mut self, path: &str, pointer: &str, value: Value) {
        let Some(one) = self.tenant.settings.one.get_mut(path) else { return };
        if in_the_log(path) {
            self.touched.push(
                json!({"id": one["id"], "displayName": one["displayName"], "type": "Policy"}),
            );
        }
        if let Some(there) = one.pointer_mut(pointer) {
            *there = value;
        }
    }

    /// What only Tenant Configuration Management shows; Exchange and Teams keep logs of their own.
    fn managed(&mut self, kind: &str, n: usize, property: &str, value: Value) {
        if let Some(row) =
            self.tenant.settings.managed.resources.get_mut(kind).and_then(|r| r.get_mut(n))
        {
            row["properties"][property] = value;
        }
    }

    fn manage(&mut self, kind: &str, row: Value) {
        self.tenant.settings.managed.resources.entry(kind.to_owned()).or_default().push(row);
    }

    fn row(&mut self, path: &str, name: &str) -> Option<&mut Value> {
        let rows = self.tenant.settings.many.get_mut(path)?;
        let found = rows.iter_mut().find(|r| {
            ["displayName", "id", "policyType", "roleDefinitionId"].iter().any(|k| r[*k] == name)
        })?;
        if in_the_log(path) {
            self.touched.push(
                json!({"id": found["id"], "displayName": found["displayName"], "type": "Policy"}),
            );
        }
        Some(found)
    }

    fn set(&mut self, path: &str, name: &str, pointer: &str, value: Value) {
        if let Some(there) = self.row(path, name).and_then(|v| v.pointer_mut(pointer)) {
            *there = value;
        }
    }

    fn push(&mut self, path: &str, name: &str, pointer: &str, value: Value) {
        if let Some(Value::Array(there)) = self.row(path, name).and_then(|v| v.pointer_mut(pointer))
        {
            there.push(value);
        }
    }

    fn remove(&mut self, path: &str, name: &str) {
        self.row(path, name);
        if let Some(rows) = self.tenant.settings.many.get_mut(path) {
            let fits =
                |r: &Value| ["displayName", "id", "policyType"].iter().any(|k| r[*k] == name);
            let gone: Vec<Value> = rows.iter().filter(|r| fits(r)).cloned().collect();
            rows.retain(|r| !fits(r));
            if path.starts_with("identity/conditionalaccess/") {
                self.tenant.settings.deleted.entry(path.to_owned()).or_default().extend(gone);
            }
        }
    }

    fn add(&mut self, path: &str, mut value: Value) -> String {
        let id = value["id"].as_str().map_or_else(|| self.ids.guid(path), str::to_owned);
        value["id"] = id.clone().into();
        // An assignment is logged under the one who gets it.
        let who = value["principalId"].as_str().map(str::to_owned);
        self.touched.push(json!({"id": who.unwrap_or_else(|| id.clone()),
                "displayName": value["displayName"].as_str().or(value["tenantId"].as_str()),
                "type": "Other"}));
        self.tenant.settings.many.entry(path.to_owned()).or_default().push(value);
        id
    }

    fn touch_synchronization(&mut self) {
        self.touched.push(json!({"id": self.tenant.id, "displayName": null, "type": "Other"}));
    }

    /// The person at a place in the order of sign-in names.
    fn person(&self, n: usize) -> String {
        let mut all: Vec<(&String, &String)> =
            self.tenant.users.values().map(|u| (&u.upn, &u.id)).collect();
        all.sort();
        all.get(n % all.len().max(1)).map(|(_, id)| (*id).clone()).unwrap_or_default()
    }

    fn id(&self, path: &str, name: &str) -> String {
        let found = self
            .tenant
            .settings
            .many
            .get(path)
            .into_iter()
            .flatten()
            .find(|r| r["displayName"] == name);
        found.and_then(|r| r["id"].as_str()).unwrap_or_default().to_owned()
    }

    fn method(&mut self, id: &str, pointer: &str, value: Value) {
        self.touched.push(json!({"id": "authenticationMethodsPolicy",
            "displayName": "Authentication Methods Policy", "type": "Policy"}));
        let methods = self
            .tenant
            .settings
            .one
            .get_mut(METHODS)
            .and_then(|p| p["authenticationMethodConfigurations"].as_array_mut());
        let found = methods.into_iter().flatten().find(|m| m["id"] == id);
        if let Some(there) = found.and_then(|m| m.pointer_mut(pointer)) {
            *there = value;
        }
    }
}

impl World {
    /// Changes a tenant's configuration; `false` when there is no change of that name.
    pub(crate) fn config_attack(&mut self, tenant: usize, name: &str) -> bool {
        // Not in the list: they are steps of a test.
        let others = [
            ("ca-remove-block-all", "a policy is removed"),
            ("emergency-demoted", "emergency accounts lose their role"),
        ];
        let Some((_, does)) = CONFIG_ATTACKS.iter().chain(&others).find(|(n, _)| *n == name) else {
            return false;
        };
        let now = self.now();
        let n = CONFIG_ATTACKS.iter().position(|(a, _)| *a == name).unwrap_or(0) as u64;
        let mut hand = Hand {
            tenant: &mut self.tenants[tenant],
            ids: IdMaker::new(0xa77ac4 + n),
            touched: Vec::new(),
        };
        strike(&mut hand, name);
        // SharePoint and Intune keep logs of their own.
        if hand.touched.is_empty() {
            return true;
        }
        let id = hand.ids.guid("audit");
        let who = hand.person(0);
        let upn = hand.tenant.users.get(&who).map(|u| u.upn.clone()).unwrap_or_default();
        hand.tenant.settings.audits.push(json!({
            "id": id, "activityDateTime": now.to_string(), "activityDisplayName": does,
                "category": "Policy", "result": "success", "operationType": "Update",
            "initiatedBy": {"user": {"id": who, "userPrincipalName": upn}},
                "loggedByService": "Core Directory", "targetResources": hand.touched,
        }));
        true
    }
}

fn strike(h: &mut Hand<'_>, name: &str) {
    let graph = h.id("serviceprincipals", "Microsoft Graph");
    let timetable = h.id("serviceprincipals", "Timetable");
    let assign = |role: &str, who: &str| {
        json!({"roleDefinitionId": role, "principalId": who,
        "directoryScopeId": "/"})
    };
    match name {
        "ca-off" => h.set(CA, "Require MFA for everyone", "/state", "disabled".into()),
        "ca-report-only" => h.set(
            CA,
            "Block legacy authentication",
            "/state",
            "enabledForReportingButNotEnforced".into(),
        ),
        "ca-deleted" => h.remove(CA, "Require phishing-resistant MFA for administrators"),
        "ca-exclude-user" => {
            let who = h.person(5);
            h.push(CA, "Block people at high risk", "/conditions/users/excludeUsers", who.into());
        }
        "ca-exclude-group" => {
            let group = h.id("groups", "Helpdesk staff");
            h.push(CA, "Block sign-ins at risk", "/conditions/users/excludeGroups", group.into());
        }
        "ca-exclude-app" => h.push(
            CA,
            "Require managed devices",
            "/conditions/applications/excludeApplications",
            "00000002-0000-0ff1-ce00-000000000000".into(),
        ),
        "ca-grant-weakened" => h.set(
            CA,
            "Require MFA for guests",
            "/grantControls/builtInControls",
            json!(["mfa", "compliantDevice"]),
        ),
        "ca-narrowed" => {
            h.set(
                CA,
                "Block device code and authentication transfer",
                "/conditions/platforms",
                json!({"includePlatforms": ["iOS"], "excludePlatforms": []}),
            );
        }
        "ca-block-all" => {
            h.add(
                CA,
                json!({"displayName": "Maintenance", "state": "enabled", "sessionControls": null,
                    "conditions": {"clientAppTypes": ["all"],
                        "applications": {"includeApplications": ["All"], "excludeApplications": []},
                        "users": {"includeUsers": ["All"], "excludeUsers": []}},
                    "grantControls": {"operator": "OR", "builtInControls": ["block"],
                        "customAuthenticationFactors": [], "termsOfUse": []}}),
            );
        }
        "location-widened" => h.push(
            "identity/conditionalaccess/namedlocations",
            "School",
            "/ipRanges",
            json!({"@odata.type": "#microsoft.graph.iPv4CidrRange", "cidrAddress": "0.0.0.0/1"}),
        ),
        "location-country" => h.push(
            "identity/conditionalaccess/namedlocations",
            "United Kingdom",
            "/countriesAndRegions",
            "KP".into(),
        ),
        "strength-new" => {
            h.add(
                "policies/authenticationstrengthpolicies",
                json!({"displayName": "Easy", "description": "", "policyType": "custom",
                    "requirementsSatisfied": "none", "allowedCombinations": ["password"]}),
            );
        }
        "method-sms" => h.method("Sms", "/state", "enabled".into()),
        "method-pass" => h.method("TemporaryAccessPass", "/isUsableOnce", false.into()),
        "method-passkeys" => h.method("Fido2", "/state", "disabled".into()),
        "method-context" => h.method(
            "MicrosoftAuthenticator",
            "/featureSettings/displayLocationInformationRequiredState/state",
            "disabled".into(),
        ),
        "method-migration" => h.one(METHODS, "/policyMigrationState", "migrationInProgress".into()),
        "guest-invites" => h.one(AUTHORIZATION, "/allowInvitesFrom", "everyone".into()),
        "user-consent" => {
            h.one(
                AUTHORIZATION,
                "/defaultUserRolePermissions/permissionGrantPoliciesAssigned",
                json!(["ManagePermissionGrantsForSelf.microsoft-user-default-legacy"]),
            );
        }
        "user-apps" => {
            h.one(AUTHORIZATION, "/defaultUserRolePermissions/allowedToCreateApps", true.into())
        }
        "guest-sight" => {
            h.one(AUTHORIZATION, "/guestUserRoleId", "a0b1b346-4d3e-4e8b-98f8-753987be4970".into())
        }
        "consent-requests-off" => {
            h.one("policies/adminconsentrequestpolicy", "/isEnabled", false.into())
        }
        "trust-foreign-mfa" => h.one(
            "policies/crosstenantaccesspolicy/default",
            "/inboundTrust/isMfaAccepted",
            true.into(),
        ),
        "partner-added" => {
            h.add(
                "policies/crosstenantaccesspolicy/partners",
                json!({"tenantId": "66666666-7777-4888-9999-aaaaaaaaaaaa",
                    "isServiceProvider": true, "inboundTrust": null}),
            );
        }
        "admin-added" => {
            let who = h.person(7);
            h.add("rolemanagement/directory/roleassignments", assign(GLOBAL_ADMINISTRATOR, &who));
        }
        "admin-app" => {
            h.add("rolemanagement/directory/roleassignments", assign(PRIVILEGED_ROLE, &timetable));
        }
        "admin-eligible" => {
            let mut row = assign(GLOBAL_ADMINISTRATOR, &h.person(8));
            row["scheduleInfo"] = json!({"expiration": {"type": "noExpiration"}});
            row["memberType"] = "Direct".into();
            row["status"] = "Provisioned".into();
            h.add("rolemanagement/directory/roleeligibilityschedules", row);
        }
        "pim-approval-off" => {
            let policy = h.row("policies/rolemanagementpolicyassignments", GLOBAL_ADMINISTRATOR);
            let rules =
                policy.and_then(|p| p["policy"]["rules"].as_array_mut()).into_iter().flatten();
            rules
                .filter(|r| r["id"] == "Approval_EndUser_Assignment")
                .for_each(|r| r["setting"]["isApprovalRequired"] = false.into());
        }
        "pim-alerts-off" => {
            let policy = h.row("policies/rolemanagementpolicyassignments", EXCHANGE);
            for r in policy
                .and_then(|p| p["policy"]["rules"].as_array_mut())
                .into_iter()
                .flatten()
                .filter(|r| r.get("notificationRecipients").is_some())
            {
                r["isDefaultRecipientsEnabled"] = false.into();
                r["notificationRecipients"] = json!([]);
            }
        }
        "emergency-group" => {
            let who = h.person(6);
            h.push("groups", "Emergency access", "/members", who.into());
        }
        "emergency-twin" => {
            let who = h.person(6);
            let name = "Emergency access";
            let real = h.row("groups", name).map(|g| g["id"].clone()).unwrap_or_default();
            let twin = h.add(
                "groups",
                json!({"displayName": name, "isAssignableToRole": true, "securityEnabled": true,
                    "groupTypes": [], "members": [who], "createdDateTime": "2026-10-31T03:00:00Z"}),
            );
            let policies = h
                .tenant
                .settings
                .many
                .get(CA)
                .into_iter()
                .flatten()
                .filter_map(|p| p["displayName"].as_str().map(str::to_owned));
            for policy in policies.collect::<Vec<_>>() {
                let left_out = h
                    .row(CA, &policy)
                    .and_then(|p| p.pointer_mut("/conditions/users/excludeGroups"))
                    .and_then(Value::as_array_mut);
                left_out
                    .into_iter()
                    .flatten()
                    .filter(|g| **g == real)
                    .for_each(|g| *g = twin.clone().into());
            }
        }
        "role-group" => {
            let who = h.person(9);
            h.push("groups", "Helpdesk staff", "/members", who.into());
        }
        "app-new" => {
            h.add(
                "applications",
                json!({"displayName": "Mail Archive Helper",
                "appId": "77777777-1111-4222-8333-444444444444", "signInAudience": "AzureADMyOrg",
                "passwordCredentials": [], "keyCredentials": []}),
            );
        }
        "app-secret" => h.push(
            "applications",
            "Timetable",
            "/passwordCredentials",
            json!({"keyId": "88888888-1111-4222-8333-444444444444", "displayName": "migration",
                "endDateTime": "2099-12-31T00:00:00Z"}),
        ),
        "app-permission" => {
            let role = h
                .row("serviceprincipals", "Microsoft Graph")
                .and_then(|g| g["appRoles"].as_array())
                .into_iter()
                .flatten();
            let role = role
                .filter(|r| r["value"] == "RoleManagement.ReadWrite.Directory")
                .map(|r| r["id"].clone())
                .next()
                .unwrap_or_default();
            h.add(
                "serviceprincipals/approleassignedto",
                json!({"principalId": timetable,
                "principalDisplayName": "Timetable", "principalType": "ServicePrincipal",
                "resourceId": graph, "resourceDisplayName": "Microsoft Graph", "appRoleId": role}),
            );
        }
        "app-consent" => {
            let client = h.id("serviceprincipals", "Library of Books");
            h.touched.push(json!({"id": client, "displayName": "Library of Books",
                "type": "ServicePrincipal"}));
            let rows =
                h.tenant.settings.many.get_mut("oauth2permissiongrants").into_iter().flatten();
            rows.filter(|r| r["clientId"] == client.as_str()).for_each(|r| {
                r["scope"] = "openid profile User.Read Mail.Read Files.Read.All".into()
            });
        }
        "backup-consent" => {
            h.tenant.apps.iter_mut().filter(|a| a.name == "read").for_each(|a| {
                a.roles.remove("Files.Read.All");
            });
        }
        "domain-federated" => {
            let domain = h.tenant.domain.clone();
            h.set("domains", &domain, "/authenticationType", "Federated".into());
            h.add(
                "domains/federationconfiguration",
                json!({"@odata.type": "#microsoft.graph.internalDomainFederation",
                    "displayName": "Sign in", "issuerUri": "http://any.sts/5f1a", "domain": domain,
                    "passiveSignInUri": "https://login.evil.example/",
                        "preferredAuthenticationProtocol": "wsFed",
                        "federatedIdpMfaBehavior": "acceptIfMfaDoneByFederatedIdp",
                        "signingCertificate": "MIIC"}),
            );
        }
        "domain-added" => {
            h.add(
                "domains",
                json!({"id": "login-school.example", "authenticationType": "Managed",
                "isVerified": true, "isAdminManaged": true, "isDefault": false, "isInitial": false,
                "isRoot": true, "passwordValidityPeriodInDays": 2_147_483_647,
                "supportedServices": []}),
            );
        }
        "lockout-off" => directory_setting(h, "Password Rule Settings", "LockoutThreshold", "1000"),
        "guests-own-groups" => {
            directory_setting(h, "Group.Unified", "AllowGuestsToBeGroupOwner", "true")
        }
        "soft-match" => {
            h.touch_synchronization();
            let rows = h
                .tenant
                .settings
                .many
                .get_mut("directory/onpremisessynchronization")
                .into_iter()
                .flatten();
            rows.for_each(|r| r["features"]["blockSoftMatchEnabled"] = false.into());
        }
        "deletions-unguarded" => {
            h.touch_synchronization();
            let rows = h
                .tenant
                .settings
                .many
                .get_mut("directory/onpremisessynchronization")
                .into_iter()
                .flatten();
            rows.for_each(|r| r["configuration"]["accidentalDeletionPrevention"]["synchronizationPreventionType"] = "disabled".into());
        }
        "app-policy-off" => {
            h.one("policies/defaultappmanagementpolicy", "/isEnabled", false.into())
        }
        "managed-audit-off" => {
            h.managed("microsoft.exchange.organizationconfig", 0, "AuditDisabled", true.into())
        }
        "managed-copies" => h.manage(
            "microsoft.exchange.transportrule",
            json!({"displayName": "transportrule-Archive",
                "resourceType": "microsoft.exchange.transportrule",
                "properties": {"Name": "Archive", "Enabled": true,
                "Mode": "Enforce", "Priority": 1, "FromScope": "InOrganization",
                    "BlindCopyTo": ["archive@evil.example"], "RedirectMessageTo": [], "CopyTo": [],
                "AddToRecipients": [], "SenderDomainIs": [], "Ensure": "Present"}}),
        ),
        "managed-journal" => h.manage(
            "microsoft.exchange.journalrule",
            json!({"displayName": "journalrule-All",
                "resourceType": "microsoft.exchange.journalrule", "properties": {"Name": "All",
                    "Enabled": true,
                "JournalEmailAddress": "journal@evil.example", "RuleScope": "Global",
                    "Ensure": "Present"}}),
        ),
        "managed-forwarding" => {
            h.managed("microsoft.exchange.remotedomain", 0, "AutoForwardEnabled", true.into())
        }
        "managed-free-pass" => h.managed(
            "microsoft.exchange.hostedcontentfilterpolicy",
            0,
            "AllowedSenderDomains",
            json!(["evil.example"]),
        ),
        "managed-links-off" => {
            h.managed("microsoft.exchange.safelinksrule", 0, "Enabled", false.into())
        }
        "managed-teams-open" => {
            h.managed("microsoft.teams.federationconfiguration", 0, "AllowedDomains", json!([]))
        }
        "sharing-open" => h.one(
            "admin/sharepoint/settings",
            "/sharingCapability",
            "externalUserAndGuestSharing".into(),
        ),
        "sharepoint-legacy" => {
            h.one("admin/sharepoint/settings", "/isLegacyAuthProtocolsEnabled", true.into())
        }
        "unmanaged-healthy" => h.one("devicemanagement", "/settings/secureByDefault", false.into()),
        "compliance-deleted" => h.remove(
            "devicemanagement/devicecompliancepolicies",
            "Windows is \
            healthy",
        ),
        "approval-deleted" => h.remove("devicemanagement/operationapprovalpolicies", "deviceWipe"),
        "join-open" => {
            h.one(
                "policies/deviceregistrationpolicy",
                "/azureADJoin/allowedToJoin",
                json!({"@odata.type": "#microsoft.graph.allDeviceRegistrationMembership"}),
            );
            h.one(
                "policies/deviceregistrationpolicy",
                "/azureADJoin/localAdmins/registeringUsers",
                json!({"@odata.type": "#microsoft.graph.allDeviceRegistrationMembership"}),
            );
        }
        "timeout-deleted" => h.remove("policies/activitybasedtimeoutpolicies", "Idle sessions end"),
        "ca-remove-block-all" => h.remove(CA, "Maintenance"),
        "emergency-demoted" => {
            let group = h.row("groups", "Emergency access").map(|g| g["members"].clone());
            let people = group.and_then(|m| m.as_array().cloned()).unwrap_or_default();
            for path in [
                "rolemanagement/directory/roleassignments",
                "rolemanagement/directory/roleassignmentschedules",
            ] {
                if let Some(rows) = h.tenant.settings.many.get_mut(path) {
                    rows.retain(|r| !people.contains(&r["principalId"]));
                }
            }
        }
        _ => {}
    }
}

fn directory_setting(h: &mut Hand<'_>, template: &str, name: &str, value: &str) {
    let values = h.row("groupsettings", template).and_then(|s| s["values"].as_array_mut());
    values
        .into_iter()
        .flatten()
        .filter(|v| v["name"] == name)
        .for_each(|v| v["value"] = value.into());
}
