//! What a bucket says of itself, setting by setting, each of them whole: what changed in any part
//! of a rule is another text.

use super::client::{Denial, S3Bucket};
use crate::{StoreSettings, UNKNOWN_SETTING, xml};
use aws_sdk_s3::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::AfterDeserializationInterceptorContextRef,
    },
    error::{ProvideErrorMetadata, SdkError},
};
use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

/// There is no such setting.
const NONE: &str = "none";

/// Keeps what the server said, in its own words: the SDK leaves out what it does not know.
#[derive(Debug, Clone, Default)]
struct Words(Arc<Mutex<Option<Result<xml::Said, String>>>>);

impl Intercept for Words {
    fn name(&self) -> &'static str {
        "Words"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let answer = context.response();
        if answer.status().is_success() {
            let said = match answer.body().bytes() {
                Some(body) => xml::said(body),
                None => Err("the answer is not at hand".to_owned()),
            };
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        }
        Ok(())
    }
}

/// Why a setting is not known. That there is none is an answer, and a good one; that a server does
/// not know the setting is another.
fn unread(d: &Denial) -> String {
    let (status, code) = (d.status.unwrap_or_default(), d.code.as_str());
    match status {
        404 if code == "NoSuchBucketPolicy"
            || code == "OwnershipControlsNotFoundError"
            || code.contains("Configuration") =>
        {
            NONE.to_owned()
        }
        405 | 501 => format!("{UNKNOWN_SETTING} ({status} {})", d.code.quoted()),
        0 => format!("not readable ({})", d.message.quoted()),
        _ => format!("not readable ({status} {})", d.code.quoted()),
    }
}

impl S3Bucket {
    /// A setting as its whole answer, whose outermost element has this name.
    fn whole<T, E, F>(&self, root: &str, call: impl Fn(Words) -> F) -> String
    where
        T: Send,
        E: ProvideErrorMetadata + std::error::Error + Send + 'static,
        F: Future<Output = Result<T, SdkError<E>>> + Send,
    {
        let words = Words::default();
        let done = self.wait(|| call(words.clone()));
        let said = words.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (said, done) {
            // A server that does not know the question answers another: what lies in the bucket.
            (Some(Ok(said)), _) if said.root != root => UNKNOWN_SETTING.to_owned(),
            (Some(Ok(said)), Ok(_)) if said.text.is_empty() => NONE.to_owned(),
            (Some(Ok(said)), Ok(_)) => said.text,
            (Some(Err(why)), _) => format!("not readable (the answer: {why})"),
            (_, Err(d)) => unread(&d),
            (None, Ok(_)) => "not readable (the answer is not at hand)".to_owned(),
        }
    }

    /// What the bucket says of itself, setting by setting.
    pub(super) fn bucket_facts(&self) -> StoreSettings {
        let bucket = self.bucket();
        let c = &self.client;
        let mut facts = StoreSettings::new();
        let mut note = |name: &str, text: String| drop(facts.insert(name.to_owned(), text));
        note(
            "lifecycle",
            self.whole("LifecycleConfiguration", |w| {
                c.get_bucket_lifecycle_configuration()
                    .bucket(bucket)
                    .customize()
                    .interceptor(w)
                    .send()
            }),
        );
        note(
            "replication",
            self.whole("ReplicationConfiguration", |w| {
                c.get_bucket_replication().bucket(bucket).customize().interceptor(w).send()
            }),
        );
        note(
            "encryption",
            self.whole("ServerSideEncryptionConfiguration", |w| {
                c.get_bucket_encryption().bucket(bucket).customize().interceptor(w).send()
            }),
        );
        note(
            "public access block",
            self.whole("PublicAccessBlockConfiguration", |w| {
                c.get_public_access_block().bucket(bucket).customize().interceptor(w).send()
            }),
        );
        note(
            "ownership",
            self.whole("OwnershipControls", |w| {
                c.get_bucket_ownership_controls().bucket(bucket).customize().interceptor(w).send()
            }),
        );
        let or_why = |r: Result<String, Denial>| r.unwrap_or_else(|d| unread(&d));
        note(
            "versioning",
            or_why(self.wait(|| c.get_bucket_versioning().bucket(bucket).send()).map(|o| {
                let status = o.status().map_or("off", |s| s.as_str());
                match o.mfa_delete().map(|m| m.as_str()) {
                    Some(mfa) if mfa != "Disabled" => format!("{status}, MFA delete {mfa}"),
                    _ => status.to_owned(),
                }
            })),
        );
        note(
            "object lock",
            or_why(self.wait(|| c.get_object_lock_configuration().bucket(bucket).send()).map(
                |o| {
                    let Some(lock) = o.object_lock_configuration() else {
                        return "off".to_owned();
                    };
                    let default = lock.rule().and_then(|r| r.default_retention()).map(|d| {
                        let mode = d.mode().map(|m| m.as_str()).unwrap_or_default();
                        let (days, years) = (d.days().unwrap_or(0), d.years().unwrap_or(0));
                        format!(", default {mode} {days} days {years} years")
                    });
                    let is = lock.object_lock_enabled().map_or("off", |e| e.as_str());
                    format!("{is}{}", default.unwrap_or_default())
                },
            )),
        );
        note(
            "policy",
            or_why(
                self.wait(|| c.get_bucket_policy().bucket(bucket).send())
                    .map(|o| o.policy.unwrap_or_else(|| NONE.to_owned())),
            ),
        );
        note(
            "access list",
            or_why(self.wait(|| c.get_bucket_acl().bucket(bucket).send()).map(|o| {
                let owner = o.owner().and_then(|w| w.id()).unwrap_or("?");
                let grant = |g: &aws_sdk_s3::types::Grant| {
                    let who = g.grantee().map(|w| {
                        w.id().or(w.uri()).or(w.email_address()).unwrap_or("?").to_owned()
                    });
                    let may = g.permission().map_or("?", |p| p.as_str());
                    format!("{} {may}", who.unwrap_or_default())
                };
                let grants: Vec<String> = o.grants().iter().map(grant).collect();
                format!("owner {owner}; {}", grants.join("; "))
            })),
        );
        note(
            "region",
            or_why(self.wait(|| c.get_bucket_location().bucket(bucket).send()).map(|o| {
                let place = o.location_constraint().map_or("", |l| l.as_str());
                if place.is_empty() { "default" } else { place }.to_owned()
            })),
        );
        facts
    }
}
