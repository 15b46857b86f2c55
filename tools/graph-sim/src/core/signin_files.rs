//! Application registrations with a certificate each.

use crate::{core::ids::IdMaker, core::tenant::App};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};

/// The key is fresh at every start; only its owner sees it.
pub(crate) fn make_app(ids: &mut IdMaker, name: &str, roles: &[&str]) -> anyhow::Result<App> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let cert = CertificateParams::new(vec![format!("strongroom-{name}")])?.self_signed(&key)?;
    let der = cert.der();
    Ok(App {
        app_id: ids.guid(name),
        name: name.to_owned(),
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        secret: ids.secret(name),
        public_key: key.der_bytes().to_vec(),
        x5t: URL_SAFE_NO_PAD
            .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, der)),
        x5t_s256: URL_SAFE_NO_PAD
            .encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der)),
        pem: format!("{}{}", cert.pem(), key.serialize_pem()),
        deleted: false,
    })
}
