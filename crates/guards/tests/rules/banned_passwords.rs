use super::*;

const ID: &str = "authentication.banned-passwords";

#[test]
fn passes() {
    super::passes(
        ID,
        settings(
            "Password Rule Settings",
            &[("EnableBannedPasswordCheck", "True"), ("BannedPasswordList", "riverside")],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings(
            "Password Rule Settings",
            &[("EnableBannedPasswordCheck", "False"), ("BannedPasswordList", "riverside")],
        ),
        "not used",
    );
    super::fails(
        ID,
        settings(
            "Password Rule Settings",
            &[("EnableBannedPasswordCheck", "True"), ("BannedPasswordList", " ")],
        ),
        "empty",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings(
            "Password Rule Settings",
            &[("EnableBannedPasswordCheck", "True"), ("BannedPasswordList", "riverside")],
        ),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/group-settings", vec![])
            .many("directory/group-setting-templates", vec![]),
    );
}
