//! What a change of settings must respect beyond the types: parts that a policy needs, what stands
//! once only, what is built in, what must be there to be named.

use crate::{
    core::{
        http::{ApiError, Area},
        tenant::Tenant,
        truth::Truth,
        world::{Call, World},
    },
    settings::{
        change::{CATALOG, merge},
        routes::{ASSIGNMENTS, POLICIES, principal_id},
    },
};
use serde_json::{Map, Value};

const CONSENTS: &str = "policies/permissiongrantpolicies";
const COMPLIANCE: &str = "devicemanagement/devicecompliancepolicies";
const LOCATIONS: &str = "identity/conditionalaccess/namedlocations";
const ROLES: &str = "rolemanagement/directory/roledefinitions";
const STRENGTHS: &str = "policies/authenticationstrengthpolicies";
const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

fn bad(text: &str) -> ApiError {
    ApiError::bad_request(Area::Directory, text)
}

fn same(v: &Value, text: &str) -> bool {
    v.as_str().is_some_and(|v| v.eq_ignore_ascii_case(text))
}

/// Refuses what the service would refuse.
pub(crate) fn allowed(
    world: &World,
    call: &Call<'_>,
    path: &str,
    rest: &[String],
    new: &Map<String, Value>,
) -> Result<(), ApiError> {
    let tenant = &world.tenants[call.tenant];
    let rows = tenant.settings.many.get(path).map(Vec::as_slice).unwrap_or_default();
    let old = rest.first().and_then(|id| rows.iter().find(|r| same(&r["id"], id)));
    if world.tells(Truth::RequiredParts) {
        match (call.method(), path) {
            ("POST", COMPLIANCE) if rest.is_empty() => one_block(new)?,
            ("POST" | "PATCH", POLICIES) => parts_of_policy(old, new)?,
            // An action of its own changes them (authenticationStrengthPolicy: update).
            ("PATCH", STRENGTHS) if new.contains_key("allowedCombinations") => {
                return Err(bad("Allowed combinations are changed by updateAllowedCombinations."));
            }
            // A list of its own, which PUT of the whole policy replaces.
            ("PATCH", CATALOG) if new.contains_key("settings") => {
                return Err(ApiError::intune("The settings of a policy are not patched with it."));
            }
            // "Letters, numbers, or hyphens (-)"; Microsoft's own prefix is Microsoft's.
            ("POST", CONSENTS) if rest.is_empty() => own_name(new)?,
            // Abstract, although the published type does not say so (namedLocation resource type).
            ("POST", LOCATIONS) if !new.contains_key("@odata.type") => {
                return Err(ApiError::new(400, "BadRequest", "Cannot create an abstract class."));
            }
            _ => {}
        }
    }
    if world.tells(Truth::BuiltIn) && ["PATCH", "DELETE"].contains(&call.method()) {
        built_in(tenant, call.method(), path, old)?;
    }
    if call.method() == "POST" && rest.is_empty() {
        if world.tells(Truth::Duplicates) {
            duplicates(path, rows, new)?;
        }
        if world.tells(Truth::References) && path == ASSIGNMENTS {
            named(tenant, new)?;
        }
    }
    Ok(())
}

/// Create permissionGrantPolicy: the id is the caller's to choose.
fn own_name(new: &Map<String, Value>) -> Result<(), ApiError> {
    let id = new.get("id").and_then(Value::as_str).unwrap_or_default();
    let fits = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    match !id.is_empty() && fits && !id.starts_with("microsoft-") {
        true => Ok(()),
        false => Err(bad("The id of a permission grant policy is not valid.")),
    }
}

