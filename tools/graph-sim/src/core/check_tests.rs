use super::*;
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeSet;

/// The status and message with which a call is refused; nothing when it passes.
fn ask(method: &str, target: &str, body: Option<Value>, beta: bool) -> Option<(u16, String)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    if body.is_some() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    let req = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: body.map(|b| Bytes::from(b.to_string())).unwrap_or_default(),
    };
    asked(&req, beta)
}

fn asked(req: &Request, beta: bool) -> Option<(u16, String)> {
    let path = crate::core::world::segments(&req.path);
    let (app, roles) = (String::new(), BTreeSet::new());
    let call = Call { req, path, tenant: 0, app, roles, person: None, beta };
    let Found::Operation(operation) = catalog::classify(&req.method, &call.path, beta) else {
        panic!("{} {} is not published", req.method, req.path);
    };
    let all = [query(&call, operation), length(&call, operation), body(&call, operation)];
    all.into_iter().find_map(Result::err).map(|e| (e.status, e.message))
}

fn passes(method: &str, target: &str, body: Option<Value>) {
    assert_eq!(ask(method, target, body, false), None, "{method} {target}");
}

fn refused(method: &str, target: &str, body: Option<Value>, says: &str) {
    let (status, message) =
        ask(method, target, body, false).unwrap_or_else(|| panic!("{method} {target} passed"));
    assert!(status == 400 && message.contains(says), "{method} {target}: {status} {message}");
}

const POLICIES: &str = "/identity/conditionalAccess/policies";
const COMPLIANCE: &str = "/deviceManagement/deviceCompliancePolicies";

#[test]
fn names_in_queries_are_held_against_the_answers_type() {
    for target in [
        "/users?$select=id,userPrincipalName&$filter=accountEnabled eq true",
        "/users/delta?$select=id,userPrincipalName,mail",
        "/users?$filter=assignedPlans/any(p:p/service eq 'exchange')&$orderby=displayName desc",
        "/users/a/mailFolders/b/messages/delta?$select=id,isRead,from",
        "/users/a/messages/b/attachments?$select=id,name,contentType,size,isInline&$expand=microsoft.graph.itemattachment/item",
        "/users/a/messages/b?$expand=singleValueExtendedProperties($filter=id eq 'x')",
        "/users/a/messages?$filter=from/emailAddress/address eq 'x'",
        "/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType eq \
         'DirectoryRole'&$expand=policy($expand=rules)",
        "/deviceManagement/deviceConfigurations?$expand=assignments",
        "/deviceManagement?$select=settings",
        "/groups/a/members?$select=id,displayName,userPrincipalName,createdDateTime&$top=999",
        "/groups?$filter=groupTypes/any(c:c eq 'Unified')",
        "/users?$select=id,extension_9b3a7c1e00004000800000000000000a_house",
        "/drives/x/items/y/children?$select=id,name,file&$expand=thumbnails",
        "/servicePrincipals?$filter=appId eq '1' or appId eq '2'&$select=id,appId",
        "/auditLogs/directoryAudits?$filter=activityDateTime ge 2026-01-01T00:00:00Z&$top=999",
    ] {
        passes("GET", target, None);
    }
    let message = "Could not find a property named 'isJunk' on type 'microsoft.graph.message'.";
    refused("GET", "/users/a/messages?$filter=isJunk ne true", None, message);
    for (target, name) in [
        ("/users?$select=id,shoeSize", "'shoeSize' on type 'microsoft.graph.user'"),
        ("/users/delta?$select=shoeSize", "'shoeSize' on type 'microsoft.graph.user'"),
        ("/users/a/messages?$orderby=weight", "'weight' on type 'microsoft.graph.message'"),
        ("/users/a/messages?$select=from/nobody", "'nobody' on type 'microsoft.graph.recipient'"),
        ("/users/a/mailFolders/b/messages/delta?$select=nope", "'nope'"),
        ("/groups/a/members?$select=nope", "'nope' on type 'microsoft.graph.directoryObject'"),
        ("/deviceManagement/deviceConfigurations?$expand=nope", "'nope'"),
        ("/users?$filter=plans/any(p:p/service eq 'x')", "'plans'"),
        ("/drives/x/items/y/children?$select=nope", "'nope' on type 'microsoft.graph.driveItem'"),
        ("/users/a/messages/b/attachments?$select=contentBytes", "'contentBytes'"),
        ("/users/a/messages/b?$expand=subject", "is not a navigation property"),
        ("/users/a/messages/b?$expand=microsoft.graph.nonsense/item", "not defined in the model"),
    ] {
        refused("GET", target, None, name);
    }
}

