//! How a request of Azure's storage is signed with a key of the account.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// A key of an account; `None` for what is none.
pub(super) fn key(text: &SecretString) -> Option<hmac::Key> {
    let bytes = STANDARD.decode(text.expose_secret().trim()).ok()?;
    (bytes.len() >= 32).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// What is signed of a request.
pub(super) struct Signed<'r> {
    pub(super) verb: &'r str,
    pub(super) url: &'r url::Url,
    /// Of the body.
    pub(super) length: usize,
    /// Lower-case names.
    pub(super) headers: &'r BTreeMap<&'static str, String>,
}

impl Signed<'_> {
    /// The words that are signed, as the service puts them together again.
    fn words(&self, account: &str) -> String {
        let header = |name: &str| self.headers.get(name).map(String::as_str).unwrap_or_default();
        let length = if self.length == 0 { String::new() } else { self.length.to_string() };
        // Encoding, language, length, MD5, type, date, four conditions, range.
        let mut words = format!(
            "{}\n\n\n{length}\n{}\n{}\n\n\n\n{}\n\n\n",
            self.verb,
            header("content-md5"),
            header("content-type"),
            header("if-none-match")
        );
        for (name, value) in self.headers.iter().filter(|(name, _)| name.starts_with("x-ms-")) {
            words += &format!("{name}:{value}\n");
        }
        words += &format!("/{account}{}", self.url.path());
        let pairs: BTreeMap<String, String> =
            self.url.query_pairs().map(|(k, v)| (k.to_lowercase(), v.into_owned())).collect();
        for (name, value) in pairs {
            words += &format!("\n{name}:{value}");
        }
        words
    }

    /// The header that proves the key.
    pub(super) fn authorization(&self, account: &str, key: &hmac::Key) -> String {
        let tag = hmac::sign(key, self.words(account).as_bytes());
        format!("SharedKey {account}:{}", STANDARD.encode(tag.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_put_into_words_as_the_service_documents_it() {
        let url = url::Url::parse(
            "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata\
             &timeout=20",
        )
        .unwrap();
        let headers = BTreeMap::from([
            ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT".to_owned()),
            ("x-ms-version", "2015-02-21".to_owned()),
        ]);
        let signed = Signed { verb: "GET", url: &url, length: 0, headers: &headers };
        assert_eq!(
            signed.words("myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n\
             x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\n\
             timeout:20"
        );
    }

    #[test]
    fn a_key_is_a_key() {
        assert!(key(&STANDARD.encode([7; 64]).into()).is_some());
        for wrong in ["", "AAAA", "not base64 at all!"] {
            assert!(key(&wrong.to_owned().into()).is_none(), "{wrong}");
        }
    }
}
