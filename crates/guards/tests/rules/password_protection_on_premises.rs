use super::*;

const ID: &str = "authentication.banned-passwords-on-premises";

#[test]
fn passes() {
    super::passes(
        ID,
        settings(
            "Password Rule Settings",
            &[
                ("BannedPasswordCheckOnPremisesMode", "Enforce"),
                ("EnableBannedPasswordCheckOnPremises", "True"),
            ],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        settings(
            "Password Rule Settings",
            &[
                ("BannedPasswordCheckOnPremisesMode", "Audit"),
                ("EnableBannedPasswordCheckOnPremises", "True"),
            ],
        ),
        "only noted",
    );
    super::fails(
        ID,
        settings(
            "Password Rule Settings",
            &[
                ("BannedPasswordCheckOnPremisesMode", "Enforce"),
                ("EnableBannedPasswordCheckOnPremises", "False"),
            ],
        ),
        "does not ask",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        settings(
            "Password Rule Settings",
            &[
                ("BannedPasswordCheckOnPremisesMode", "Enforce"),
                ("EnableBannedPasswordCheckOnPremises", "True"),
            ],
        ),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/group-settings", vec![])
            .many("directory/group-setting-templates", vec![]),
    );
}
