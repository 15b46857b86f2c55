//! The certificate that an application proves itself with, and its private key.

use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate and the RSA key that belongs to it.
pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: RsaKeyPair,
}

impl Pair {
    /// Both from one PEM text. The error is a clause about the file.
    pub(crate) fn read(pem: &SecretString) -> Result<Self, String> {
        let pem = pem.expose_secret().as_bytes();
        let certificate = CertificateDer::from_pem_slice(pem)
            .map_err(|_| "it holds no certificate".to_owned())?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
            let holds = |words: &[u8]| memchr::memmem::find(pem, words).is_some();
            match holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED") {
                true => "its private key is encrypted, and nobody is there to say the password",
                false => "it holds no private key",
            }
            .to_owned()
        })?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(k) => RsaKeyPair::from_pkcs8(k.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(k) => RsaKeyPair::from_der(k.secret_pkcs1_der()),
            _ => return Err("its key is no RSA key".to_owned()),
        }
        .map_err(|_| "its key is no RSA key of 2048 to 8192 bits".to_owned())?;
        // A certificate holds its key as it is encoded here.
        if memchr::memmem::find(&certificate, key.public_key().as_ref()).is_none() {
            return Err("its private key belongs to another certificate".to_owned());
        }
        Ok(Self { certificate, key })
    }

    /// From when and until when the certificate is good.
    pub(crate) fn validity(&self) -> Result<(Timestamp, Timestamp), String> {
        let unreadable = |e: String| format!("its certificate cannot be read: {e}");
        let (_, read) =
            X509Certificate::from_der(&self.certificate).map_err(|e| unreadable(e.to_string()))?;
        let time = |t: x509_parser::time::ASN1Time| {
            Timestamp::from_second(t.timestamp()).map_err(|e| unreadable(e.to_string()))
        };
        Ok((time(read.validity().not_before)?, time(read.validity().not_after)?))
    }
}
