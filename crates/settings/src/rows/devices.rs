//! Intune.

use super::*;
use strongroom_model::collections::devices::*;

const READ: &str = "DeviceManagementConfiguration.Read.All";
const READ_SERVICE: &str = "DeviceManagementServiceConfig.Read.All";
const READ_ROLES: &str = "DeviceManagementRBAC.Read.All";
const SET: &str = "DeviceManagementConfiguration.ReadWrite.All";
const SET_SERVICE: &str = "DeviceManagementServiceConfig.ReadWrite.All";
const SET_ROLES: &str = "DeviceManagementRBAC.ReadWrite.All";

const ASSIGNMENTS: Part =
    part("assignments", PartSetMethod::Whole { action: "assign", within: "assignments" });

/// It counts itself up with every change.
const VERSION: &[&str] = &["version"];
const ASSIGNED: Principals = Principals::Below("/assignments");

pub(super) const ROWS: &[Row] = &[
    Row {
        name: SETTINGS,
        reader: Reader::Graph(intune("deviceManagement?$select=settings", READ_SERVICE)),
        normalizer: single().volatile(VERSION).names(ASSIGNED),
        setter: Back::By(set(330, "deviceManagement", SetMethod::One, SET)),
        rank: PROTECTS,
        empty: Empty::Wrong,
    },
    Row {
        name: CONFIGURATIONS,
        reader: Reader::Graph(intune(
            "deviceManagement/deviceConfigurations?$expand=assignments",
            READ,
        )),
        normalizer: many().volatile(VERSION).names(ASSIGNED),
        setter: Back::By(
            set(340, "deviceManagement/deviceConfigurations", SetMethod::Many, SET)
                .with(&[ASSIGNMENTS]),
        ),
        rank: SHAPES,
        empty: Empty::Fine,
    },
    Row {
        name: COMPLIANCE_POLICIES,
        reader: Reader::Graph(intune(
            "deviceManagement/deviceCompliancePolicies?$expand=assignments,\
             scheduledActionsForRule($expand=scheduledActionConfigurations)",
            READ,
        )),
        normalizer: many()
            .volatile(VERSION)
            .names(ASSIGNED)
            .read_since(&["scheduledActionsForRule"]),
        setter: Back::By(
            set(350, "deviceManagement/deviceCompliancePolicies", SetMethod::Many, SET).with(&[
                // Asked for when a policy is made: "one and only one block scheduled action".
                Part {
                    with_object: true,
                    ..part(
                        "scheduledActionsForRule",
                        PartSetMethod::Whole {
                            action: "scheduleActionsForRules",
                            within: "deviceComplianceScheduledActionForRules",
                        },
                    )
                },
                ASSIGNMENTS,
            ]),
        ),
        rank: PROTECTS,
        empty: Empty::Fine,
    },
    Row {
        name: ENROLMENT,
        reader: Reader::Graph(intune(
            "deviceManagement/deviceEnrollmentConfigurations?$expand=assignments",
            READ_SERVICE,
        )),
        normalizer: many().volatile(VERSION).names(ASSIGNED),
        setter: Back::By(Setter {
            fixed: &[("priority", "its place among others is set by an action of its own")],
            parts: &[part(
                "assignments",
                PartSetMethod::Whole {
                    action: "assign",
                    within: "enrollmentConfigurationAssignments",
                },
            )],
            ..set(
                375,
                "deviceManagement/deviceEnrollmentConfigurations",
                SetMethod::Many,
                SET_SERVICE,
            )
        }),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: APP_PROTECTION,
        reader: Reader::Graph(intune(
            "deviceAppManagement/managedAppPolicies",
            "DeviceManagementApps.Read.All",
        )),
        normalizer: many().volatile(VERSION).names(ASSIGNED),
        setter: BY_HAND,
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: ROLES,
        reader: Reader::Graph(intune("deviceManagement/roleDefinitions", READ_ROLES)),
        normalizer: many().volatile(VERSION).owned(the_tenants).names(ASSIGNED),
        setter: Back::By(set(360, "deviceManagement/roleDefinitions", SetMethod::Many, SET_ROLES)),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: ROLE_ASSIGNMENTS,
        reader: Reader::Graph(intune(
            "deviceManagement/roleAssignments?$expand=roleDefinition",
            READ_ROLES,
        )),
        normalizer: Normalizer {
            by_id: &["roleDefinition"],
            ..many().names(Principals::Below(""))
        },
        setter: Back::By(Setter {
            kind: Some("#microsoft.graph.deviceAndAppManagementRoleAssignment"),
            fixed: &[(
                "roleDefinition",
                "what is given is of one role; remove it and give it anew",
            )],
            ..set(
                365,
                "deviceManagement/roleDefinitions/{roleDefinition}/roleAssignments",
                SetMethod::Many,
                SET_ROLES,
            )
        }),
        rank: all(Rank::High).called("what is given in Intune, "),
        empty: Empty::Fine,
    },
    Row {
        name: SETTINGS_CATALOG,
        reader: Reader::Graph(
            intune("deviceManagement/configurationPolicies?$expand=assignments", READ)
                .beta()
                .with(&[read_part("settings", false)]),
        ),
        normalizer: called_by(&["name", "id"])
            .volatile(VERSION)
            .names(ASSIGNED)
            .read_since(&["settings"]),
        // PATCH leaves the settings as they are: they are a list of their own. PUT takes the whole.
        setter: Back::By(Setter {
            follows: &["settingCount", "isAssigned", "creationSource"],
            ..set(345, "deviceManagement/configurationPolicies", SetMethod::Wholes, SET)
                .beta()
                .with(&[
                    Part { with_object: true, ..part("settings", PartSetMethod::Object) },
                    ASSIGNMENTS,
                ])
        }),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: FILTERS,
        reader: Reader::Graph(intune("deviceManagement/assignmentFilters", READ).beta()),
        normalizer: many().volatile(VERSION).owned(the_tenants).names(ASSIGNED),
        setter: Back::By(
            set(370, "deviceManagement/assignmentFilters", SetMethod::Many, SET).beta(),
        ),
        rank: EVERYDAY,
        empty: Empty::Fine,
    },
    Row {
        name: APPROVAL_POLICIES,
        reader: Reader::Graph(
            intune("deviceManagement/operationApprovalPolicies", READ_ROLES).beta(),
        ),
        normalizer: many().volatile(VERSION).names(Principals::Below("")),
        setter: Back::By(
            set(380, "deviceManagement/operationApprovalPolicies", SetMethod::Many, SET_ROLES)
                .beta(),
        ),
        rank: PROTECTS.called("approval by a second person: "),
        empty: Empty::Fine,
    },
];
