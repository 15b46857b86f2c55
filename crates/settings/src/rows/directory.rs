//! The directory itself.

use super::*;
use crate::row::Derived;
use strongroom_model::collections::directory::*;

const SET_DOMAINS: &str = "Domain.ReadWrite.All";
const NO_SETTING: Back = Back::Not("people and licences are not put back as settings");

pub(super) const ROWS: &[Row] = &[
    Row {
        name: ADMINISTRATIVE_UNITS,
        reader: Reader::Graph(
            ask("directory/administrativeUnits", "AdministrativeUnit.Read.All")
                .with(&[read_part("members", true)]),
        ),
        normalizer: many()
            .owned(the_tenants)
            .names(Principals::Below("/members"))
            .read_since(&["members"]),
        setter: Back::By(
            set(
                280,
                "directory/administrativeUnits",
                SetMethod::Many,
                "AdministrativeUnit.ReadWrite.All",
            )
            .with(&[part("members", PartSetMethod::References)]),
        ),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: DOMAINS,
        reader: Reader::Graph(ask("domains", "Domain.Read.All")),
        normalizer: called_by(&["id"]),
        setter: Back::By(Setter {
            unmakeable: Some("a domain is added by proving that it is yours"),
            never: &[("authenticationType", "it follows the domain's federation")],
            ..set(80, "domains", SetMethod::Many, SET_DOMAINS)
        }),
        rank: Ranks { changed: Rank::Low, ..all(Rank::High) }.called("the domain "),
        empty: Empty::Fine,
    },
    Row {
        name: ORGANIZATION,
        reader: Reader::Graph(ask("organization", "Organization.Read.All")),
        normalizer: single(),
        setter: NO_SETTING,
        rank: EVERYDAY,
        empty: Empty::Wrong,
    },
    Row {
        name: GROUP_SETTINGS,
        reader: Reader::Graph(ask("groupSettings", "GroupSettings.Read.All")),
        normalizer: many(),
        setter: Back::By(set(290, "groupSettings", SetMethod::Many, "GroupSettings.ReadWrite.All")),
        rank: PROTECTS,
        empty: Empty::Fine,
    },
    Row {
        name: GROUP_SETTING_TEMPLATES,
        reader: Reader::Graph(ask("groupSettingTemplates", "GroupSettings.Read.All")),
        normalizer: many(),
        setter: BY_HAND,
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: GROUP_LIFECYCLE,
        reader: Reader::Graph(ask("groupLifecyclePolicies", "Directory.Read.All")),
        normalizer: called_by(&["managedGroupTypes", "id"]),
        setter: Back::By(set(
            300,
            "groupLifecyclePolicies",
            SetMethod::Many,
            "Directory.ReadWrite.All",
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: SYNCHRONIZATION,
        // The published list of permissions names it for people alone; applications hold it too,
        // and other tools read it so.
        reader: Reader::Graph(ask(
            "directory/onPremisesSynchronization",
            "OnPremDirectorySynchronization.Read.All",
        )),
        normalizer: single(),
        setter: Back::By(set(
            310,
            "directory/onPremisesSynchronization",
            SetMethod::OneById,
            "OnPremDirectorySynchronization.ReadWrite.All",
        )),
        rank: all(Rank::High),
        empty: Empty::Wrong,
    },
    Row {
        name: LICENCES,
        reader: Reader::Graph(ask("subscribedSkus", "Organization.Read.All")),
        normalizer: called_by(&["skuPartNumber"]).volatile(&[
            "consumedUnits",
            "prepaidUnits",
            "subscriptionIds",
            "accountId",
            "accountName",
        ]),
        setter: NO_SETTING,
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: FEDERATION,
        reader: Reader::Derived(Derived::Federation),
        normalizer: MADE,
        setter: Back::By(set(
            70,
            "domains/{domain}/federationConfiguration",
            SetMethod::DeleteOnly,
            SET_DOMAINS,
        )),
        rank: Ranks { removed: Rank::Medium, ..all(Rank::Critical) }
            .called("trust in the sign-in service "),
        empty: Empty::Fine,
    },
    Row {
        name: REFERENCED_GROUPS,
        reader: Reader::Derived(Derived::Groups),
        normalizer: MADE.symbol("groups"),
        setter: Back::By(
            set(10, "groups", SetMethod::Members, "Group.ReadWrite.All").undelete(DELETED),
        ),
        rank: all(Rank::Low),
        empty: Empty::Fine,
    },
    Row {
        name: PRIVILEGED_USERS,
        reader: Reader::Derived(Derived::People),
        normalizer: MADE.symbol("users"),
        setter: NO_SETTING,
        rank: Ranks { changed: Rank::High, ..all(Rank::Low) }.called("the administrator "),
        empty: Empty::Fine,
    },
];
