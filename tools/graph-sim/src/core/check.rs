//! Whether a call says what Microsoft's types allow: the names in its query, its body.
//!
//! A published type decides; where none is published (`inline:`, streams, beta) nothing is held
//! against the call. The words are those of the service that answers.

use crate::core::{
    catalog::{self, Found, Operation, Scope, Service},
    http::{ApiError, Area, Request},
    odata,
    types::{self, Kind, Named, Role},
    world::Call,
};
use serde_json::Value;

/// A request's body: "The maximum request size is 4 MB", Graph's known limits. Streams have a
/// limit of their own, and go to upload sessions past it.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What is wrong with a body, in the words of Microsoft's OData library.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// Microsoft's SDK for Python, issue 313; for .NET, issue 450.
    Unknown {
        name: String,
        on: &'static str,
    },
    Value {
        given: String,
        wanted: &'static str,
    },
    Shape {
        given: &'static str,
        wanted: &'static str,
    },
    Member {
        given: String,
    },
    NoSuchType {
        given: String,
    },
    OtherType {
        given: String,
        wanted: &'static str,
    },
    Abstract,
    Null {
        name: String,
        wanted: &'static str,
    },
    ReadOnly {
        name: String,
    },
    Missing {
        name: &'static str,
        on: &'static str,
    },
}

impl Wrong {
    fn text(&self) -> String {
        match self {
            Self::Unknown { name, on } => format!(
                "The property '{name}' does not exist on type '{on}'. Make sure to only use \
                 property names that are defined by the type or mark the type as open type."
            ),
            Self::Value { given, wanted } => {
                format!("Cannot convert the literal '{given}' to the expected type '{wanted}'.")
            }
            Self::Shape { given, wanted } => format!(
                "An unexpected '{given}' node was found when reading from the JSON reader. A \
                 '{wanted}' node was expected."
            ),
            Self::Member { given } => format!("Requested value '{given}' was not found."),
            Self::NoSuchType { given } => format!(
                "A type named '{given}' could not be resolved by the model. When a model is \
                 available, each type name must resolve to a valid type."
            ),
            Self::OtherType { given, wanted } => format!(
                "A resource with type '{given}' was found, but it is not assignable to the \
                 expected type '{wanted}'."
            ),
            Self::Abstract => "Cannot create an abstract class.".to_owned(),
            Self::Null { name, wanted } => format!(
                "A null value was found for the property named '{name}', which has the expected \
                 type '{wanted}[Nullable=False]'. The expected type '{wanted}[Nullable=False]' \
                 does not allow null values."
            ),
            Self::ReadOnly { name } => {
                format!("Property '{name}' is read-only and cannot be set.")
            }
            Self::Missing { name, on } => {
                let on = on.rsplit('.').next().unwrap_or(on);
                format!("A value is required for property '{name}' of resource '{on}'.")
            }
        }
    }
}

/// What cannot be set, by type: "Read-only" on the resources' pages of v1.0, and refused in these
/// words by Entra. Other services ignore what they compute.
const READ_ONLY: &[(&str, &[&str])] = &[
    (
        "microsoft.graph.user",
        &[
            "assignedPlans",
            "createdDateTime",
            "licenseAssignmentStates",
            "provisionedPlans",
            "proxyAddresses",
        ],
    ),
    ("microsoft.graph.group", &["createdDateTime", "mail", "proxyAddresses", "renewedDateTime"]),
    ("microsoft.graph.application", &["appId", "createdDateTime", "publisherDomain"]),
    ("microsoft.graph.servicePrincipal", &["appOwnerOrganizationId"]),
    (
        "microsoft.graph.domain",
        &["availabilityStatus", "isAdminManaged", "isInitial", "isRoot", "isVerified"],
    ),
];