fn policy() -> Value {
    json!({"displayName": "Block legacy", "state": "enabled",
        "conditions": {"clientAppTypes": ["other"], "applications": {"includeApplications":
            ["All"]}, "users": {"includeUsers": ["All"]}, "platforms": null},
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
        "sessionControls": null})
}

/// A body with one value changed, or taken out.
fn with(mut body: Value, pointer: &str, value: Value) -> Option<Value> {
    let (at, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(at).unwrap()[name] = value;
    Some(body)
}

#[test]
fn bodies_are_held_against_the_published_type() {
    passes("POST", POLICIES, Some(policy()));
    passes("PATCH", &format!("{POLICIES}/x"), Some(json!({"state": "disabled"})));
    let schema = "1007: Incoming ConditionalAccessPolicy object";
    for body in [
        with(policy(), "/displayname2", json!("x")),
        with(policy(), "/conditions/users/includeNobody", json!([])),
        with(policy(), "/state", json!("on")),
        with(policy(), "/conditions/clientAppTypes", json!("other")),
        with(policy(), "/grantControls/builtInControls", json!(["blok"])),
        with(policy(), "/displayName", Value::Null),
        with(policy(), "/conditions", json!("all")),
        Some(json!({})),
    ] {
        refused("POST", POLICIES, body, schema);
    }
    let message = json!({"subject": "x", "importance": "high", "isRead": false,
        "categories": ["Blue"], "toRecipients": [{"emailAddress": {"address": "a@b"}}],
        "attachments": [{"@odata.type": "#microsoft.graph.fileAttachment", "name": "a",
            "contentBytes": "QQ=="}],
        "singleValueExtendedProperties": [{"id": "Integer 0x0E07", "value": "4"}]});
    passes("POST", "/users/a/messages", Some(message.clone()));
    let inner = "'weight' does not exist on type 'microsoft.graph.recipient'";
    let heavy = with(message.clone(), "/toRecipients/0/weight", json!(1));
    refused("POST", "/users/a/messages", heavy, inner);
    for (pointer, value) in [
        ("/subjekt", json!("x")),
        ("/isRead", json!("yes")),
        ("/importance", json!("urgent")),
        ("/receivedDateTime", json!("yesterday")),
        ("/attachments/0/@odata.type", json!("#microsoft.graph.nonsense")),
        ("/attachments/0/@odata.type", json!("#microsoft.graph.user")),
        ("/singleValueExtendedProperties/0/worth", json!("x")),
    ] {
        assert!(
            ask("POST", "/users/a/messages", with(message.clone(), pointer, value), false)
                .is_some_and(|(s, _)| s == 400),
            "{pointer}"
        );
    }
}

#[test]
fn a_derived_type_is_respected_and_an_abstract_one_is_not_made() {
    let phone = json!({"@odata.type": "#microsoft.graph.windows10CompliancePolicy",
        "displayName": "x", "bitLockerEnabled": true, "scheduledActionsForRule": [{"ruleName": "r",
            "scheduledActionConfigurations": [{"actionType": "block", "gracePeriodHours": 0}]}]});
    passes("POST", COMPLIANCE, Some(phone.clone()));
    refused("POST", COMPLIANCE, Some(json!({"displayName": "x"})), "abstract");
    let other = with(phone.clone(), "/@odata.type", json!("#microsoft.graph.iosCompliancePolicy"));
    refused("POST", COMPLIANCE, other, "'bitLockerEnabled' does not exist");
    let wrong = "/scheduledActionsForRule/0/scheduledActionConfigurations/0/actionType";
    refused("POST", COMPLIANCE, with(phone, wrong, json!("shout")), "'shout' was not found");
    // Half an object may be altered without its kind.
    passes("PATCH", &format!("{COMPLIANCE}/x"), Some(json!({"displayName": "y"})));
}

#[test]
fn what_is_computed_or_required_is_so_in_the_words_of_the_directory() {
    let ann = json!({"accountEnabled": true, "displayName": "Ann", "mailNickname": "ann",
        "userPrincipalName": "ann@x", "passwordProfile": {"password": "p"}});
    passes("POST", "/users", Some(ann.clone()));
    let none = with(ann.clone(), "/mailNickname", Value::Null);
    refused("POST", "/users", none, "A value is required for property 'mailNickname'");
    let plans = with(ann.clone(), "/assignedPlans", json!([]));
    refused("POST", "/users", plans, "Property 'assignedPlans' is read-only");
    refused("POST", "/users", with(ann.clone(), "/shoeSize", json!(42)), "'shoeSize'");
    passes("POST", "/users", with(ann, "/extension_9b3a_house", json!("Red")));
    let grant = json!({"principalId": "a", "directoryScopeId": "/"});
    let says = "A value is required for property 'roleDefinitionId'";
    refused("POST", "/roleManagement/directory/roleAssignments", Some(grant), says);
    let locked = Some(json!({"isEnabled": "no"}));
    let defaults = "/policies/identitySecurityDefaultsEnforcementPolicy";
    refused("PATCH", defaults, locked, "Cannot convert the literal 'no'");
    refused("PATCH", defaults, Some(json!({"isEnabled": null})), "does not allow null values");
}

#[test]
fn what_has_no_published_type_passes() {
    passes("POST", "/users/a/messages/b/move", Some(json!({"destinationId": "x"})));
    passes("POST", "/groups/a/members/$ref", Some(json!({"@odata.id": "https://x/y"})));
    passes("POST", "/users/a/messages/b/permanentDelete", None);
    let free = Some(json!({"anything": true}));
    let beta = ask("POST", "/deviceManagement/assignmentFilters", free, true);
    assert_eq!(beta, None);
    let file = json!({"name": "a", "folder": {}, "@microsoft.graph.conflictBehavior": "fail"});
    passes("POST", "/drives/x/items/y/children", Some(file));
}

#[test]
fn what_is_no_json_or_too_long_is_refused() {
    let mut req = Request {
        method: "POST".into(),
        path: "/users/a/messages".into(),
        query: String::new(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Bytes::from_static(b"{\"subject\": "),
    };
    assert_eq!(asked(&req, false).unwrap().0, 400);
    req.body = Bytes::from_static(b"[1]");
    assert_eq!(asked(&req, false).unwrap().0, 400);
    req.body = Bytes::new();
    assert!(asked(&req, false).unwrap().1.contains("Empty Payload"));
    req.body = Bytes::from_static(b"{}");
    assert_eq!(asked(&req, false), None);
    req.headers = vec![("content-type".into(), "application/xml".into())];
    assert_eq!(asked(&req, false).unwrap().0, 415);
    req.headers = Vec::new();
    assert!(asked(&req, false).unwrap().1.contains("must contain the Content-Type"));
    req.headers = vec![("content-type".into(), "text/plain".into())];
    req.body = Bytes::from_static(b"U3ViamVjdDogeA==");
    assert_eq!(asked(&req, false), None, "a message as MIME");
    req.body = vec![b'A'; BODY_BYTES_MAX + 1].into();
    assert_eq!(asked(&req, false).unwrap().0, 413);
    req.method = "PUT".into();
    req.path = "/drives/x/items/y/content".into();
    assert_eq!(asked(&req, false), None, "a file");
}
