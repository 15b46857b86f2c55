use super::*;

const ID: &str = "authentication.smart-lockout";

#[test]
fn passes() {
    super::passes(
        ID,
        settings(
            "Password Rule Settings",
            &[("LockoutDurationInSeconds", "60"), ("LockoutThreshold", "10")],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings(
            "Password Rule Settings",
            &[("LockoutDurationInSeconds", "5"), ("LockoutThreshold", "10")],
        ),
        "less than 60",
    );
    super::fails(
        ID,
        settings(
            "Password Rule Settings",
            &[("LockoutDurationInSeconds", "60"), ("LockoutThreshold", "50")],
        ),
        "more than 10",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings(
            "Password Rule Settings",
            &[("LockoutDurationInSeconds", "60"), ("LockoutThreshold", "10")],
        ),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/group-settings", vec![])
            .many("directory/group-setting-templates", vec![]),
    );
}
