//! A bucket as a store that locks what it holds.

use super::client::{NOWHERE, S3Bucket, WholeListing, locked_until, md5_of, stamp, time};
use crate::{Held, LockedStore, StoreError, StoreSettings, VersionRow, bounds};
use aws_sdk_s3::{
    primitives::DateTime,
    types::{ObjectLockRetention, ObjectLockRetentionMode},
};
use bytes::Bytes;
use jiff::Timestamp;
use std::{
    ops::Range,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

impl LockedStore for S3Bucket {
    fn location(&self) -> String {
        self.where_()
    }

    fn put_locked(&self, path: &str, bytes: &Bytes, until: Timestamp) -> Result<Held, StoreError> {
        let action = format!("store {path}");
        let version = self
            .write(path, bytes, Some(until), false)?
            .map_err(|d| self.error(&action, path, &d))?;
        let Some(version) = version.filter(|v| v != "null") else {
            let why = "the server gave it no version: versioning is off, and what has no version \
                can be overwritten"
                .to_owned();
            return Err(StoreError::Refused { location: self.where_(), action, why: why.into() });
        };
        let gone = || StoreError::Failed {
            location: self.where_(),
            action: action.clone(),
            why: "it is gone again".into(),
        };
        LockedStore::look(self, path, &version)?.ok_or_else(gone)
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn fetch(
        &self,
        path: &str,
        version: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, StoreError> {
        self.read(path, Some(version), range)
    }

    fn look(&self, path: &str, version: &str) -> Result<Option<Held>, StoreError> {
        let Some(h) = self.head(path, Some(version))? else { return Ok(None) };
        let size_bytes = self.said(path, path, h.content_length())?;
        Ok(Some(Held {
            path: path.to_owned(),
            version: version.to_owned(),
            size_bytes,
            until: locked_until(&h),
        }))
    }

    fn extend(&self, path: &str, version: &str, until: Timestamp) -> Result<(), StoreError> {
        let retention = ObjectLockRetention::builder()
            .mode(ObjectLockRetentionMode::Compliance)
            .retain_until_date(stamp(until))
            .build();
        let call = self
            .client
            .put_object_retention()
            .bucket(&self.settings.bucket)
            .key(self.path(path))
            .version_id(version)
            .retention(retention);
        self.wait(|| call.clone().customize().mutate_request(with_md5).send())
            .map(|_| ())
            .map_err(|d| self.error(&format!("lock {path} until {until}"), path, &d))
    }

    fn free(&self, path: &str, version: &str, _now: Timestamp) -> Result<(), StoreError> {
        let call = self
            .client
            .delete_object()
            .bucket(&self.settings.bucket)
            .key(self.path(path))
            .version_id(version);
        match self.wait(|| call.clone().send()) {
            Ok(_) => Ok(()),
            Err(d) if d.status == Some(404) && d.code != "NoSuchBucket" => Ok(()),
            Err(d) => Err(self.error(&format!("delete {path}"), path, &d)),
        }
    }

    fn survey(&self, prefix: &str) -> Result<Vec<VersionRow>, StoreError> {
        let full = self.path(prefix);
        let (mut key, mut version) = (None, None);
        let mut rows = Vec::new();
        let (began, mut pages) = (Instant::now(), 0);
        loop {
            self.may_go_on(prefix, &mut pages, began)?;
            let call =
                self.client.list_object_versions().bucket(&self.settings.bucket).prefix(&full);
            let call = call.set_key_marker(key.take()).set_version_id_marker(version.take());
            let page = bounds::again(|| {
                self.wait(|| call.clone().customize().interceptor(WholeListing).send())
                    .map_err(|d| self.error(&format!("list the versions of {prefix}"), prefix, &d))
            })?;
            let mut add = |path: Option<&str>,
                           version: Option<&str>,
                           size: Option<i64>,
                           latest: Option<bool>,
                           marker,
                           modified: Option<&DateTime>|
             -> Result<(), StoreError> {
                if let Some(path) = path.and_then(|k| k.strip_prefix(&self.settings.prefix)) {
                    rows.push(VersionRow {
                        path: path.to_owned(),
                        version: version.unwrap_or("null").to_owned(),
                        size_bytes: if marker { 0 } else { self.said(prefix, path, size)? },
                        latest: latest == Some(true),
                        marker,
                        modified: modified.and_then(time).unwrap_or_default(),
                    });
                }
                Ok(())
            };
            for v in page.versions() {
                add(v.key(), v.version_id(), v.size(), v.is_latest(), false, v.last_modified())?;
            }
            for m in page.delete_markers() {
                add(m.key(), m.version_id(), None, m.is_latest(), true, m.last_modified())?;
            }
            if !self.goes_on(prefix, page.is_truncated())? {
                break;
            }
            let next = page.next_key_marker().ok_or_else(|| self.not_whole(prefix, NOWHERE))?;
            key = Some(next.to_owned());
            version = page.next_version_id_marker().map(str::to_owned);
        }
        rows.sort_by(|a, b| {
            a.path.cmp(&b.path).then(b.latest.cmp(&a.latest)).then(b.modified.cmp(&a.modified))
        });
        Ok(rows)
    }

    fn date(&self) -> Result<Option<Timestamp>, StoreError> {
        let Some(endpoint) = &self.settings.endpoint else {
            return self.date_of(&format!("https://s3.{}.amazonaws.com/", self.settings.region));
        };
        self.date_of(endpoint.as_str())
    }

    fn facts(&self) -> Result<StoreSettings, StoreError> {
        Ok(self.bucket_facts())
    }

    fn requests(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl S3Bucket {
    /// The server's clock, from the header of any answer: it needs no credential.
    fn date_of(&self, url: &str) -> Result<Option<Timestamp>, StoreError> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let failed = |why: String| StoreError::Failed {
            location: self.where_(),
            action: "ask for the time".to_owned(),
            why: why.into(),
        };
        let mut tries = 0;
        let answer = loop {
            tries += 1;
            match self.plain.head(url).send() {
                Ok(answer) => break answer,
                // A connection that was kept too long is no outage.
                Err(_) if tries < 3 => std::thread::sleep(Duration::from_millis(100)),
                Err(e) => return Err(failed(e.without_url().to_string())),
            }
        };
        Ok(bounds::date(&answer))
    }
}

/// Adds `Content-MD5` to a request with a short body: older servers ask for it where newer ones
/// take other checksums.
pub(super) fn with_md5(request: &mut aws_sdk_s3::config::http::HttpRequest) {
    if let Some(bytes) = request.body().bytes() {
        let value = md5_of(bytes);
        request.headers_mut().insert("content-md5", value);
    }
}
