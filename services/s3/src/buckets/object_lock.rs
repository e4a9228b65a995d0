//! `GetObjectLockConfiguration` and `PutObjectLockConfiguration`: what new objects are locked with.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::{DefaultRetention, Versioning};
use http::StatusCode;
use s3s::S3Response;
use s3s::dto::{
    self, GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, ObjectLockConfiguration,
    ObjectLockEnabled, ObjectLockRetentionMode, ObjectLockRule, PutObjectLockConfigurationInput,
    PutObjectLockConfigurationOutput,
};

use crate::error::{invalid_argument, malformed_xml, not_found, of_store};
use crate::settings::{changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_OBJECT_LOCK_CONFIGURATION: Operation<
    GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput,
> = reading(
    "GetBucketObjectLockConfiguration",
    "s3:GetBucketObjectLockConfiguration",
    |s3, asked| Box::pin(get(s3, asked)),
);

pub(crate) const PUT_OBJECT_LOCK_CONFIGURATION: Operation<
    PutObjectLockConfigurationInput,
    PutObjectLockConfigurationOutput,
> = changing(
    "PutBucketObjectLockConfiguration",
    "s3:PutBucketObjectLockConfiguration",
    |s3, asked| Box::pin(put(s3, asked)),
);

/// The longest retention (S3's documented limit).
const MAX_YEARS: u32 = 100;

const DAYS_OF_YEAR: u32 = 365;

async fn get(
    s3: Arc<S3>,
    asked: Asked<GetObjectLockConfigurationInput>,
) -> Answered<GetObjectLockConfigurationOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    if !bucket.locks {
        return Err(not_found(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ));
    }
    Ok(S3Response::new(GetObjectLockConfigurationOutput {
        object_lock_configuration: Some(ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: bucket.retention.map(on_wire),
        }),
    }))
}

fn on_wire(retention: DefaultRetention) -> ObjectLockRule {
    let number = |number: u32| i32::try_from(number).ok();
    ObjectLockRule {
        default_retention: Some(dto::DefaultRetention {
            days: retention
                .years
                .is_none()
                .then_some(retention.days)
                .and_then(number),
            years: retention.years.and_then(number),
            mode: Some(ObjectLockRetentionMode::from(retention.mode.as_str().to_owned())),
        }),
    }
}

async fn put(
    s3: Arc<S3>,
    asked: Asked<PutObjectLockConfigurationInput>,
) -> Answered<PutObjectLockConfigurationOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = &asked.input;
    let wanted = input
        .object_lock_configuration
        .as_ref()
        .ok_or_else(malformed_xml)?;
    let enabled = wanted.object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str);
    if enabled != Some(ObjectLockEnabled::ENABLED) {
        return Err(malformed_xml());
    }
    let retention = wanted.rule.as_ref().map(retention_of).transpose()?;
    if !bucket.locks && bucket.versioning != Versioning::Enabled {
        return Err(AwsError::new(
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )
        .with_status(StatusCode::CONFLICT));
    }
    let set = s3.store.set_retention(&bucket.name, retention).await;
    if !set.map_err(of_store)? {
        return Err(crate::error::no_such_bucket(&bucket.name));
    }
    Ok(S3Response::new(PutObjectLockConfigurationOutput::default()))
}

/// Reads a rule, which says days or years.
fn retention_of(rule: &ObjectLockRule) -> Result<DefaultRetention, AwsError> {
    let wanted = rule.default_retention.as_ref().ok_or_else(malformed_xml)?;
    let mode = wanted.mode.as_ref().ok_or_else(malformed_xml)?;
    let mode = mode.as_str().parse().map_err(|_| malformed_xml())?;
    let (number, years) = match (wanted.days, wanted.years) {
        (Some(days), None) => (days, false),
        (None, Some(years)) => (years, true),
        (Some(_), Some(_)) | (None, None) => return Err(malformed_xml()),
    };
    let number = u32::try_from(number).ok().filter(|number| *number > 0);
    let number = number
        .ok_or_else(|| invalid_argument("Default retention period must be a positive integer value."))?;
    let unit = if years { DAYS_OF_YEAR } else { 1 };
    let days = number
        .checked_mul(unit)
        .filter(|days| *days <= MAX_YEARS * DAYS_OF_YEAR)
        .ok_or_else(|| invalid_argument("Default retention period is too large."))?;
    Ok(DefaultRetention {
        mode,
        days,
        years: years.then_some(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(days: Option<i32>, years: Option<i32>, mode: Option<&str>) -> ObjectLockRule {
        ObjectLockRule {
            default_retention: Some(dto::DefaultRetention {
                days,
                years,
                mode: mode.map(|mode| ObjectLockRetentionMode::from(mode.to_owned())),
            }),
        }
    }

    #[test]
    fn a_retention_is_of_days_or_years_and_reads_back_as_it_was_said() {
        for (days, years, in_days) in [
            (Some(1), None, 1),
            (Some(36_500), None, 36_500),
            (None, Some(2), 730),
        ] {
            let said = rule(days, years, Some("GOVERNANCE"));
            let read = retention_of(&said).expect("valid");
            assert_eq!(read.days, in_days);
            assert!(on_wire(read) == said, "{read:?}");
        }
    }

    #[test]
    fn nothing_else_is_a_retention() {
        for (days, years, mode) in [
            (None, None, Some("GOVERNANCE")),
            (Some(1), Some(1), Some("GOVERNANCE")),
            (Some(0), None, Some("COMPLIANCE")),
            (Some(-1), None, Some("COMPLIANCE")),
            (Some(36_501), None, Some("COMPLIANCE")),
            (None, Some(101), Some("COMPLIANCE")),
            (None, Some(i32::MAX), Some("COMPLIANCE")),
            (Some(1), None, None),
            (Some(1), None, Some("governance")),
        ] {
            assert!(
                retention_of(&rule(days, years, mode)).is_err(),
                "{days:?} {years:?} {mode:?}"
            );
        }
    }
}