/// What must be given when a thing is made: the pages "Create …" of v1.0.
const REQUIRED: &[(&str, &[&str])] = &[
    (
        "/users",
        &["accountEnabled", "displayName", "mailNickname", "passwordProfile", "userPrincipalName"],
    ),
    ("/groups", &["displayName", "mailEnabled", "mailNickname", "securityEnabled"]),
    ("/applications", &["displayName"]),
    ("/policies/permissiongrantpolicies/{}/excludes", &["permissionType"]),
    ("/policies/permissiongrantpolicies/{}/includes", &["permissionType"]),
    ("/applications/{}/federatedidentitycredentials", &["audiences", "issuer", "name", "subject"]),
    ("/serviceprincipals", &["appId"]),
    ("/identity/conditionalaccess/policies", &["conditions", "displayName", "state"]),
    ("/identity/conditionalaccess/namedlocations", &["displayName"]),
    ("/policies/authenticationstrengthpolicies", &["allowedCombinations", "displayName"]),
    ("/policies/crosstenantaccesspolicy/partners", &["tenantId"]),
    ("/policies/activitybasedtimeoutpolicies", &["definition", "displayName"]),
    ("/policies/tokenlifetimepolicies", &["definition", "displayName"]),
    ("/policies/claimsmappingpolicies", &["definition", "displayName"]),
    ("/policies/homerealmdiscoverypolicies", &["definition", "displayName"]),
    ("/rolemanagement/directory/roleassignments", &["principalId", "roleDefinitionId"]),
    ("/rolemanagement/directory/roledefinitions", &["displayName", "isEnabled", "rolePermissions"]),
    ("/oauth2permissiongrants", &["clientId", "consentType", "resourceId", "scope"]),
    ("/directory/administrativeunits", &["displayName"]),
    ("/domains", &["id"]),
    ("/groupsettings", &["templateId", "values"]),
    ("/grouplifecyclepolicies", &["groupLifetimeInDays", "managedGroupTypes"]),
];

/// Refuses a body that is too long.
pub(crate) fn length(call: &Call<'_>, operation: &Operation) -> Result<(), ApiError> {
    if operation.request != "stream" && call.req.body.len() > BODY_BYTES_MAX {
        let text = "The maximum request length supported is 4MB.";
        return Err(ApiError::new(413, "RequestEntityTooLarge", text));
    }
    Ok(())
}

/// Refuses a body that is no JSON, or does not fit the published type.
pub(crate) fn body(call: &Call<'_>, operation: &Operation) -> Result<(), ApiError> {
    let req = call.req;
    if !["POST", "PATCH", "PUT"].contains(&call.method()) || operation.request == "stream" {
        return Ok(());
    }
    let typed = types::kind(operation.request);
    if mime(req, operation) || (req.body.is_empty() && typed.is_none()) {
        return Ok(());
    }
    content_type(req)?;
    if req.body.is_empty() {
        let text = "Empty Payload. JSON content expected.";
        return Err(ApiError::new(400, "BadRequest", text));
    }
    let value = req.json(operation.service.area())?;
    // The types are those of v1.0; beta has more.
    let Some(kind) = typed.filter(|_| !call.beta) else { return Ok(()) };
    let fits = whole(&value, kind, call, operation);
    fits.map_err(|wrong| refuse(&wrong, kind, operation))
}

/// A message may be given as MIME, in base64 (message: create, "MIME format").
fn mime(req: &Request, operation: &Operation) -> bool {
    operation.service == Service::Mail
        && req.header("content-type").is_some_and(|t| t.starts_with("text/plain"))
}

fn content_type(req: &Request) -> Result<(), ApiError> {
    let Some(given) = req.header("content-type") else {
        let text = "Write requests (excluding DELETE) must contain the Content-Type header \
            declaration.";
        return Err(ApiError::new(400, "BadRequest", text));
    };
    let kind = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || kind.ends_with("+json") {
        return Ok(());
    }
    let text = format!("The content type '{kind}' is not supported for this request.");
    Err(ApiError::new(415, "UnsupportedMediaType", text))
}

