//! Names for what settings know by number.

/// Built-in directory roles that rules speak of; the same ids in every tenant. Source: Microsoft
/// Entra, built-in roles.
pub(crate) const ROLES: &[(&str, &str)] = &[
    (GLOBAL_ADMINISTRATOR, "Global Administrator"),
    (PRIVILEGED_ROLE, "Privileged Role Administrator"),
    (PRIVILEGED_AUTHENTICATION, "Privileged Authentication Administrator"),
    ("fe930be7-5e62-47db-91af-98c3a49a38b1", "User Administrator"),
    ("29232cdf-9323-42fd-ade2-1d097af3e4de", "Exchange Administrator"),
    ("f28a1f50-f6e7-4571-818b-6a12f2af6b6c", "SharePoint Administrator"),
    ("8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2", "Hybrid Identity Administrator"),
    ("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3", "Application Administrator"),
    ("158c047a-c907-4556-b7ef-446551a6b5f7", "Cloud Application Administrator"),
    ("194ae4cb-b126-40b2-bd5b-6091b380977d", "Security Administrator"),
    ("b1be1c3e-b65d-4f19-8427-f6fa0d97feb9", "Conditional Access Administrator"),
    ("729827e3-9c14-49f7-bb1b-9608f156bbb8", "Helpdesk Administrator"),
    ("c4e39bd9-1100-46d3-8c65-fb160da0071f", "Authentication Administrator"),
    ("3a2c62db-5318-420d-8d74-23affee5d9d5", "Intune Administrator"),
    ("f2ef992c-3afb-46b9-b7cf-a126ee74c451", "Global Reader"),
    ("d29b2b05-8046-44ba-8758-1e26182fcf32", "Directory Synchronization Accounts"),
    ("95e79109-95c0-4d8e-aee3-d01accf2d47b", "Guest Inviter"),
];

pub(crate) const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub(crate) const PRIVILEGED_ROLE: &str = "e8611ab8-c189-46e8-94e1-60213ab1f814";
pub(crate) const PRIVILEGED_AUTHENTICATION: &str = "7be44c8a-adaf-4e2a-84d6-ab2649e08a13";

/// The roles that CISA's baseline calls highly privileged.
pub(crate) const HIGHLY_PRIVILEGED: &[&str] = &[
    GLOBAL_ADMINISTRATOR,
    PRIVILEGED_ROLE,
    "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "f28a1f50-f6e7-4571-818b-6a12f2af6b6c",
    "29232cdf-9323-42fd-ade2-1d097af3e4de",
    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
    "158c047a-c907-4556-b7ef-446551a6b5f7",
];

/// Names of roles, by their ids.
pub(crate) fn roles(ids: &[&str]) -> String {
    let name = |id: &&str| {
        ROLES
            .iter()
            .find(|(i, _)| i.eq_ignore_ascii_case(id))
            .map_or((*id).to_owned(), |(_, n)| (*n).to_owned())
    };
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A symbol as a person says it: `@groups/All staff` is `group All staff`.
pub(crate) fn symbol(s: &str) -> String {
    match s.strip_prefix('@').and_then(|s| s.split_once('/')) {
        Some((kind, name)) => {
            format!("{} {name}", kind.strip_suffix('s').unwrap_or(kind).replace('-', " "))
        }
        None => s.to_owned(),
    }
}

/// `1 app`, `2 apps`.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
