//! A school that is kept as the mail and Teams rules want it.

use super::{Tenant, json};

pub(crate) fn school() -> Tenant {
    Tenant::new()
        .many("directory/domains", vec![("riverside.example", json!({"isVerified": true}))])
        .many(
            "directory/licences",
            vec![(
                "M365EDU_A3",
                json!({"servicePlans": [{"servicePlanName": "EXCHANGE_S_ENTERPRISE"}]}),
            )],
        )
        .many(
            "exchange/organization",
            vec![(
                "",
                json!({"AuditDisabled": false,
            "CustomerLockboxEnabled": true, "OAuth2ClientProfileEnabled": true,
            "MailTipsAllTipsEnabled": true, "MailTipsExternalRecipientsTipsEnabled": true,
            "MailTipsGroupMetricsEnabled": true, "MailTipsLargeAudienceThreshold": 25,
            "BookingsEnabled": false, "EwsEnabled": true, "SendFromAliasEnabled": false}),
            )],
        )
        .many(
            "exchange/transport",
            vec![(
                "",
                json!({"SmtpClientAuthenticationDisabled": true,
            "AllowLegacyTLSClients": false}),
            )],
        )
        .many(
            "exchange/office-protection",
            vec![(
                "",
                json!({"Identity": "Default",
            "EnableATPForSPOTeamsODB": true, "EnableSafeDocs": true, "AllowSafeDocsOpen": false}),
            )],
        )
        .many(
            "exchange/report-submission",
            vec![(
                "",
                json!({"Identity": "DefaultReportSubmissionPolicy", "EnableReportToMicrosoft": true,
                "ReportPhishToCustomizedAddress": false}),
            )],
        )
        .many(
            "exchange/accepted-domains",
            vec![("riverside.example", json!({"DomainType": "Authoritative"}))],
        )
        .many(
            "exchange/remote-domains",
            vec![(
                "Default",
                json!({"DomainName": "*",
            "AutoForwardEnabled": false, "AllowedOOFType": "External"}),
            )],
        )
        .many(
            "exchange/dkim",
            vec![(
                "riverside.example",
                json!({"Enabled": true,
            "KeySize": 2048}),
            )],
        )
        .many(
            "exchange/sharing-policies",
            vec![(
                "Default Sharing Policy",
                json!({"Default": true,
            "Enabled": true, "Domains": ["authority.example:CalendarSharingFreeBusySimple"]}),
            )],
        )
        .many(
            "exchange/transport-rules",
            vec![(
                "Mark outside mail",
                json!({"Enabled": true,
            "Mode": "Enforce", "Priority": 0, "FromScope": "NotInOrganization",
            "PrependSubject": "[External] ", "RedirectMessageTo": [], "BlindCopyTo": [],
            "CopyTo": [], "AddToRecipients": [], "SenderDomainIs": []}),
            )],
        )
        .many("exchange/journal-rules", vec![])
        .many("exchange/inbound-connectors", vec![])
        .many("exchange/outbound-connectors", vec![])
        .many(
            "exchange/malware-policies",
            vec![(
                "Default",
                json!({"EnableFileFilter": true,
            "FileTypes": ["cmd", "exe", "js", "vbe"], "ZapEnabled": true,
            "EnableInternalSenderAdminNotifications": true,
            "InternalSenderAdminAddress": "security@riverside.example",
            "QuarantineTag": "AdminOnlyAccessPolicy"}),
            )],
        )
        .many("exchange/malware-rules", vec![])
        .many(
            "exchange/safe-attachment-policies",
            vec![(
                "Built-In Protection Policy",
                json!({"Enable": true, "Action": "Block", "QuarantineTag": "AdminOnlyAccessPolicy",
                "Redirect": false}),
            )],
        )
        .many("exchange/safe-attachment-rules", vec![])
        .many(
            "exchange/safe-link-policies",
            vec![
                (
                    "Built-In Protection Policy",
                    json!({"EnableSafeLinksForEmail": true, "EnableSafeLinksForTeams": true,
                "EnableSafeLinksForOffice": true, "EnableForInternalSenders": false,
                "ScanUrls": true, "DeliverMessageAfterScan": true, "TrackClicks": true,
                "AllowClickThrough": true, "DisableUrlRewrite": true}),
                ),
                (
                    "Links for all",
                    json!({"EnableSafeLinksForEmail": true, "EnableSafeLinksForTeams": true,
                        "EnableSafeLinksForOffice": true, "EnableForInternalSenders": true,
                        "ScanUrls": true, "DeliverMessageAfterScan": true, "TrackClicks": true,
                        "AllowClickThrough": false, "DisableUrlRewrite": false}),
                ),
            ],
        )
        .many(
            "exchange/safe-link-rules",
            vec![(
                "Links for all",
                json!({"SafeLinksPolicy": "Links for all", "Enabled": true, "Priority": 0,
                "RecipientDomainIs": ["riverside.example"], "SentTo": [], "SentToMemberOf": [],
                "ExceptIfSentTo": []}),
            )],
        )
        .many(
            "exchange/anti-phishing-policies",
            vec![(
                "Office365 AntiPhish Default",
                json!({"Enabled": true, "PhishThresholdLevel": "3",
                "EnableTargetedUserProtection": true,
                "TargetedUsersToProtect": ["Head;head@riverside.example"],
                "EnableOrganizationDomainsProtection": true,
                "EnableTargetedDomainsProtection": true,
                "TargetedDomainsToProtect": ["authority.example"],
                "EnableFirstContactSafetyTips": true, "EnableSimilarUsersSafetyTips": true,
                "EnableSimilarDomainsSafetyTips": true, "EnableUnusualCharactersSafetyTips": true,
                "EnableUnauthenticatedSender": true, "EnableViaTag": true,
                "EnableSpoofIntelligence": true, "AuthenticationFailAction": "Quarantine",
                "HonorDmarcPolicy": true}),
            )],
        )
        .many("exchange/anti-phishing-rules", vec![])
        .many(
            "exchange/spam-policies",
            vec![(
                "Default",
                json!({"SpamAction": "MoveToJmf",
            "HighConfidenceSpamAction": "Quarantine", "PhishSpamAction": "Quarantine",
            "HighConfidencePhishAction": "Quarantine", "BulkSpamAction": "MoveToJmf",
            "AllowedSenderDomains": [], "AllowedSenders": []}),
            )],
        )
        .many("exchange/spam-rules", vec![])
        .many(
            "exchange/connection-filters",
            vec![(
                "Default",
                json!({"IPAllowList": [],
            "IPBlockList": [], "EnableSafeList": false}),
            )],
        )
        .many(
            "exchange/outbound-spam-policies",
            vec![(
                "Default",
                json!({"AutoForwardingMode": "Off", "NotifyOutboundSpam": true,
                "NotifyOutboundSpamRecipients": ["security@riverside.example"],
                "BccSuspiciousOutboundMail": true,
                "BccSuspiciousOutboundAdditionalRecipients": ["security@riverside.example"],
                "ActionWhenThresholdReached": "BlockUser"}),
            )],
        )
        .many("exchange/outbound-spam-rules", vec![])
        .many(
            "exchange/outlook-web-policies",
            vec![(
                "OwaMailboxPolicy-Default",
                json!({"IsDefault": true, "AdditionalStorageProvidersAvailable": false,
                "PersonalAccountsEnabled": false, "PersonalAccountCalendarsEnabled": false,
                "BookingsMailboxCreationEnabled": false}),
            )],
        )
        .many(
            "exchange/role-assignment-policies",
            vec![(
                "Default Role Assignment Policy",
                json!({"IsDefault": true, "Roles": ["MyBaseOptions", "MyContactInformation"]}),
            )],
        )
        .many(
            "exchange/role-groups",
            vec![(
                "Organization Management",
                json!({"Members": ["Global Administrators"], "Roles": ["Mail Flow",
                "Recipient Policies"]}),
            )],
        )
        .many("exchange/application-access-policies", vec![])
        .many("exchange/authentication-policies", vec![])
        .many(
            "purview/data-loss-policies",
            vec![(
                "Pupils and staff",
                json!({"Mode": "Enable",
            "Priority": 0, "ExchangeLocation": ["All"], "SharePointLocation": ["All"],
            "OneDriveLocation": ["All"], "TeamsLocation": ["All"],
            "EndpointDlpLocation": ["All"]}),
            )],
        )
        .many(
            "purview/retention-policies",
            vec![(
                "Seven years",
                json!({"Enabled": true,
            "ExchangeLocation": ["All"]}),
            )],
        )
        .many(
            "purview/retention-rules",
            vec![(
                "Seven years",
                json!({"Policy": "Seven years",
            "RetentionDuration": "2555", "RetentionComplianceAction": "Keep"}),
            )],
        )
        .many("purview/alerts", vec![])
        .many(
            "teams/federation",
            vec![(
                "",
                json!({"Identity": "Global",
            "AllowFederatedUsers": true, "AllowedDomains": ["authority.example"],
            "BlockedDomains": [], "AllowTeamsConsumer": false, "AllowTeamsConsumerInbound": false,
            "ExternalAccessWithTrialTenants": "Blocked"}),
            )],
        )
        .many(
            "teams/client",
            vec![(
                "",
                json!({"Identity": "Global", "AllowEmailIntoChannel": false,
            "AllowBox": false, "AllowDropBox": false, "AllowGoogleDrive": false,
            "AllowShareFile": false, "AllowEgnyte": false, "AllowGuestUser": true}),
            )],
        )
        .many(
            "teams/meeting-policies",
            vec![(
                "Global",
                json!({"AllowAnonymousUsersToStartMeeting": false,
                "AllowAnonymousUsersToJoinMeeting": false, "AllowPSTNUsersToBypassLobby": false,
                "AutoAdmittedUsers": "EveryoneInCompanyExcludingGuests",
                "AllowExternalParticipantGiveRequestControl": false,
                "DesignatedPresenterRoleMode": "OrganizerOnlyUserOverride",
                "AllowCloudRecording": false, "MeetingChatEnabledType": "EnabledExceptAnonymous",
                "MediaBitRateKb": 50000}),
            )],
        )
        .many(
            "teams/event-policies",
            vec![(
                "Global",
                json!({"BroadcastRecordingMode": "UserOverride",
                "BroadcastAttendeeVisibilityMode": "EveryoneInCompany"}),
            )],
        )
        .many(
            "teams/messaging-policies",
            vec![(
                "Global",
                json!({"AllowSecurityEndUserReporting": true, "AllowUserDeleteMessage": true}),
            )],
        )
        .many(
            "teams/app-permission-policies",
            vec![(
                "Global",
                json!({"DefaultCatalogAppsType": "AllowedAppList",
                "GlobalCatalogAppsType": "AllowedAppList",
                "PrivateCatalogAppsType": "AllowedAppList"}),
            )],
        )
}
