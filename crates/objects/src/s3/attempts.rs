//! What an attacker with a credential would try, for the canary and for the probe of a provider.

use super::{
    client::{Denial, S3Bucket, md5_of},
    locked::with_md5,
};
use crate::StoreError;
use aws_sdk_s3::{
    primitives::{ByteStream, DateTime},
    types::{
        BucketLifecycleConfiguration, BucketVersioningStatus, CompletedMultipartUpload,
        CompletedPart, DefaultRetention, DeleteMarkerReplication, DeleteMarkerReplicationStatus,
        Destination, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
        NoncurrentVersionExpiration, ObjectCannedAcl, ObjectLockConfiguration, ObjectLockEnabled,
        ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
        ObjectLockRetentionMode, ObjectLockRule, ReplicationConfiguration, ReplicationRule,
        ReplicationRuleStatus, VersioningConfiguration,
    },
};
use bytes::Bytes;
use jiff::Timestamp;

/// One thing to try.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it; the paths and versions are those of canaries
pub enum S3Attempt<'a> {
    DeleteVersion {
        path: &'a str,
        version: &'a str,
    },
    DeleteVersionBypassing {
        path: &'a str,
        version: &'a str,
    },
    /// Puts a delete marker before it.
    Hide {
        path: &'a str,
    },
    Shorten {
        path: &'a str,
        version: &'a str,
        until: Timestamp,
    },
    ShortenBypassing {
        path: &'a str,
        version: &'a str,
        until: Timestamp,
    },
    ToGovernance {
        path: &'a str,
        version: &'a str,
        until: Timestamp,
    },
    ClearLock {
        path: &'a str,
        version: &'a str,
    },
    LegalHoldOff {
        path: &'a str,
        version: &'a str,
    },
    /// A second version under the same name.
    Overwrite {
        path: &'a str,
        bytes: &'a [u8],
    },
    OpenToAll {
        path: &'a str,
    },
    SuspendVersioning,
    LifecycleExpiresAll,
    PolicyAllowsAll,
    DeletePolicy,
    DropDefaultLock,
    Replicate,
    DeleteBucket,
    /// A PUT with a checksum that is not the body's.
    WrongMd5 {
        path: &'a str,
        bytes: &'a [u8],
    },
    WrongSha256 {
        path: &'a str,
        bytes: &'a [u8],
    },
    /// A PUT over an existing name that asks to be refused.
    Conditional {
        path: &'a str,
        bytes: &'a [u8],
    },
    /// A multipart upload that asks for a lock.
    MultipartLocked {
        path: &'a str,
        bytes: &'a [u8],
        until: Timestamp,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Answer {
    /// It was done; the new version, where there is one.
    Done(Option<String>),
    /// It was refused, with the server's status and code.
    Denied {
        /// HTTP status.
        status: u16,
        /// The server's code.
        code: String,
    },
    /// No answer that says anything: an outage, a missing feature.
    Unclear(String),
}

impl S3Answer {
    /// Whether it is a denial by lock or by authorisation; nothing else is evidence.
    pub fn is_denial(&self) -> bool {
        // Other 403s (a wrong signature, a clock that is off) and what a server does not know are
        // no denials.
        let by_lock_or_right =
            ["AccessDenied", "ObjectLocked", "InvalidBucketState", "AllAccessDisabled"];
        matches!(self, S3Answer::Denied { code, .. } if by_lock_or_right.contains(&code.as_str()))
    }
}

fn answer<T>(r: Result<T, Denial>, version: impl FnOnce(T) -> Option<String>) -> S3Answer {
    match r {
        Ok(t) => S3Answer::Done(version(t)),
        Err(Denial { status: Some(status), code, .. }) if (400..500).contains(&status) => {
            S3Answer::Denied { status, code: code.quoted().to_string() }
        }
        Err(d) => S3Answer::Unclear(
            format!(
                "{} {} {}",
                d.status.map(|s| s.to_string()).unwrap_or_default(),
                d.code.quoted(),
                d.message.quoted()
            )
            .trim()
            .to_owned(),
        ),
    }
}

impl S3Bucket {
    /// Tries one thing, for real.
    pub fn attempt(&self, what: &S3Attempt<'_>) -> S3Answer {
        let bucket = self.bucket().to_owned();
        let c = &self.client;
        let retention = |mode: ObjectLockRetentionMode, until: &Timestamp| {
            ObjectLockRetention::builder()
                .mode(mode)
                .retain_until_date(DateTime::from_secs(until.as_second()))
                .build()
        };
        let put = |path: &str, bytes: &[u8]| {
            c.put_object()
                .bucket(&bucket)
                .key(self.path(path))
                .body(ByteStream::from(bytes.to_vec()))
        };
        match what {
            S3Attempt::DeleteVersion { path, version } => answer(
                self.once(
                    c.delete_object()
                        .bucket(bucket)
                        .key(self.path(path))
                        .version_id(*version)
                        .send(),
                ),
                |_| None,
            ),
            S3Attempt::DeleteVersionBypassing { path, version } => answer(
                self.once(
                    c.delete_object()
                        .bucket(bucket)
                        .key(self.path(path))
                        .version_id(*version)
                        .bypass_governance_retention(true)
                        .send(),
                ),
                |_| None,
            ),
            S3Attempt::Hide { path } => answer(
                self.once(c.delete_object().bucket(bucket).key(self.path(path)).send()),
                |o| o.version_id,
            ),
            S3Attempt::Shorten { path, version, until } => self.retain(
                path,
                version,
                Some(retention(ObjectLockRetentionMode::Compliance, until)),
                false,
            ),
            S3Attempt::ShortenBypassing { path, version, until } => self.retain(
                path,
                version,
                Some(retention(ObjectLockRetentionMode::Compliance, until)),
                true,
            ),
            S3Attempt::ToGovernance { path, version, until } => self.retain(
                path,
                version,
                Some(retention(ObjectLockRetentionMode::Governance, until)),
                true,
            ),
            S3Attempt::ClearLock { path, version } => self.retain(path, version, None, true),
            S3Attempt::LegalHoldOff { path, version } => {
                let hold =
                    ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::Off).build();
                let call = c
                    .put_object_legal_hold()
                    .bucket(bucket)
                    .key(self.path(path))
                    .version_id(*version)
                    .legal_hold(hold);
                answer(self.once(call.customize().mutate_request(with_md5).send()), |_| None)
            }
            S3Attempt::Overwrite { path, bytes } => {
                answer(self.once(put(path, bytes).content_md5(md5_of(bytes)).send()), |o| {
                    o.version_id
                })
            }
            S3Attempt::OpenToAll { path } => answer(
                self.once(
                    c.put_object_acl()
                        .bucket(bucket)
                        .key(self.path(path))
                        .acl(ObjectCannedAcl::PublicReadWrite)
                        .send(),
                ),
                |_| None,
            ),
            S3Attempt::SuspendVersioning => {
                let v = VersioningConfiguration::builder()
                    .status(BucketVersioningStatus::Suspended)
                    .build();
                answer(
                    self.once(
                        c.put_bucket_versioning()
                            .bucket(bucket)
                            .versioning_configuration(v)
                            .customize()
                            .mutate_request(with_md5)
                            .send(),
                    ),
                    |_| None,
                )
            }
            S3Attempt::LifecycleExpiresAll => {
                let Ok(rule) = LifecycleRule::builder()
                    .id("strongroom-canary")
                    .status(ExpirationStatus::Enabled)
                    .filter(LifecycleRuleFilter::builder().prefix("").build())
                    .expiration(LifecycleExpiration::builder().days(1).build())
                    .noncurrent_version_expiration(
                        NoncurrentVersionExpiration::builder().noncurrent_days(1).build(),
                    )
                    .build()
                else {
                    return S3Answer::Unclear("the rule cannot be written".into());
                };
                let Ok(rules) = BucketLifecycleConfiguration::builder().rules(rule).build() else {
                    return S3Answer::Unclear("the rule cannot be written".into());
                };
                let call = c
                    .put_bucket_lifecycle_configuration()
                    .bucket(bucket)
                    .lifecycle_configuration(rules);
                answer(self.once(call.customize().mutate_request(with_md5).send()), |_| None)
            }
            S3Attempt::PolicyAllowsAll => {
                let policy = format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}]}}"#
                );
                answer(
                    self.once(
                        c.put_bucket_policy()
                            .bucket(&bucket)
                            .policy(policy)
                            .customize()
                            .mutate_request(with_md5)
                            .send(),
                    ),
                    |_| None,
                )
            }
            S3Attempt::DeletePolicy => {
                answer(self.once(c.delete_bucket_policy().bucket(bucket).send()), |_| None)
            }
            S3Attempt::DropDefaultLock => {
                let day = DefaultRetention::builder()
                    .mode(ObjectLockRetentionMode::Governance)
                    .days(1)
                    .build();
                let rule = ObjectLockRule::builder().default_retention(day).build();
                let lock = ObjectLockConfiguration::builder()
                    .object_lock_enabled(ObjectLockEnabled::Enabled)
                    .rule(rule)
                    .build();
                let call = c
                    .put_object_lock_configuration()
                    .bucket(bucket)
                    .object_lock_configuration(lock);
                answer(self.once(call.customize().mutate_request(with_md5).send()), |_| None)
            }
            S3Attempt::Replicate => {
                let to = Destination::builder()
                    .bucket(format!("arn:aws:s3:::{bucket}-elsewhere"))
                    .build();
                let rule = to.ok().and_then(|to| {
                    ReplicationRule::builder()
                        .status(ReplicationRuleStatus::Enabled)
                        .priority(1)
                        .delete_marker_replication(
                            DeleteMarkerReplication::builder()
                                .status(DeleteMarkerReplicationStatus::Enabled)
                                .build(),
                        )
                        .filter(
                            aws_sdk_s3::types::ReplicationRuleFilter::builder().prefix("").build(),
                        )
                        .destination(to)
                        .build()
                        .ok()
                });
                let Some(rules) = rule.and_then(|r| {
                    ReplicationConfiguration::builder()
                        .role("arn:aws:iam::000000000000:role/canary")
                        .rules(r)
                        .build()
                        .ok()
                }) else {
                    return S3Answer::Unclear("the rule cannot be written".into());
                };
                let call =
                    c.put_bucket_replication().bucket(bucket).replication_configuration(rules);
                answer(self.once(call.customize().mutate_request(with_md5).send()), |_| None)
            }
            S3Attempt::DeleteBucket => {
                answer(self.once(c.delete_bucket().bucket(bucket).send()), |_| None)
            }
            S3Attempt::WrongMd5 { path, bytes } => answer(
                self.once(put(path, bytes).content_md5(md5_of(b"something else")).send()),
                |o| o.version_id,
            ),
            S3Attempt::WrongSha256 { path, bytes } => {
                let wrong =
                    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [7_u8; 32]);
                answer(self.once(put(path, bytes).checksum_sha256(wrong).send()), |o| o.version_id)
            }
            S3Attempt::Conditional { path, bytes } => {
                answer(self.once(put(path, bytes).if_none_match("*").send()), |o| o.version_id)
            }
            S3Attempt::MultipartLocked { path, bytes, until } => {
                self.multipart(path, bytes, *until)
            }
        }
    }

    /// Makes the bucket, with Object Lock or without.
    pub fn make(&self, lock: bool) -> Result<(), StoreError> {
        let call =
            self.client.create_bucket().bucket(self.bucket()).object_lock_enabled_for_bucket(lock);
        self.wait(|| call.clone().send())
            .map(|_| ())
            .map_err(|d| self.error("make the bucket", self.bucket(), &d))
    }

    /// Sets the bucket's policy.
    pub fn set_policy(&self, policy: &str) -> Result<(), StoreError> {
        let call = self.client.put_bucket_policy().bucket(self.bucket()).policy(policy);
        self.wait(|| call.clone().customize().mutate_request(with_md5).send())
            .map(|_| ())
            .map_err(|d| self.error("set the bucket's policy", self.bucket(), &d))
    }

    /// The account that this credential belongs to, as the server names it.
    pub fn account(&self) -> Result<String, String> {
        let answer = self.wait(|| self.client.list_buckets().send());
        let owner = answer
            .map(|o| o.owner.and_then(|w| w.id))
            .map_err(|d| format!("{} {}", d.status.unwrap_or_default(), d.code.quoted()))?;
        owner.filter(|o| !o.is_empty()).ok_or_else(|| "the server does not say".to_owned())
    }

    fn retain(
        &self,
        path: &str,
        version: &str,
        to: Option<ObjectLockRetention>,
        bypass: bool,
    ) -> S3Answer {
        let to = to.unwrap_or_else(|| ObjectLockRetention::builder().build());
        let call = self
            .client
            .put_object_retention()
            .bucket(self.bucket())
            .key(self.path(path))
            .version_id(version)
            .retention(to);
        let call = if bypass { call.bypass_governance_retention(true) } else { call };
        answer(self.once(call.customize().mutate_request(with_md5).send()), |_| None)
    }

    fn multipart(&self, path: &str, bytes: &[u8], until: Timestamp) -> S3Answer {
        let key = self.path(path);
        let create = self.client.create_multipart_upload().bucket(self.bucket()).key(&key);
        let create = create
            .object_lock_mode(ObjectLockMode::Compliance)
            .object_lock_retain_until_date(DateTime::from_secs(until.as_second()));
        let upload = match self.once(create.send()) {
            Ok(o) => o.upload_id.unwrap_or_default(),
            Err(d) => return answer(Err::<(), _>(d), |()| None),
        };
        let part = self
            .client
            .upload_part()
            .bucket(self.bucket())
            .key(&key)
            .upload_id(&upload)
            .part_number(1);
        let etag = match self.once(
            part.content_md5(md5_of(bytes))
                .body(ByteStream::from(Bytes::copy_from_slice(bytes)))
                .send(),
        ) {
            Ok(o) => o.e_tag.unwrap_or_default(),
            Err(d) => return answer(Err::<(), _>(d), |()| None),
        };
        let parts = CompletedMultipartUpload::builder()
            .parts(CompletedPart::builder().e_tag(etag).part_number(1).build())
            .build();
        answer(
            self.once(
                self.client
                    .complete_multipart_upload()
                    .bucket(self.bucket())
                    .key(&key)
                    .upload_id(upload)
                    .multipart_upload(parts)
                    .send(),
            ),
            |o| o.version_id,
        )
    }
}
