//! Rules by which a bucket loses objects, versions and uploads when their time has come. Nothing that is locked goes.
//!
//! Days end at midnight UTC, as on S3: what is a day old goes at the midnight after.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::Tag;
use drawbridge_store::{ObjectVersion, Upload};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Unit};
use s3s::dto::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration,
};

use crate::error::{invalid_argument, malformed_xml};
use crate::wire::moment;

/// The most rules of a bucket (S3's documented limit).
const MAX_RULES: usize = 1000;

/// The longest id of a rule, in characters.
const MAX_ID: usize = 255;

/// The most newer versions that can be kept (S3's documented limit).
const MAX_NEWER: i32 = 100;

/// An enabled rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    filter: Filter,
    current: Option<Expiry>,
    noncurrent: Option<Noncurrent>,
    /// Days after which an upload is aborted.
    abort: Option<u32>,
}

/// What a rule is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Filter {
    prefix: String,
    tags: Vec<Tag>,
    larger_than: Option<u64>,
    smaller_than: Option<u64>,
}

/// When the newest version goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    Days(u32),
    At(Timestamp),
    /// Only a delete marker that has nothing behind it.
    LoneMarker,
}

/// When older versions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noncurrent {
    days: u32,
    /// How many of them are kept all the same.
    newer: usize,
}

/// How something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// As if it was deleted without naming a version.
    Expire,
    /// For good.
    Version,
}

impl Rule {
    /// Reads the rules of a configuration; those that are disabled are checked, and left out.
    pub(crate) fn all(configuration: &BucketLifecycleConfiguration) -> Result<Vec<Self>, AwsError> {
        let rules = &configuration.rules;
        if rules.is_empty() || rules.len() > MAX_RULES {
            return Err(malformed_xml());
        }
        let mut read = Vec::new();
        for (at, rule) in rules.iter().enumerate() {
            let same = |other: &LifecycleRule| other.id.is_some() && other.id == rule.id;
            if rules.iter().take(at).any(same) {
                return Err(invalid_argument(
                    "Rule ID must be unique. Found same ID for more than one rule",
                ));
            }
            let enabled = match rule.status.as_str() {
                ExpirationStatus::ENABLED => true,
                ExpirationStatus::DISABLED => false,
                _ => return Err(malformed_xml()),
            };
            let rule = Self::of(rule)?;
            read.extend(enabled.then_some(rule));
        }
        Ok(read)
    }

    fn of(rule: &LifecycleRule) -> Result<Self, AwsError> {
        if rule.id.as_deref().is_some_and(|id| id.chars().count() > MAX_ID) {
            return Err(invalid_argument(
                "ID length should not exceed allowed limit of 255",
            ));
        }
        let filter = match (&rule.filter, &rule.prefix) {
            (Some(_), Some(_)) => return Err(malformed_xml()),
            (Some(filter), None) => Filter::of(filter)?,
            (None, prefix) => Filter {
                prefix: prefix.clone().unwrap_or_default(),
                ..Filter::default()
            },
        };
        let abort = rule.abort_incomplete_multipart_upload.as_ref();
        let abort = abort.map(|abort| days(abort.days_after_initiation)).transpose()?;
        let current = rule.expiration.as_ref().map(Expiry::of).transpose()?;
        let acts = [
            current.is_some(),
            rule.noncurrent_version_expiration.is_some(),
            abort.is_some(),
            rule.transitions.is_some(),
            rule.noncurrent_version_transitions.is_some(),
        ];
        if !acts.contains(&true) {
            return Err(invalid_argument(
                "At least one action needs to be specified in a rule",
            ));
        }
        if abort.is_some() && filter.looks_inside() {
            return Err(invalid_argument(
                "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes",
            ));
        }
        if current == Some(Expiry::LoneMarker) && !filter.tags.is_empty() {
            return Err(invalid_argument(
                "ExpiredObjectDeleteMarker cannot be specified with Tags",
            ));
        }
        let noncurrent = rule.noncurrent_version_expiration.as_ref();
        Ok(Self {
            filter,
            current,
            noncurrent: noncurrent.map(Noncurrent::of).transpose()?,
            abort,
        })
    }

