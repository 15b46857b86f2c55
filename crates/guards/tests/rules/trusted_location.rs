use super::*;

const ID: &str = "access.trusted-location";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().many(
            "identity/named-locations",
            vec![(
                "School",
                json!({"isTrusted": true, "ipRanges": [{"cidrAddress": "198.51.100.0/24"}]}),
            )],
        ),
    );
}

#[test]
fn fails() {
    super::fails(ID, Tenant::new().many("identity/named-locations", vec![]), "no trusted");
    super::fails(
        ID,
        Tenant::new().many(
            "identity/named-locations",
            vec![("All", json!({"isTrusted": true, "ipRanges": [{"cidrAddress": "0.0.0.0/1"}]}))],
        ),
        "whole of 0.0.0.0/1",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().many(
            "identity/named-locations",
            vec![(
                "School",
                json!({"isTrusted": true, "ipRanges": [{"cidrAddress": "198.51.100.0/24"}]}),
            )],
        ),
    );
}
