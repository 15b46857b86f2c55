use super::*;

const ID: &str = "authentication.passwords-do-not-expire";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "directory/domains",
            vec![(
                "school.example",
                json!({"isVerified": true, "authenticationType": "Managed",
                "passwordValidityPeriodInDays": 2147483647}),
            )],
        ),
    );
    super::passes(
        ID,
        Tenant::new().many(
            "directory/domains",
            vec![(
                "school.example",
                json!({"isVerified": true, "authenticationType": "Federated",
                "passwordValidityPeriodInDays": 90}),
            )],
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().many(
            "directory/domains",
            vec![(
                "school.example",
                json!({"isVerified": true, "authenticationType": "Managed",
                "passwordValidityPeriodInDays": 90}),
            )],
        ),
        "90 days",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "directory/domains",
            vec![(
                "school.example",
                json!({"isVerified": true, "authenticationType": "Managed",
                "passwordValidityPeriodInDays": 2147483647}),
            )],
        ),
    );
    skips(
        ID,
        Tenant::new().many(
            "directory/domains",
            vec![("school.example", json!({"isVerified": true, "authenticationType": "Managed"}))],
        ),
    );
}
