use super::*;

const ID: &str = "directory.federated-domains";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new()
            .many(
                "directory/domains",
                vec![("school.example", json!({"authenticationType": "Managed"}))],
            )
            .many("directory/federation", vec![]),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new()
            .many(
                "directory/domains",
                vec![("school.example", json!({"authenticationType": "Federated"}))],
            )
            .many(
                "directory/federation",
                vec![(
                    "f",
                    json!({"domain": "school.example", "issuerUri": "http://evil.example"}),
                )],
            ),
        "http://evil.example",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new()
            .many(
                "directory/domains",
                vec![("school.example", json!({"authenticationType": "Managed"}))],
            )
            .many("directory/federation", vec![]),
    );
    skips(
        ID,
        Tenant::new()
            .many("directory/domains", vec![("school.example", json!({}))])
            .many("directory/federation", vec![]),
    );
    skips(
        ID,
        Tenant::new().many(
            "directory/domains",
            vec![("school.example", json!({"authenticationType": "Managed"}))],
        ),
    );
}