fn whole(
    value: &Value,
    kind: &'static Kind,
    call: &Call<'_>,
    operation: &Operation,
) -> Result<(), Wrong> {
    object(value, kind, call.method() == "POST", operation.service.area())?;
    let given = |name: &str| {
        let mut all = value.as_object().into_iter().flatten();
        all.find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    };
    let fixed = READ_ONLY.iter().filter(|(t, _)| *t == kind.name).flat_map(|(_, names)| *names);
    if let Some(name) = fixed.into_iter().find(|n| given(n).is_some()) {
        return Err(Wrong::ReadOnly { name: (*name).to_owned() });
    }
    let needed = REQUIRED.iter().filter(|(p, _)| *p == operation.path).flat_map(|(_, n)| *n);
    let missing = needed.into_iter().find(|n| given(n).is_none_or(Value::is_null));
    match missing.filter(|_| call.method() == "POST") {
        Some(name) => Err(Wrong::Missing { name, on: kind.name }),
        None => Ok(()),
    }
}

/// The type that an object says it is, or the one that is asked for.
fn actual(
    map: &serde_json::Map<String, Value>,
    wanted: &'static Kind,
    made: bool,
) -> Result<Option<&'static Kind>, Wrong> {
    let Some(given) = map.get("@odata.type").and_then(Value::as_str) else {
        if wanted.is_abstract && made {
            return Err(Wrong::Abstract);
        }
        return Ok(Some(wanted));
    };
    let given = given.trim_start_matches('#').to_owned();
    let Some(kind) = types::kind(&given) else {
        // Nothing of the published file stands on these that is not carried along.
        let wide = ["microsoft.graph.entity", "microsoft.graph.outlookItem"];
        return match wide.contains(&wanted.name) {
            true => Ok(None),
            false => Err(Wrong::NoSuchType { given }),
        };
    };
    match kind.is(wanted) {
        true if kind.is_abstract && made => Err(Wrong::Abstract),
        true => Ok(Some(kind)),
        false => Err(Wrong::OtherType { given, wanted: wanted.name }),
    }
}

fn object(value: &Value, wanted: &'static Kind, made: bool, area: Area) -> Result<(), Wrong> {
    let Value::Object(map) = value else {
        return Err(Wrong::Shape { given: node(value), wanted: "StartObject" });
    };
    let Some(kind) = actual(map, wanted, made)? else { return Ok(()) };
    for (name, value) in map {
        let plain = name.split('@').next().unwrap_or_default();
        // Annotations; a reference (`…@odata.bind`) must be to something that is there.
        if plain.is_empty() || (plain != name && !name.ends_with("@odata.bind")) {
            continue;
        }
        match kind.find(plain) {
            Some(_) if plain != name => {}
            Some((named, Role::Property)) => property(name, value, named, made, area)?,
            Some((named, Role::Navigation)) => {
                let nothing = value.is_null() && !named.many;
                if !nothing && types::kind(named.name).is_some() {
                    property(name, value, named, made, area)?;
                }
            }
            None if extension(kind, plain, area) => {}
            None => return Err(Wrong::Unknown { name: plain.to_owned(), on: kind.name }),
        }
    }
    Ok(())
}

/// Open types take extensions, and nothing else: `extension_{application}_{name}`,
/// `ext…_{name}`, `{domain}_{name}` (extensibility overview). Drives' metadata is open to more.
fn extension(kind: &Kind, name: &str, area: Area) -> bool {
    let free = ["microsoft.graph.openTypeExtension", "microsoft.graph.Dictionary"];
    kind.open && (area == Area::Drive || name.contains('_') || free.contains(&kind.name))
        || free.contains(&kind.name)
}

fn property(name: &str, value: &Value, wanted: Named, made: bool, area: Area) -> Result<(), Wrong> {
    if value.is_null() {
        return match wanted.nullable {
            true => Ok(()),
            false => Err(Wrong::Null { name: name.to_owned(), wanted: wanted.name }),
        };
    }
    if !wanted.many {
        return one(value, wanted.name, made, area);
    }
    let Value::Array(rows) = value else {
        return Err(Wrong::Shape { given: node(value), wanted: "StartArray" });
    };
    rows.iter().try_for_each(|row| one(row, wanted.name, made, area))
}

