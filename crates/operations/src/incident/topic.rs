//! What a change of settings gives an intruder, by the collection that it is of.

use serde::Serialize;
use strongroom_model::collections::{
    applications, devices, directory, exchange, identity, purview, roles, sharepoint, teams,
};

/// What a change of settings is about, in the order in which an intruder's hold is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Who administers, and who is in groups that have power.
    Role,
    /// Credentials of applications, and applications that are new.
    Credential,
    /// What applications may do.
    Consent,
    /// Who signs in, how, and from where.
    Policy,
    /// Mail that goes elsewhere, or is hidden.
    MailRule,
    /// Who else sees what is here.
    Sharing,
    /// For how long things are kept, and what is logged.
    Retention,
    /// Anything else.
    Other,
}

impl Topic {
    /// That of a collection.
    pub(crate) fn of(collection: &str) -> Self {
        match collection {
            applications::REGISTRATIONS
            | applications::SERVICE_PRINCIPALS
            | applications::DEFAULT_MANAGEMENT_POLICY
            | applications::MANAGEMENT_POLICIES => Topic::Credential,
            applications::PERMISSIONS
            | applications::DELEGATED_GRANTS
            | identity::ADMIN_CONSENT_REQUESTS
            | identity::PERMISSION_GRANT_POLICIES => Topic::Consent,
            roles::DEFINITIONS
            | roles::ASSIGNMENTS
            | roles::ACTIVE_SCHEDULES
            | roles::ELIGIBLE_SCHEDULES
            | roles::ACTIVATION_POLICIES
            | directory::ADMINISTRATIVE_UNITS
            | directory::PRIVILEGED_USERS
            | directory::REFERENCED_GROUPS
            | devices::ROLES
            | devices::ROLE_ASSIGNMENTS
            | exchange::ROLE_GROUPS
            | exchange::ROLE_ASSIGNMENT_POLICIES => Topic::Role,
            exchange::TRANSPORT
            | exchange::TRANSPORT_RULES
            | exchange::JOURNAL_RULES
            | exchange::REMOTE_DOMAINS
            | exchange::ACCEPTED_DOMAINS
            | exchange::INBOUND_CONNECTORS
            | exchange::OUTBOUND_CONNECTORS
            | exchange::OUTBOUND_SPAM_POLICIES
            | exchange::OUTBOUND_SPAM_RULES
            | exchange::APPLICATION_ACCESS_POLICIES => Topic::MailRule,
            sharepoint::SETTINGS
            | sharepoint::SHARING_LINKS
            | exchange::SHARING_POLICIES
            | identity::CROSS_TENANT_ACCESS_DEFAULT
            | identity::CROSS_TENANT_ACCESS_PARTNERS
            | teams::FEDERATION => Topic::Sharing,
            exchange::ORGANIZATION
            | directory::GROUP_LIFECYCLE
            | purview::RETENTION_POLICIES
            | purview::RETENTION_RULES
            | purview::DATA_LOSS_POLICIES
            | purview::ALERTS => Topic::Retention,
            directory::DOMAINS | directory::FEDERATION | directory::SYNCHRONIZATION => {
                Topic::Policy
            }
            other if other.starts_with("identity") => Topic::Policy,
            _ => Topic::Other,
        }
    }

    /// The word for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Role => "role",
            Topic::Credential => "credential",
            Topic::Consent => "consent",
            Topic::Policy => "policy",
            Topic::MailRule => "mail rule",
            Topic::Sharing => "sharing",
            Topic::Retention => "retention",
            Topic::Other => "other",
        }
    }
}
