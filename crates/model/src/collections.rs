//! The names of the collections of settings, `area/kind`: each stands here and nowhere else, which
//! `cargo xtask tidy` holds. What is known of a collection is its row in the room `settings`.

/// Who may sign in, how, and under which conditions.
pub mod identity {
    /// The policies of Conditional Access.
    pub const CONDITIONAL_ACCESS_POLICIES: &str = "identity/conditional-access-policies";
    /// Places that policies name.
    pub const NAMED_LOCATIONS: &str = "identity/named-locations";
    /// Combinations of methods that policies ask for.
    pub const AUTHENTICATION_STRENGTHS: &str = "identity/authentication-strengths";
    /// Marks that applications put on what policies protect.
    pub const AUTHENTICATION_CONTEXTS: &str = "identity/authentication-contexts";
    /// The ways in which people may prove who they are.
    pub const AUTHENTICATION_METHODS: &str = "identity/authentication-methods";
    /// What people and guests may do by themselves.
    pub const AUTHORIZATION: &str = "identity/authorization";
    /// Microsoft's own protection, where no policy is.
    pub const SECURITY_DEFAULTS: &str = "identity/security-defaults";
    /// Whom people may ask for consent.
    pub const ADMIN_CONSENT_REQUESTS: &str = "identity/admin-consent-requests";
    /// What other tenants may do that are not named.
    pub const CROSS_TENANT_ACCESS_DEFAULT: &str = "identity/cross-tenant-access-default";
    /// What other tenants may do that are named.
    pub const CROSS_TENANT_ACCESS_PARTNERS: &str = "identity/cross-tenant-access-partners";
    /// Who may join devices, and how.
    pub const DEVICE_REGISTRATION: &str = "identity/device-registration";
    /// Whether people may sign themselves up.
    pub const AUTHENTICATION_FLOWS: &str = "identity/authentication-flows";
    /// When idle sessions end.
    pub const ACTIVITY_TIMEOUTS: &str = "identity/activity-timeouts";
    /// How long tokens live.
    pub const TOKEN_LIFETIMES: &str = "identity/token-lifetimes";
    /// What tokens say.
    pub const CLAIMS_MAPPINGS: &str = "identity/claims-mappings";
    /// Where people are sent to sign in.
    pub const HOME_REALM_DISCOVERY: &str = "identity/home-realm-discovery";
    /// What people may consent to.
    pub const PERMISSION_GRANT_POLICIES: &str = "identity/permission-grant-policies";
}

/// Applications, and what they may do.
pub mod applications {
    /// What credentials all applications may have.
    pub const DEFAULT_MANAGEMENT_POLICY: &str = "applications/default-management-policy";
    /// What credentials single applications may have.
    pub const MANAGEMENT_POLICIES: &str = "applications/management-policies";
    /// The tenant's own applications.
    pub const REGISTRATIONS: &str = "applications/registrations";
    /// Applications as this tenant lets them in.
    pub const SERVICE_PRINCIPALS: &str = "applications/service-principals";
    /// What applications may do in somebody's name.
    pub const DELEGATED_GRANTS: &str = "applications/delegated-grants";
    /// What applications may do by themselves.
    pub const PERMISSIONS: &str = "applications/permissions";
}

/// Who administers the tenant.
pub mod roles {
    /// What roles there are.
    pub const DEFINITIONS: &str = "roles/definitions";
    /// Who has a role now, for good or for some hours.
    pub const ASSIGNMENTS: &str = "roles/assignments";
    /// From when to when roles are given.
    pub const ACTIVE_SCHEDULES: &str = "roles/active-schedules";
    /// Who may activate a role.
    pub const ELIGIBLE_SCHEDULES: &str = "roles/eligible-schedules";
    /// What activating a role asks for.
    pub const ACTIVATION_POLICIES: &str = "roles/activation-policies";
}

