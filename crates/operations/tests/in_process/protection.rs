//! A configuration file that protects less than at the last run is told, and approved of.

use crate::{
    approvals::{key, key_file},
    common::secret,
    plans::{DAY, Place, refused},
};
use std::fs;
use strongroom_operations::{Kind, approvers::Approves, protection};

/// The configuration of a place with this in it.
fn configured(place: &Place, tenant: &str, repository: &str, whole: &str) {
    let text = fs::read_to_string(place.dir.path().join("whole.toml")).unwrap();
    let text = text.replacen("[tenant.identities.read]", tenant, 1).replacen(
        "password_file = \"riverside.password\"\n",
        &format!("password_file = \"riverside.password\"\n{repository}"),
        1,
    );
    fs::write(place.config_file(), format!("{text}{whole}")).unwrap();
}

fn begun() -> (Place, impl Fn(&Place, &str, &str, &str)) {
    let place = Place::new(1);
    fs::copy(place.config_file(), place.dir.path().join("whole.toml")).unwrap();
    let exceptions = place.dir.path().join("exceptions.toml");
    secret(&exceptions, "");
    let key = key(place.dir.path(), "Ada").public().to_string();
    let full = move |place: &Place, tenant: &str, repository: &str, more: &str| {
        let text = format!("exceptions = \"exceptions.toml\"\n{tenant}\n[tenant.identities.read]");
        let person = match more.contains("[[person]]") || more.contains("nobody") {
            true => String::new(),
            false => format!("[[person]]\nname = \"Ada\"\npublic_key = \"{key}\"\n"),
        };
        configured(place, &text, repository, &format!("{more}\n{person}"));
    };
    (place, full)
}

/// What a file that is edited by hand protects less is told: once where one person acts alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_protects_less_is_told() {
    let (place, write) = begun();
    let look = || protection::look(&place.school()).unwrap().map(|w| w.says).unwrap_or_default();
    let kept = "[repository.retention]\ndaily = 14\nmonthly = 12\n";
    let night = "[nightly]\nalarm_command = [\"/bin/true\"]\n";
    let full = || write(&place, "", kept, night);
    full();
    assert!(look().is_empty(), "the first run knows of none before");
    let command = "alarm_command = [\"/bin/true\"]";
    let nightly = |text: &str| format!("[nightly]\n{command}\n{text}\n");
    for (tenant, repository, whole, says) in [
        ("[tenant.backup]\nmail = false", kept, night, "mail is not backed up any more"),
        ("[tenant.backup]\nwithout = [\"tasks\"]", kept, night, "tasks is not backed up"),
        ("[tenant.backup]\nholds = false", kept, night, "holds of the tenant are not watched"),
        ("[tenant.backup]\nversions_max = 2", kept, night, "versions of a file: 2, and 10 before"),
        ("", "[repository.retention]\ndaily = 7\nmonthly = 12\n", night, "daily snapshots: 7, and"),
        ("", "[repository.retention]\ndaily = 14\n", night, "monthly snapshots: 0, and 12 before"),
        ("alarm_command = []", kept, night, "alarms are told to no program"),
        ("", kept, &nightly("every_hours = 48"), "a backup is owed every 48 hours, and every 24"),
        ("", kept, &nightly("check_days = 0"), "this host owes no check any more"),
        ("", kept, &nightly("without = [\"settings\"]"), "this host owes no settings any more"),
        ("", kept, &format!("{night}# nobody\n"), "decisions of Ada take no signature"),
        (
            "",
            kept,
            &format!(
                "{night}[[person]]\nname = \"Ada\"\npublic_key = \"{}\"\n",
                key(place.dir.path(), "Eve").public()
            ),
            "decisions of Ada take another key",
        ),
    ] {
        write(&place, tenant, repository, whole);
        let told = look();
        assert!(told.iter().any(|t| t.contains(says)), "{says}: {told:?}");
        assert!(look().is_empty(), "{says}: one person acts alone, and it is told once");
        full();
        let back = look();
        // Which of two keys is the better one nobody knows.
        let is_told = says.contains("another key");
        assert_eq!(!back.is_empty(), is_told, "{says}: more is no less: {back:?}");
    }
    // An exceptions file is weighed by nobody: any other is told.
    fs::write(place.dir.path().join("exceptions.toml"), "# none\n").unwrap();
    assert_eq!(look(), ["the exceptions file is another"]);
    // Retention where nothing was ever forgotten.
    write(&place, "", "", night);
    look();
    full();
    assert_eq!(look(), ["snapshots may be forgotten, and none was before"]);
    // What is not known any more is no first run.
    let note = place.dir.path().join("state/riverside/protection.json");
    for bad in ["", "{}", "[]"] {
        fs::write(&note, bad).unwrap();
        let e = protection::look(&place.school()).unwrap_err();
        assert_eq!(e.kind(), Kind::Files, "{}", e.sentence());
    }
}

/// Of a school with approvers it is told until two of them approve of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_protects_less_stands_as_an_alarm_until_it_is_approved_of() {
    let (place, write) = begun();
    for (name, by) in [("Ada", "Ada"), ("Grace", "Ada"), ("Grace", "Grace")] {
        place.enrols(name, by).await;
    }
    let full = || write(&place, "", "", "");
    let less = || write(&place, "[tenant.backup]\nmail = false\nholds = false", "", "");
    let look = || protection::look(&place.school()).unwrap();
    full();
    assert_eq!(look(), None);
    less();
    let weaker = look().unwrap();
    assert_eq!((weaker.says.len(), weaker.lacks), (2, 2));
    assert_eq!(look().as_ref(), Some(&weaker), "it stands");
    let approves = |by: &str, with: &str| {
        let file = key_file(place.dir.path(), with);
        let how = Approves { by, key_file: &file, until: None, reason: "they left" };
        protection::approve(&place.school(), &weaker, how)
    };
    refused(approves("Eve", "Eve"), Kind::Refused, "is not enrolled");
    refused(approves("Grace", "Ada"), Kind::Refused, "is that of Ada");
    assert_eq!(approves("Ada", "Ada").unwrap(), 1);
    assert_eq!(approves("Ada", "Ada").unwrap(), 1, "one person counts once");
    assert_eq!(look().map(|w| w.lacks), Some(1));
    // Less still is another change, and nobody approved of that.
    write(&place, "[tenant.backup]\nmail = false\nholds = false\ndrives = false", "", "");
    assert_eq!(look().map(|w| w.lacks), Some(2));
    less();
    assert_eq!(protection::glance(&place.school()).unwrap().map(|w| w.lacks), Some(1));
    assert_eq!(approves("Grace", "Grace").unwrap(), 0);
    assert_eq!(look(), None);
    // It is in force now: back is more, and once more is less again.
    full();
    assert_eq!(look(), None);
    less();
    place.clock.advance(DAY * 15);
    assert_eq!(look().map(|w| w.lacks), Some(2), "an approval has its time");
    // Where it is not known who approves, nobody approved.
    fs::remove_file(place.decisions()).unwrap();
    refused(protection::look(&place.school()), Kind::Refused, "it is not known who approves");
}
