//! Application registrations with a certificate each.

use crate::{core::ids::IdMaker, core::tenant::App};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// The keys of this process by application: making one takes longer than a night of a small school,
/// and a life is told many times.
static KEYS: Mutex<BTreeMap<String, Arc<KeyPair>>> = Mutex::new(BTreeMap::new());

fn key_of(app_id: &str) -> anyhow::Result<Arc<KeyPair>> {
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = keys.get(app_id) {
        return Ok(key.clone());
    }
    let key = Arc::new(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?);
    keys.insert(app_id.to_owned(), key.clone());
    Ok(key)
}

/// The key is fresh at every start of the process; only its owner sees it.
pub(crate) fn make_app(ids: &mut IdMaker, name: &str, roles: &[&str]) -> anyhow::Result<App> {
    let app_id = ids.guid(name);
    let mut app = App {
        public_key: key_of(&app_id)?.der_bytes().to_vec(),
        app_id,
        name: name.to_owned(),
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        delegated: BTreeSet::new(),
        web: Vec::new(),
        native: Vec::new(),
        secret: ids.secret(name),
        x5t: String::new(),
        x5t_s256: String::new(),
        pem: String::new(),
        deleted: false,
    };
    certify(&mut app, None)?;
    Ok(app)
}

/// Gives an application a new certificate of its key; one without an end is good for centuries.
pub(crate) fn certify(app: &mut App, end: Option<jiff::Timestamp>) -> anyhow::Result<()> {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
    let key = key_of(&app.app_id)?;
    let mut params = CertificateParams::new(vec![format!("strongroom-{}", app.name)])?;
    if let Some(end) = end {
        params.not_after = std::time::SystemTime::from(end).into();
    }
    let cert = params.self_signed(&*key)?;
    app.x5t = URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, cert.der()));
    app.x5t_s256 = URL_SAFE_NO_PAD.encode(digest(&SHA256, cert.der()));
    app.pem = format!("{}{}", cert.pem(), key.serialize_pem());
    Ok(())
}

/// What people may let the application `other` do: what the clients of others ask for.
const DELEGATED: &[&str] = &[
    "User.Read",
    "User.Read.All",
    "User.ReadBasic.All",
    "Directory.Read.All",
    "Group.Read.All",
    "Application.Read.All",
    "Policy.Read.All",
    "Organization.Read.All",
    "RoleManagement.Read.Directory",
    "Mail.ReadWrite",
    "Mail.Read",
    "MailboxSettings.ReadWrite",
    "Files.Read",
    "Files.Read.All",
    "Files.ReadWrite",
    "Files.ReadWrite.All",
    "Sites.Read.All",
    "Sites.ReadWrite.All",
];

/// Lets people sign in through an application.
pub(crate) fn for_people(app: &mut App) {
    let words = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    app.delegated = DELEGATED.iter().map(|s| (*s).to_owned()).collect();
    app.web = words(&["http://localhost:53682/", "https://school.example/signed-in"]);
    app.native = words(&["https://login.microsoftonline.com/common/oauth2/nativeclient"]);
}
