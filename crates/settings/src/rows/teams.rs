//! Teams and Purview, as Tenant Configuration Management shows them.

use super::*;
use strongroom_model::collections::{purview, teams};

const TEAMS: Back =
    Back::Not("Graph only shows it; set it in the Teams admin center as the snapshot's file says");
const PURVIEW: Back =
    Back::Not("Graph only shows it; set it in the Purview portal as the snapshot's file says");

pub(super) const ROWS: &[Row] = &[
    managed(
        purview::DATA_LOSS_POLICIES,
        "microsoft.securityandcompliance.dlpcompliancepolicy",
        NAMED,
        PURVIEW,
        SHAPES,
        Empty::Fine,
    ),
    managed(
        purview::RETENTION_POLICIES,
        "microsoft.securityandcompliance.retentioncompliancepolicy",
        NAMED,
        PURVIEW,
        SHAPES,
        Empty::Fine,
    ),
    managed(
        purview::RETENTION_RULES,
        "microsoft.securityandcompliance.retentioncompliancerule",
        NAMED,
        PURVIEW,
        SHAPES,
        Empty::Fine,
    ),
    managed(
        purview::ALERTS,
        "microsoft.securityandcompliance.protectionalert",
        NAMED,
        PURVIEW,
        SHAPES,
        Empty::Fine,
    ),
    managed(
        teams::FEDERATION,
        "microsoft.teams.federationconfiguration",
        single(),
        TEAMS,
        all(Rank::High),
        Empty::Wrong,
    ),
    managed(
        teams::CLIENT,
        "microsoft.teams.clientconfiguration",
        single(),
        TEAMS,
        SHAPES,
        Empty::Wrong,
    ),
    managed(
        teams::MEETING_POLICIES,
        "microsoft.teams.meetingpolicy",
        IDENTITY,
        TEAMS,
        SHAPES,
        Empty::Wrong,
    ),
    managed(
        teams::EVENT_POLICIES,
        "microsoft.teams.meetingbroadcastpolicy",
        IDENTITY,
        TEAMS,
        SHAPES,
        Empty::Wrong,
    ),
    managed(
        teams::MESSAGING_POLICIES,
        "microsoft.teams.messagingpolicy",
        IDENTITY,
        TEAMS,
        SHAPES,
        Empty::Wrong,
    ),
    managed(
        teams::APP_PERMISSION_POLICIES,
        "microsoft.teams.apppermissionpolicy",
        IDENTITY,
        TEAMS,
        SHAPES,
        Empty::Wrong,
    ),
];