fn one(value: &Value, wanted: &'static str, made: bool, area: Area) -> Result<(), Wrong> {
    if let Some(kind) = types::kind(wanted) {
        return object(value, kind, made, area);
    }
    if let Some(members) = types::members(wanted) {
        let Value::String(text) = value else {
            return Err(Wrong::Shape { given: node(value), wanted: "PrimitiveValue" });
        };
        // Flags stand side by side within commas.
        let unknown = text
            .split(',')
            .map(str::trim)
            .find(|t| !members.iter().any(|m| m.eq_ignore_ascii_case(t)));
        return match unknown {
            Some(given) => Err(Wrong::Member { given: given.to_owned() }),
            None => Ok(()),
        };
    }
    if value.is_object() || value.is_array() {
        return match wanted.starts_with("Edm.") {
            true => Err(Wrong::Shape { given: node(value), wanted: "PrimitiveValue" }),
            // A type that is not carried along.
            false => Ok(()),
        };
    }
    match primitive(value, wanted) {
        true => Ok(()),
        false => {
            let given = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Err(Wrong::Value { given, wanted })
        }
    }
}

fn primitive(value: &Value, wanted: &str) -> bool {
    let whole = |bits: u32| {
        value.as_i64().is_some_and(|n| bits == 64 || n.unsigned_abs() <= (1 << (bits - 1)))
    };
    let text = value.as_str();
    match wanted {
        "Edm.Boolean" => value.is_boolean(),
        "Edm.Byte" | "Edm.Int16" => whole(16),
        "Edm.Int32" => whole(32),
        // Some clients write what may be too long for JavaScript as text.
        "Edm.Int64" => whole(64) || text.is_some_and(|t| t.parse::<i64>().is_ok()),
        "Edm.Decimal" | "Edm.Double" | "Edm.Single" => value.is_number() || value.is_string(),
        "Edm.Guid" => text.is_some_and(odata::is_guid),
        "Edm.DateTimeOffset" => text.is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()),
        "Edm.Date" => text.is_some_and(|t| t.parse::<jiff::civil::Date>().is_ok()),
        "Edm.TimeOfDay" => text.is_some_and(|t| t.parse::<jiff::civil::Time>().is_ok()),
        "Edm.Duration" => text.is_some_and(|t| t.trim_start_matches('-').starts_with('P')),
        "Edm.String" | "Edm.Binary" | "Edm.Stream" => value.is_string(),
        _ => true,
    }
}

fn node(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "StartObject",
        Value::Array(_) => "StartArray",
        _ => "PrimitiveValue",
    }
}

/// The refusal in the words of the service that answers.
fn refuse(wrong: &Wrong, kind: &Kind, operation: &Operation) -> ApiError {
    let text = wrong.text();
    if operation.path.starts_with("/identity/conditionalaccess/") {
        // Documentation's issue 4162 (contributors' repository).
        let name = kind.name.rsplit('.').next().unwrap_or_default();
        let (head, tail) = name.split_at(1);
        let name = format!("{}{tail}", head.to_uppercase());
        let text = format!(
            "1007: Incoming {name} object is null or does not match the schema of {name} type. \
             For examples, please see API documentation at \
             https://docs.microsoft.com/en-us/graph/api/conditionalaccessroot-post-policies?\
             view=graph-rest-1.0."
        );
        return ApiError::new(400, "BadRequest", text);
    }
    match operation.service {
        service if service.in_a_mailbox() => ApiError::new(400, "RequestBodyRead", text),
        Service::Drives | Service::Sites => ApiError::new(400, "invalidRequest", text),
        _ if operation.scope == Scope::Intune => ApiError::intune(&text),
        _ => ApiError::bad_request(Area::Directory, text),
    }
}

