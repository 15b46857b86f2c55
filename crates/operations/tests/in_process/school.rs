//! From what was chosen to a school, and from a school to its copy 2.

use crate::common::{choice, host, made, secret, written};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};
use strongroom_operations::{
    Choice, Copy2, Identity, Kind, Remedy, School, config::Config, place::Doing,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_school_opens_the_copy_that_is_its_own_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let host = host();
    let file = written(dir.path(), "cache_dir = \"caches\"\n");
    let config = Arc::new(Config::read(&file, &host.accounts).unwrap());

    let several = School::chosen(&config, &host, &Choice::default()).err().unwrap();
    assert_eq!(several.kind(), Kind::Configuration);
    assert_eq!(several.remedy(), Some(&Remedy::NameTenant));
    assert_eq!(School::all(&config, &host, &Choice::default()).len(), 2);

    let school = School::chosen(&config, &host, &choice("riverside")).unwrap();
    let none = school.repository().await.err().unwrap();
    assert_eq!(none.kind(), Kind::NoRepository, "{}", none.sentence());
    made(&school, "aaaa");
    school.repository().await.unwrap();
    assert!(dir.path().join("caches").is_dir(), "caches go where the configuration says");

    // Another school's repository under its name: by the configuration, and as it is chosen.
    let hillside = school.other("hillside").unwrap();
    assert_eq!(hillside.name(), "hillside");
    made(&hillside, "aaaa");
    let theirs = hillside.repository().await.err().unwrap();
    assert!(theirs.sentence().contains("holds the data of tenant aaaa"), "{}", theirs.sentence());
    let chosen = Choice { repository: Some("riverside".into()), ..choice("hillside") };
    let by_name = School::chosen(&config, &host, &chosen).unwrap();
    assert_eq!(by_name.repository().await.err().unwrap().kind(), Kind::Copy);
    // Named by itself it is nobody's in particular.
    let alone = Choice::default();
    let copy2 = Copy2::named(Path::new("riverside"), &alone, Some(&config), &host).unwrap();
    assert_eq!(copy2.tenant_id(), None);
    copy2.open(Doing::Looking).await.unwrap();

    secret(&dir.path().join("riverside.password"), "another");
    assert_eq!(school.repository().await.err().unwrap().kind(), Kind::WrongKey);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_named_folder_lacks_is_said_with_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    let host = host();
    let folder = dir.path().join("folder");
    let unknown = Copy2::named(&folder, &choice("riverside"), None, &host).err().unwrap();
    assert_eq!(unknown.kind(), Kind::Request, "a school that is chosen is not passed over");
    let bare = Choice::default();
    let copy2 = Copy2::named(&folder, &bare, None, &host).unwrap();
    let e = copy2.place_and_password(Doing::Usual).err().unwrap();
    assert_eq!((e.kind(), e.remedy()), (Kind::Request, Some(&Remedy::NamePassword)));
    let e = copy2.cache().err().unwrap();
    assert_eq!((e.kind(), e.remedy()), (Kind::Files, Some(&Remedy::NameCache)));
    assert_eq!(e.sentence(), "there is no place for local caches: a test says where");

    let password = dir.path().join("password");
    secret(&password, "x");
    fs::set_permissions(&password, Permissions::from_mode(0o644)).unwrap();
    let open = Choice { password_file: Some(password), ..bare };
    let copy2 = Copy2::named(&folder, &open, None, &host).unwrap();
    let e = copy2.place_and_password(Doing::Usual).err().unwrap();
    assert_eq!(e.kind(), Kind::Files, "{}", e.sentence());
    assert!(e.sentence().contains("others can read"), "{}", e.sentence());
}

#[test]
fn a_configuration_in_which_something_is_wrong_is_not_had() {
    let dir = tempfile::tempdir().unwrap();
    let host = host();
    let file = written(dir.path(), "");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("https://graph", "http://graph")).unwrap();
    let e = Config::read(&file, &host.accounts).unwrap_err();
    assert_eq!((e.kind(), e.remedy()), (Kind::Configuration, Some(&Remedy::CheckConfiguration)));
    assert!(e.sentence().contains("credentials need https"), "{}", e.sentence());
    let (_, problems) = Config::examine(&file, &host.accounts).unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");

    fs::write(&file, &text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let e = Config::read(&file, &host.accounts).unwrap_err();
    assert_eq!(e.remedy(), Some(&Remedy::OtherConfiguration));
    assert!(e.sentence().contains("others can change"), "{}", e.sentence());
}

#[test]
fn an_identity_without_a_credential_signs_in_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let host = host();
    let file = written(dir.path(), "");
    let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
    let school = School::chosen(&config, &host, &choice("riverside")).unwrap();
    assert_eq!(school.client(Identity::Read).err().unwrap().kind(), Kind::Files);
    assert_eq!(school.client(Identity::Write).err().unwrap().kind(), Kind::Configuration);
    assert_eq!(school.vault().err().unwrap().kind(), Kind::Configuration);
}