    /// Says whether an upload has been under way for too long.
    pub(crate) fn aborts(&self, upload: &Upload, now: Timestamp) -> bool {
        let old = self
            .abort
            .is_some_and(|days| is_past(upload.initiated_at, days, now));
        old && upload.key.starts_with(&self.filter.prefix)
    }

    /// Says whether the newest version of an object has had its time; `alone` if it is the only one.
    fn expires(&self, version: &ObjectVersion, alone: bool, now: Timestamp) -> bool {
        if !self.filter.takes(version) {
            return false;
        }
        let marker = version.content.is_none();
        match self.current {
            None => false,
            Some(Expiry::LoneMarker) => marker && alone,
            Some(Expiry::Days(days)) => (!marker || alone) && is_past(version.modified_at, days, now),
            Some(Expiry::At(at)) => !marker && at <= now,
        }
    }

    /// Says whether an older version has had its time since it was replaced.
    fn forgets(&self, version: &ObjectVersion, replaced_at: Timestamp, newer: usize, now: Timestamp) -> bool {
        let due = self.noncurrent.is_some_and(|noncurrent| {
            newer >= noncurrent.newer && is_past(replaced_at, noncurrent.days, now)
        });
        due && self.filter.takes(version)
    }
}

impl Filter {
    fn of(filter: &LifecycleRuleFilter) -> Result<Self, AwsError> {
        let size = |size: Option<i64>| {
            let read = size.map(u64::try_from).transpose();
            read.map_err(|_| invalid_argument("An object size is not negative"))
        };
        let single = [
            filter.prefix.is_some(),
            filter.tag.is_some(),
            filter.object_size_greater_than.is_some(),
            filter.object_size_less_than.is_some(),
            filter.and.is_some(),
        ];
        if single.into_iter().filter(|it| *it).count() > 1 {
            return Err(malformed_xml());
        }
        let tag = |tag: &s3s::dto::Tag| Tag {
            key: tag.key.clone().unwrap_or_default(),
            value: tag.value.clone().unwrap_or_default(),
        };
        let read = match &filter.and {
            Some(and) => Self {
                prefix: and.prefix.clone().unwrap_or_default(),
                tags: and.tags.iter().flatten().map(tag).collect(),
                larger_than: size(and.object_size_greater_than)?,
                smaller_than: size(and.object_size_less_than)?,
            },
            None => Self {
                prefix: filter.prefix.clone().unwrap_or_default(),
                tags: filter.tag.iter().map(tag).collect(),
                larger_than: size(filter.object_size_greater_than)?,
                smaller_than: size(filter.object_size_less_than)?,
            },
        };
        if let (Some(larger), Some(smaller)) = (read.larger_than, read.smaller_than)
            && larger >= smaller
        {
            return Err(invalid_argument(
                "'ObjectSizeGreaterThan' should be less than 'ObjectSizeLessThan'",
            ));
        }
        Ok(read)
    }

    /// Whether it asks for more than the key, which a delete marker or an upload does not have.
    fn looks_inside(&self) -> bool {
        !self.tags.is_empty() || self.larger_than.is_some() || self.smaller_than.is_some()
    }

    fn takes(&self, version: &ObjectVersion) -> bool {
        if !version.key.starts_with(&self.prefix) {
            return false;
        }
        let Some(content) = &version.content else {
            return !self.looks_inside();
        };
        self.tags.iter().all(|tag| version.tags.contains(tag))
            && self.larger_than.is_none_or(|size| content.size > size)
            && self.smaller_than.is_none_or(|size| content.size < size)
    }
}

