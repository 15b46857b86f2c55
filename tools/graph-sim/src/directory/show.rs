//! People as Graph shows them.

use crate::core::{odata::Query, tenant::User};
use serde_json::{Value, json};

pub(crate) fn user(u: &User, query: &Query) -> Value {
    let all = json!({
        "id": u.id,
        "businessPhones": [],
        "displayName": u.name,
        "givenName": u.name.split(' ').next(),
        "jobTitle": u.job,
        "mail": u.upn,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
        "surname": u.name.split(' ').next_back(),
        "userPrincipalName": u.upn,
        "accountEnabled": true,
        "userType": "Member",
    });
    query.pick(all, &["accountEnabled", "userType"])
}
