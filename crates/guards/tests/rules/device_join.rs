use super::*;

const ID: &str = "devices.join";

#[test]
fn passes() {
    super::passes(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"userDeviceQuota": 10,
            "azureADJoin": {"allowedToJoin":
                {"@odata.type": "#microsoft.graph.enumeratedDeviceRegistrationMembership"},
                "localAdmins": {"enableGlobalAdmins": false,
                    "registeringUsers": {"@odata.type":
                        "#microsoft.graph.noDeviceRegistrationMembership"}}}}),
        ),
    );
}

#[test]
fn fails() {
    super::fails(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"userDeviceQuota": 10,
        "azureADJoin": {"allowedToJoin":
            {"@odata.type": "#microsoft.graph.allDeviceRegistrationMembership"},
            "localAdmins": {"enableGlobalAdmins": false,
                "registeringUsers": {"@odata.type":
                    "#microsoft.graph.noDeviceRegistrationMembership"}}}}),
        ),
        "everybody may join",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"userDeviceQuota": 10,
        "azureADJoin": {"allowedToJoin":
            {"@odata.type": "#microsoft.graph.enumeratedDeviceRegistrationMembership"},
            "localAdmins": {"enableGlobalAdmins": true,
                "registeringUsers": {"@odata.type":
                    "#microsoft.graph.noDeviceRegistrationMembership"}}}}),
        ),
        "Global Administrators become",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"userDeviceQuota": 10,
        "azureADJoin": {"allowedToJoin":
            {"@odata.type": "#microsoft.graph.enumeratedDeviceRegistrationMembership"},
            "localAdmins": {"enableGlobalAdmins": false,
                "registeringUsers": {"@odata.type":
                    "#microsoft.graph.allDeviceRegistrationMembership"}}}}),
        ),
        "whoever joins",
    );
    super::fails(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"userDeviceQuota": 2147483647,
            "azureADJoin": {"allowedToJoin":
                {"@odata.type": "#microsoft.graph.enumeratedDeviceRegistrationMembership"},
                "localAdmins": {"enableGlobalAdmins": false,
                    "registeringUsers": {"@odata.type":
                        "#microsoft.graph.noDeviceRegistrationMembership"}}}}),
        ),
        "more than 20",
    );
}

#[test]
fn never_passes_without_its_data() {
    skips(ID, Tenant::new());
    each_input_is_needed(
        ID,
        Tenant::new().one(
            "identity/device-registration",
            json!({"userDeviceQuota": 10,
            "azureADJoin": {"allowedToJoin":
                {"@odata.type": "#microsoft.graph.enumeratedDeviceRegistrationMembership"},
                "localAdmins": {"enableGlobalAdmins": false,
                    "registeringUsers": {"@odata.type":
                        "#microsoft.graph.noDeviceRegistrationMembership"}}}}),
        ),
    );
    skips(ID, Tenant::new().one("identity/device-registration", json!({"userDeviceQuota": 5})));
}