/// The directory itself.
pub mod directory {
    /// Parts of the directory that have administrators of their own.
    pub const ADMINISTRATIVE_UNITS: &str = "directory/administrative-units";
    /// The tenant's domains.
    pub const DOMAINS: &str = "directory/domains";
    /// Other services that sign a domain's people in.
    pub const FEDERATION: &str = "directory/federation";
    /// The tenant.
    pub const ORGANIZATION: &str = "directory/organization";
    /// Settings by template that are set.
    pub const GROUP_SETTINGS: &str = "directory/group-settings";
    /// The templates, with what holds where nothing is set.
    pub const GROUP_SETTING_TEMPLATES: &str = "directory/group-setting-templates";
    /// When groups end.
    pub const GROUP_LIFECYCLE: &str = "directory/group-lifecycle";
    /// How Active Directory comes into the directory.
    pub const SYNCHRONIZATION: &str = "directory/synchronization";
    /// What the tenant bought.
    pub const LICENCES: &str = "directory/licences";
    /// Groups that settings name.
    pub const REFERENCED_GROUPS: &str = "directory/referenced-groups";
    /// People with roles.
    pub const PRIVILEGED_USERS: &str = "directory/privileged-users";
}

/// What Microsoft says of the tenant.
pub mod security {
    /// A figure of the day.
    pub const SECURE_SCORE: &str = "security/secure-score";
}

/// Files that are shared.
pub mod sharepoint {
    /// The settings of SharePoint and OneDrive.
    pub const SETTINGS: &str = "sharepoint/settings";
    /// What a new link for sharing is; no interface shows it.
    pub const SHARING_LINKS: &str = "sharepoint/sharing-links";
}

/// Intune.
pub mod devices {
    /// The settings of Intune as a whole.
    pub const SETTINGS: &str = "devices/settings";
    /// Profiles that devices get.
    pub const CONFIGURATIONS: &str = "devices/configurations";
    /// What makes a device compliant.
    pub const COMPLIANCE_POLICIES: &str = "devices/compliance-policies";
    /// Who may enrol which devices.
    pub const ENROLMENT: &str = "devices/enrolment";
    /// What holds for apps on devices that are not managed.
    pub const APP_PROTECTION: &str = "devices/app-protection";
    /// The roles of Intune.
    pub const ROLES: &str = "devices/roles";
    /// Who has a role of Intune, over whom.
    pub const ROLE_ASSIGNMENTS: &str = "devices/role-assignments";
    /// Profiles of the settings catalogue.
    pub const SETTINGS_CATALOG: &str = "devices/settings-catalog";
    /// Filters of assignments.
    pub const FILTERS: &str = "devices/filters";
    /// What a second administrator must approve.
    pub const APPROVAL_POLICIES: &str = "devices/approval-policies";
}