/// Documentation's issues 4103 and 7746: "Compliance policy must have one and only one block
/// scheduled action".
pub(crate) fn one_block(new: &Map<String, Value>) -> Result<(), ApiError> {
    let list = |v: &Value, name: &str| v[name].as_array().cloned().unwrap_or_default();
    let rules = new.get("scheduledActionsForRule").and_then(Value::as_array);
    let blocks = rules
        .into_iter()
        .flatten()
        .flat_map(|rule| list(rule, "scheduledActionConfigurations"))
        .filter(|action| action["actionType"] == "block")
        .count();
    match blocks {
        1 => Ok(()),
        _ => Err(ApiError::intune(
            "Compliance policy must have one and only one block scheduled action",
        )),
    }
}

/// Create conditionalAccessPolicy: "a valid policy must contain at least one of each: an
/// application rule, a user rule, and a grant/session control".
fn parts_of_policy(old: Option<&Value>, new: &Map<String, Value>) -> Result<(), ApiError> {
    let mut policy = old.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    merge(&mut policy, new.clone());
    let some = |v: &Value| match v {
        Value::Array(rows) => !rows.is_empty(),
        other => !other.is_null(),
    };
    let any = |within: &str, names: &[&str]| {
        let part = &policy["conditions"][within];
        names.iter().any(|name| some(&part[*name]))
    };
    let applications = any(
        "applications",
        &[
            "includeApplications",
            "includeUserActions",
            "includeAuthenticationContextClassReferences",
            "applicationFilter",
        ],
    );
    let who = ["includeUsers", "includeGroups", "includeRoles", "includeGuestsOrExternalUsers"];
    let users = any("users", &who)
        || any("clientApplications", &["includeServicePrincipals", "servicePrincipalFilter"]);
    let controls = some(&policy["grantControls"]) || some(&policy["sessionControls"]);
    match applications && users && controls {
        true => Ok(()),
        false => Err(ApiError::new(
            400,
            "BadRequest",
            "1007: Incoming ConditionalAccessPolicy object is null or does not match the schema \
             of ConditionalAccessPolicy type. For examples, please see API documentation at \
             https://docs.microsoft.com/en-us/graph/api/conditionalaccessroot-post-policies?\
             view=graph-rest-1.0.",
        )),
    }
}

