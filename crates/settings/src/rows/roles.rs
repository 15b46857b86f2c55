//! Who administers the tenant.

use super::*;
use strongroom_model::collections::roles::*;

const P2: &str = "Entra ID P2";
const READ: &str = "RoleManagement.Read.Directory";
const SET: &str = "RoleManagement.ReadWrite.Directory";
const WHO_MAY_WHAT: Normalizer =
    called_by_all(&["roleDefinitionId", "principalId", "directoryScopeId"])
        .names(Principals::Powerful("/principalId"))
        .fleeting()
        .starting();

fn not_built_in(role: &Value, _: &str) -> bool {
    role["isBuiltIn"] == false
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: DEFINITIONS,
        reader: Reader::Graph(ask("roleManagement/directory/roleDefinitions", READ)),
        normalizer: many().owned(not_built_in).fleeting(),
        setter: BY_HAND,
        rank: all(Rank::High),
        empty: Empty::Fine,
    },
    Row {
        name: ASSIGNMENTS,
        reader: Reader::Graph(ask("roleManagement/directory/roleAssignments", READ)),
        normalizer: WHO_MAY_WHAT,
        setter: Back::By(set(
            250,
            "roleManagement/directory/roleAssignments",
            SetMethod::Given,
            SET,
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: ACTIVE_SCHEDULES,
        reader: Reader::Graph(
            ask(
                "roleManagement/directory/roleAssignmentSchedules",
                "RoleAssignmentSchedule.Read.Directory",
            )
            .licensed(P2),
        ),
        normalizer: WHO_MAY_WHAT,
        setter: Back::Not("it follows the assignments"),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: ELIGIBLE_SCHEDULES,
        reader: Reader::Graph(
            ask(
                "roleManagement/directory/roleEligibilitySchedules",
                "RoleEligibilitySchedule.Read.Directory",
            )
            .licensed(P2),
        ),
        normalizer: WHO_MAY_WHAT,
        setter: Back::By(set(
            260,
            "roleManagement/directory/roleEligibilityScheduleRequests",
            SetMethod::Requests,
            SET,
        )),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: ACTIVATION_POLICIES,
        reader: Reader::Graph(
            ask(
                "policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType \
                 eq 'DirectoryRole'&$expand=policy($expand=rules)",
                READ,
            )
            .licensed(P2),
        ),
        normalizer: called_by_all(&["roleDefinitionId"])
            .volatile(&["policyId"])
            .names(Principals::Below(""))
            .fleeting(),
        setter: Back::By(set(
            270,
            "policies/roleManagementPolicies",
            SetMethod::Rules,
            "RoleManagementPolicy.ReadWrite.Directory",
        )),
        rank: all(Rank::High),
        empty: Empty::Fine,
    },
];