impl Expiry {
    fn of(expiration: &LifecycleExpiration) -> Result<Self, AwsError> {
        // Clients say as well that they do not mean markers.
        let marker = expiration.expired_object_delete_marker.filter(|it| *it);
        match (expiration.days, &expiration.date, marker) {
            (Some(wanted), None, None) => Ok(Self::Days(days(Some(wanted))?)),
            (None, Some(date), None) => {
                let at = moment(date).ok_or_else(malformed_xml)?;
                if at.as_second() % SECONDS_OF_DAY != 0 || at.subsec_nanosecond() != 0 {
                    return Err(invalid_argument("'Date' must be at midnight GMT"));
                }
                Ok(Self::At(at))
            }
            (None, None, Some(_)) => Ok(Self::LoneMarker),
            (None, None, None) | (Some(_), _, _) | (None, Some(_), Some(_)) => Err(malformed_xml()),
        }
    }
}

impl Noncurrent {
    fn of(expiration: &NoncurrentVersionExpiration) -> Result<Self, AwsError> {
        let newer = expiration.newer_noncurrent_versions.unwrap_or(0);
        if !(0..=MAX_NEWER).contains(&newer) {
            return Err(invalid_argument(
                "'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer up to 100",
            ));
        }
        Ok(Self {
            days: days(expiration.noncurrent_days)?,
            newer: usize::try_from(newer).unwrap_or_default(),
        })
    }
}

const SECONDS_OF_DAY: i64 = 24 * 3600;

fn days(days: Option<i32>) -> Result<u32, AwsError> {
    let days = days
        .and_then(|days| u32::try_from(days).ok())
        .filter(|days| *days > 0);
    days.ok_or_else(|| invalid_argument("'Days' for an action must be a positive integer"))
}

/// Whether so many days are over since a moment, counted to the midnight after.
fn is_past(since: Timestamp, days: u32, now: Timestamp) -> bool {
    let due = since.checked_add(SignedDuration::from_hours(24 * i64::from(days)));
    let midnight = due.ok().and_then(|due| {
        let day = due.to_zoned(TimeZone::UTC);
        let rounded = jiff::ZonedRound::new()
            .smallest(Unit::Day)
            .mode(jiff::RoundMode::Ceil);
        day.round(rounded).ok()
    });
    midnight.is_some_and(|midnight| midnight.timestamp() <= now)
}

/// Walks the versions of a bucket by key, newest first, and says which of them go.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    rules: &'a [Rule],
    now: Timestamp,
    /// When the version before was made, if it was of the same key.
    before: Option<(String, Timestamp)>,
    /// How many older versions there were before.
    newer: usize,
    /// A delete marker, until it is known whether anything is behind it.
    marker: Option<ObjectVersion>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(rules: &'a [Rule], now: Timestamp) -> Self {
        Self {
            rules,
            now,
            before: None,
            newer: 0,
            marker: None,
        }
    }

    /// Takes the next version.
    pub(crate) fn next(&mut self, version: ObjectVersion) -> Vec<(ObjectVersion, Removal)> {
        let mut going = Vec::new();
        let before = self.before.take().filter(|(key, _)| *key == version.key);
        if before.is_none() {
            going.extend(self.finish());
            self.newer = 0;
        }
        self.marker = None;
        self.before = Some((version.key.clone(), version.modified_at));
        match before {
            None if version.content.is_none() => self.marker = Some(version),
            None => {
                let expires = |rule: &Rule| rule.expires(&version, false, self.now);
                if self.rules.iter().any(expires) {
                    going.push((version, Removal::Expire));
                }
            }
            Some((_, replaced_at)) => {
                let forgets = |rule: &Rule| rule.forgets(&version, replaced_at, self.newer, self.now);
                let goes = self.rules.iter().any(forgets);
                self.newer += 1;
                if goes {
                    going.push((version, Removal::Version));
                }
            }
        }
        going
    }

    /// Takes the end.
    pub(crate) fn finish(&mut self) -> Option<(ObjectVersion, Removal)> {
        let marker = self.marker.take()?;
        let expires = |rule: &Rule| rule.expires(&marker, true, self.now);
        let goes = self.rules.iter().any(expires);
        goes.then_some((marker, Removal::Version))
    }
}

#[cfg(test)]
mod tests;