/// Refuses names in a query that the answer's type does not have.
pub(crate) fn query(call: &Call<'_>, operation: &Operation) -> Result<(), ApiError> {
    let Some(kind) = answered(call, operation).filter(|_| !call.beta) else { return Ok(()) };
    let area = operation.service.area();
    let parsing = |what: &str, text: String| {
        let code = match area {
            // A client's trace of March 2026: "RequestBroker--ParseUri … Could not find a property
            // named 'isJunk' on type 'microsoft.graph.message'."
            Area::Mail => "RequestBroker--ParseUri",
            Area::Drive => "invalidRequest",
            Area::Directory => "BadRequest",
        };
        ApiError::new(400, code, format!("{what}{text}"))
    };
    let list = "Parsing OData Select and Expand failed: ";
    for (key, value) in odata::pairs(&call.req.query) {
        match key.trim_start_matches('$').to_ascii_lowercase().as_str() {
            "select" => odata::names(&value)
                .iter()
                .try_for_each(|path| known(kind, path))
                .map_err(|text| parsing(list, text))?,
            "expand" => expand(kind, &value).map_err(|text| parsing(list, text))?,
            "orderby" => odata::names(&value)
                .iter()
                .filter_map(|o| o.split(' ').next())
                .try_for_each(|path| known(kind, path))
                .map_err(|text| parsing("", text))?,
            "filter" => odata::filter_paths(&value)
                .into_iter()
                .flatten()
                .try_for_each(|path| known(kind, &path))
                .map_err(|text| parsing("", text))?,
            _ => {}
        }
    }
    Ok(())
}

/// The type that answers are of: a delta's is that of the list that it follows.
fn answered(call: &Call<'_>, operation: &Operation) -> Option<&'static Kind> {
    let of = |o: &'static Operation| types::kind(types::named(o.response).name);
    if operation.path.ends_with("/items/{}/delta") {
        return types::kind("microsoft.graph.driveItem");
    }
    let Some(list) = operation.path.strip_suffix("/delta") else {
        return types::kind(types::named(operation.response).name);
    };
    let depth = list.split('/').filter(|p| !p.is_empty()).count();
    match catalog::classify("GET", call.path.get(..depth)?, false) {
        Found::Operation(o) => of(o),
        _ => None,
    }
}

fn unknown(name: &str, kind: &Kind) -> String {
    format!("Could not find a property named '{name}' on type '{}'.", kind.name)
}

/// Whether a path (`from/emailAddress/address`, `microsoft.graph.fileAttachment/contentId`) leads
/// somewhere; the complaint when it does not.
fn known(kind: &'static Kind, path: &str) -> Result<(), String> {
    let mut at = Some(kind);
    for part in path.split('/') {
        let Some(kind) = at else { return Ok(()) };
        if part == "*" || part.starts_with('$') || part.contains('@') {
            return Ok(());
        }
        at = step(kind, part)?.and_then(|named| types::kind(named.name));
    }
    Ok(())
}

/// One part of a path; nothing when it leads where no type is published.
fn step(kind: &'static Kind, part: &str) -> Result<Option<Named>, String> {
    if part.contains('.') {
        // A type to look at it as; other names with a dot are annotations of OneDrive's.
        return match types::kind(part) {
            Some(cast) => Ok(Some(Named { name: cast.name, many: false, nullable: true })),
            None if part.to_ascii_lowercase().starts_with("microsoft.graph.") => {
                Err(format!("The type '{part}' is not defined in the model."))
            }
            None => Ok(None),
        };
    }
    if let Some((named, _)) = kind.find(part) {
        return Ok(Some(named));
    }
    // Lists of directory objects take what any of these has; open types take extensions.
    let any = kind.name == "microsoft.graph.directoryObject" && kind.below_has(part);
    match any || (kind.open && part.contains('_')) {
        true => Ok(None),
        false => Err(unknown(part, kind)),
    }
}

fn expand(kind: &'static Kind, text: &str) -> Result<(), String> {
    for one in odata::split_expand(text) {
        let mut at = Some(kind);
        for part in one.name.split('/') {
            let Some(kind) = at else { break };
            if part == "*" || part.starts_with('$') {
                break;
            }
            let plain = matches!(kind.find(part), Some((n, Role::Property))
                if types::kind(n.name).is_none());
            if plain {
                return Err(format!(
                    "Property '{part}' on type '{}' is not a navigation property or complex \
                     property. Only navigation properties can be expanded.",
                    kind.name
                ));
            }
            at = step(kind, part)?.and_then(|named| types::kind(named.name));
        }
        let Some(kind) = at else { continue };
        for (name, value) in &one.options {
            match name.as_str() {
                "select" => {
                    odata::names(value).iter().try_for_each(|path| known(kind, path))?;
                }
                "expand" => expand(kind, value)?,
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