/// What Microsoft made stays: "You cannot update built-in roles" (unifiedRoleDefinition), strengths
/// of `policyType` `builtIn`, the default and the initial domain (domain: delete), the last Global
/// Administrator.
fn built_in(
    tenant: &Tenant,
    method: &str,
    path: &str,
    old: Option<&Value>,
) -> Result<(), ApiError> {
    let Some(old) = old else { return Ok(()) };
    match path {
        ROLES if old["isBuiltIn"] == true => {
            Err(bad("Built-in role definitions cannot be changed or deleted."))
        }
        "devicemanagement/roledefinitions" if old["isBuiltIn"] == true => {
            Err(ApiError::intune("A built-in role cannot be changed or deleted."))
        }
        CONSENTS => own_consents(path, old),
        STRENGTHS => own_strength(old),
        "domains"
            if method == "DELETE" && (old["isDefault"] == true || old["isInitial"] == true) =>
        {
            Err(bad("The default domain and the initial domain cannot be deleted."))
        }
        ASSIGNMENTS
            if method == "DELETE" && same(&old["roleDefinitionId"], GLOBAL_ADMINISTRATOR) =>
        {
            let all = tenant.settings.many.get(ASSIGNMENTS).into_iter().flatten();
            match all.filter(|r| same(&r["roleDefinitionId"], GLOBAL_ADMINISTRATOR)).count() {
                0 | 1 => Err(bad("The last Global Administrator of a tenant cannot be removed.")),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Built-in strengths stay as they are (authenticationStrengthPolicy resource type).
pub(crate) fn own_strength(strength: &Value) -> Result<(), ApiError> {
    match strength["policyType"] == "builtIn" {
        true => Err(bad("A built-in authentication strength cannot be changed or deleted.")),
        false => Ok(()),
    }
}

/// What identifies an object beside its id, by list.
const ONCE: &[(&str, &[&str])] = &[
    (ASSIGNMENTS, &["principalId", "roleDefinitionId", "directoryScopeId"]),
    ("oauth2permissiongrants", &["clientId", "resourceId", "consentType", "principalId"]),
    ("policies/crosstenantaccesspolicy/partners", &["tenantId"]),
    ("groupsettings", &["templateId"]),
    ("domains", &["id"]),
    (CONSENTS, &["id"]),
    (LOCATIONS, &["displayName"]),
];

fn duplicates(path: &str, rows: &[Value], new: &Map<String, Value>) -> Result<(), ApiError> {
    let Some((_, keys)) = ONCE.iter().find(|(p, _)| *p == path) else { return Ok(()) };
    let equal = |row: &Value, key: &str| {
        let given = new.get(key).unwrap_or(&Value::Null);
        given.as_str().map_or(row[key] == *given, |text| same(&row[key], text))
    };
    if !rows.iter().any(|row| keys.iter().all(|key| equal(row, key))) {
        return Ok(());
    }
    // Entra's words for what is there already; grants and domains answer 409.
    let text = "A conflicting object with one or more of the specified property values is present \
        in the directory.";
    Err(match path {
        "oauth2permissiongrants" => {
            let text = "Permission entry already exists.";
            ApiError::new(409, "Request_MultipleObjectsWithSameKeyValue", text)
        }
        "domains" | "policies/crosstenantaccesspolicy/partners" => {
            ApiError::new(409, "Request_MultipleObjectsWithSameKeyValue", text)
        }
        _ => bad(text),
    })
}

/// Whether the directory has a person, a group, an application of this id.
pub(crate) fn is_there(tenant: &Tenant, id: &str) -> bool {
    let lists = ["groups", "serviceprincipals"];
    tenant.users.keys().any(|u| u.eq_ignore_ascii_case(id))
        || tenant.apps.iter().any(|a| !a.deleted && principal_id(a).eq_ignore_ascii_case(id))
        || lists
            .iter()
            .filter_map(|l| tenant.settings.many.get(*l))
            .flatten()
            .any(|r| same(&r["id"], id))
}

/// Who is assigned, and what, must exist (unifiedRoleAssignment: create, 404).
fn named(tenant: &Tenant, new: &Map<String, Value>) -> Result<(), ApiError> {
    let text = |key: &str| new.get(key).and_then(Value::as_str).unwrap_or_default();
    let roles = tenant.settings.many.get(ROLES).into_iter().flatten();
    let role = text("roleDefinitionId");
    let known = roles.into_iter().any(|r| same(&r["id"], role) || same(&r["templateId"], role));
    match known && is_there(tenant, text("principalId")) {
        true => Ok(()),
        false => Err(ApiError::not_found(Area::Directory)),
    }
}

/// Consent policies that Microsoft ships bear its name, and stay as they are.
pub(crate) fn own_consents(list: &str, policy: &Value) -> Result<(), ApiError> {
    let shipped = policy["id"].as_str().is_some_and(|id| id.starts_with("microsoft-"));
    if list == CONSENTS && shipped {
        return Err(bad("A permission grant policy of Microsoft cannot be changed or deleted."));
    }
    Ok(())
}

/// A member or an owner that is there already, and one that is not (group: add members, remove
/// member).
pub(crate) fn member(
    tenant: &Tenant,
    property: &str,
    members: &Value,
    who: &str,
    adds: bool,
) -> Result<(), ApiError> {
    let is = members.as_array().into_iter().flatten().any(|m| same(m, who));
    match (adds, is) {
        (true, true) => Err(bad(&format!(
            "One or more added object references already exist for the following modified \
             properties: '{property}'."
        ))),
        (true, false) if !is_there(tenant, who) => Err(ApiError::not_found(Area::Directory)),
        (false, false) => Err(ApiError::not_found(Area::Directory)),
        _ => Ok(()),
    }
}