/// Mail, as Tenant Configuration Management shows it.
pub mod exchange {
    /// Exchange as a whole.
    pub const ORGANIZATION: &str = "exchange/organization";
    /// How mail flows.
    pub const TRANSPORT: &str = "exchange/transport";
    /// Protection of Office files.
    pub const OFFICE_PROTECTION: &str = "exchange/office-protection";
    /// How people report mail.
    pub const REPORT_SUBMISSION: &str = "exchange/report-submission";
    /// Domains that take mail.
    pub const ACCEPTED_DOMAINS: &str = "exchange/accepted-domains";
    /// What may leave to other domains.
    pub const REMOTE_DOMAINS: &str = "exchange/remote-domains";
    /// How mail is signed.
    pub const DKIM: &str = "exchange/dkim";
    /// Whom calendars may be shared with.
    pub const SHARING_POLICIES: &str = "exchange/sharing-policies";
    /// Rules of mail flow.
    pub const TRANSPORT_RULES: &str = "exchange/transport-rules";
    /// Copies of mail to a journal.
    pub const JOURNAL_RULES: &str = "exchange/journal-rules";
    /// From where mail comes.
    pub const INBOUND_CONNECTORS: &str = "exchange/inbound-connectors";
    /// Where mail goes.
    pub const OUTBOUND_CONNECTORS: &str = "exchange/outbound-connectors";
    /// What is done with malware.
    pub const MALWARE_POLICIES: &str = "exchange/malware-policies";
    /// Whom those policies are for.
    pub const MALWARE_RULES: &str = "exchange/malware-rules";
    /// What is done with attachments.
    pub const SAFE_ATTACHMENT_POLICIES: &str = "exchange/safe-attachment-policies";
    /// Whom those policies are for.
    pub const SAFE_ATTACHMENT_RULES: &str = "exchange/safe-attachment-rules";
    /// What is done with links.
    pub const SAFE_LINK_POLICIES: &str = "exchange/safe-link-policies";
    /// Whom those policies are for.
    pub const SAFE_LINK_RULES: &str = "exchange/safe-link-rules";
    /// What is done with phishing.
    pub const ANTI_PHISHING_POLICIES: &str = "exchange/anti-phishing-policies";
    /// Whom those policies are for.
    pub const ANTI_PHISHING_RULES: &str = "exchange/anti-phishing-rules";
    /// What is done with spam.
    pub const SPAM_POLICIES: &str = "exchange/spam-policies";
    /// Whom those policies are for.
    pub const SPAM_RULES: &str = "exchange/spam-rules";
    /// Whose mail is let through.
    pub const CONNECTION_FILTERS: &str = "exchange/connection-filters";
    /// What is done with people who send spam.
    pub const OUTBOUND_SPAM_POLICIES: &str = "exchange/outbound-spam-policies";
    /// Whom those policies are for.
    pub const OUTBOUND_SPAM_RULES: &str = "exchange/outbound-spam-rules";
    /// What Outlook on the web may do.
    pub const OUTLOOK_WEB_POLICIES: &str = "exchange/outlook-web-policies";
    /// What people may set in their mailboxes.
    pub const ROLE_ASSIGNMENT_POLICIES: &str = "exchange/role-assignment-policies";
    /// Who administers Exchange.
    pub const ROLE_GROUPS: &str = "exchange/role-groups";
    /// Which mailboxes applications may open.
    pub const APPLICATION_ACCESS_POLICIES: &str = "exchange/application-access-policies";
    /// Which old ways to sign in are open.
    pub const AUTHENTICATION_POLICIES: &str = "exchange/authentication-policies";
    /// Public folders; no interface shows them.
    pub const PUBLIC_FOLDERS: &str = "exchange/public-folders";
}

/// Data that is kept, or kept in.
pub mod purview {
    /// What may not leave.
    pub const DATA_LOSS_POLICIES: &str = "purview/data-loss-policies";
    /// What is kept.
    pub const RETENTION_POLICIES: &str = "purview/retention-policies";
    /// For how long it is kept.
    pub const RETENTION_RULES: &str = "purview/retention-rules";
    /// Of what somebody is told.
    pub const ALERTS: &str = "purview/alerts";
}

/// Teams.
pub mod teams {
    /// Whom people may talk to outside.
    pub const FEDERATION: &str = "teams/federation";
    /// What the client lets people do.
    pub const CLIENT: &str = "teams/client";
    /// What may be done in meetings.
    pub const MEETING_POLICIES: &str = "teams/meeting-policies";
    /// What may be done in events.
    pub const EVENT_POLICIES: &str = "teams/event-policies";
    /// What may be done in chats.
    pub const MESSAGING_POLICIES: &str = "teams/messaging-policies";
    /// Which apps people may use.
    pub const APP_PERMISSION_POLICIES: &str = "teams/app-permission-policies";
}

/// Power Platform.
pub mod powerplatform {
    /// Its settings; no interface that is known for certain shows them.
    pub const SETTINGS: &str = "powerplatform/settings";
}

/// Power BI.
pub mod powerbi {
    /// Its settings; no interface that is known for certain shows them.
    pub const SETTINGS: &str = "powerbi/settings";
}
