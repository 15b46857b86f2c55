//! Smaller areas, and what no interface gives.

use super::*;
use strongroom_model::collections::{powerbi, powerplatform, security, sharepoint};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: security::SECURE_SCORE,
        reader: Reader::Graph(
            ask("security/secureScores?$top=1", "SecurityEvents.Read.All").within(Limit::Security),
        ),
        // A figure of the day, and no setting: kept beside the settings.
        normalizer: single().volatile(&[
            "activeUserCount",
            "averageComparativeScores",
            "azureTenantId",
            "controlScores",
            "currentScore",
            "enabledServices",
            "licensedUserCount",
            "maxScore",
            "vendorInformation",
        ]),
        setter: BY_HAND,
        rank: EVERYDAY,
        empty: Empty::Wrong,
    },
    Row {
        name: sharepoint::SETTINGS,
        reader: Reader::Graph(ask(
            "admin/sharepoint/settings",
            "SharePointTenantSettings.Read.All",
        )),
        normalizer: single(),
        setter: Back::By(set(
            320,
            "admin/sharepoint/settings",
            SetMethod::One,
            "SharePointTenantSettings.ReadWrite.All",
        )),
        rank: EVERYDAY,
        empty: Empty::Wrong,
    },
    unread(
        sharepoint::SHARING_LINKS,
        "the default kind, permission and expiry of sharing links are not in Graph's SharePoint \
         settings; see the SharePoint admin center",
        EVERYDAY,
    ),
    unread(
        powerplatform::SETTINGS,
        "Power Platform settings are read through an interface of their own whose shapes are not \
         published; see the Power Platform admin center",
        EVERYDAY,
    ),
    unread(
        powerbi::SETTINGS,
        "Power BI tenant settings are read through an interface of their own; see the Fabric admin \
         portal",
        EVERYDAY,
    ),
];
