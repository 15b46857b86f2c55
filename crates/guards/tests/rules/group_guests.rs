use super::*;

const ID: &str = "users.group-guests";

#[test]
fn passes() {
    super::passes(
        ID,
        settings(
            "Group.Unified",
            &[("AllowGuestsToBeGroupOwner", "false"), ("AllowGuestsToAccessGroups", "True")],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings(
            "Group.Unified",
            &[("AllowGuestsToBeGroupOwner", "true"), ("AllowGuestsToAccessGroups", "True")],
        ),
        "own groups",
    );
    super::fails(
        ID,
        settings(
            "Group.Unified",
            &[("AllowGuestsToBeGroupOwner", "false"), ("AllowGuestsToAccessGroups", "False")],
        ),
        "no access",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings(
            "Group.Unified",
            &[("AllowGuestsToBeGroupOwner", "false"), ("AllowGuestsToAccessGroups", "True")],
        ),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/group-settings", vec![])
            .many("directory/group-setting-templates", vec![]),
    );
}
