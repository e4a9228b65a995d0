//! `CreateBucket`.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Audit, Region, SignedWith, Tag};
use drawbridge_store::{Bucket, CreateBucketError, Versioning};
use http::StatusCode;
use s3s::S3Response;
use s3s::dto::{BucketCannedACL, CreateBucketInput, CreateBucketOutput, TagSet};
use s3s::xml::{DeError, Deserializer};
use serde_json::{Map, Value, json};

use crate::buckets::ownership::Ownership;
use crate::buckets::tagging::BucketTags;
use crate::control::tags_of;
use crate::error::{invalid_request, malformed_xml, of_store};
use crate::facts::{ACL, Headers, Named, OWNED, add_request_tags, on_new_bucket};
use crate::settings::{Setting as _, written};
use crate::shelf::keep_out;
use crate::wire::bucket_tags;
use crate::{Answered, Asked, Operation, S3};

pub(crate) const CREATE_BUCKET: Operation<NewBucket, CreateBucketOutput> = Operation {
    name: "CreateBucket",
    action: "s3:CreateBucket",
    signed_with: SignedWith::AccessKey,
    needs: on_new_bucket,
    audit: Audit::WRITE,
    handler: |s3, asked| Box::pin(create(s3, asked)),
};

/// The region that is named by saying nothing.
const FIRST_REGION: &str = "us-east-1";

/// A bucket to be.
#[derive(Debug)]
pub(crate) struct NewBucket {
    pub(crate) input: CreateBucketInput,
    /// Its first tags.
    pub(crate) tags: Vec<Tag>,
}

impl Named for NewBucket {
    const HEADERS: &'static [Headers] = &[ACL, OWNED];

    fn bucket(&self) -> Option<&str> {
        Some(&self.input.bucket)
    }

    fn conditions(&self, conditions: &mut Map<String, Value>) {
        if let Some(location) = location(&self.input) {
            conditions.insert("s3:LocationConstraint".to_owned(), json!(location));
        }
        add_request_tags(conditions, &self.tags);
    }
}

/// Reads the tags of a document, which the dialect has read for all else. (Of s3s 0.17 on, it reads them, too.)
pub(crate) fn tags_of_new_bucket(document: &[u8]) -> Result<Vec<Tag>, AwsError> {
    if document.is_empty() {
        return Ok(Vec::new());
    }
    let mut tags = TagSet::new();
    let mut reader = Deserializer::new(document);
    let read = reader.named_element("CreateBucketConfiguration", |reader| {
        reader.for_each_element(|reader, name| match name {
            b"LocationConstraint" => reader.content::<String>().map(drop),
            b"Tags" if tags.is_empty() => {
                tags = tags_of(reader)?;
                Ok(())
            }
            // What is said of a directory bucket, or is new: no bucket of that kind would come of it.
            _ => Err(DeError::UnexpectedTagName),
        })
    });
    read.map_err(|_error| malformed_xml())?;
    bucket_tags(tags)
}

fn location(input: &CreateBucketInput) -> Option<&str> {
    let configuration = input.create_bucket_configuration.as_ref()?;
    let location = configuration.location_constraint.as_ref()?.as_str();
    Some(location).filter(|location| !location.is_empty())
}

async fn create(s3: Arc<S3>, asked: Asked<NewBucket>) -> Answered<CreateBucketOutput> {
    let caller = asked.caller().clone();
    let NewBucket { input, tags } = asked.input;
    let region = placed(location(&input), &caller.region)?;
    let acl = input.acl.as_ref().map(BucketCannedACL::as_str);
    if acl.is_some_and(|acl| acl != "private") {
        return Err(AwsError::new(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        ));
    }
    let grants = [
        &input.grant_full_control,
        &input.grant_read,
        &input.grant_read_acp,
        &input.grant_write,
        &input.grant_write_acp,
    ];
    if grants.into_iter().any(Option::is_some) {
        return Err(invalid_request(
            "Grants are not supported: the bucket's owner owns every object",
        ));
    }
    check_name(&input.bucket)?;
    keep_out(&input.bucket)?;
    let ownership = input.object_ownership.as_ref().map(Ownership::of).transpose()?;
    let locks = input.object_lock_enabled_for_bucket.unwrap_or(false);
    let bucket = Bucket {
        name: input.bucket,
        account: caller.account.clone(),
        region,
        created_at: s3.clock.now(),
        versioning: if locks {
            Versioning::Enabled
        } else {
            Versioning::Never
        },
        locks,
        retention: None,
    };
    let tagged = !tags.is_empty();
    let mut settings = Vec::new();
    if let Some(ownership) = ownership {
        settings.push((<Option<Ownership>>::NAME, written(&Some(ownership))?));
    }
    if let Some(tags) = BucketTags::of(tags) {
        settings.push((BucketTags::NAME, written(&tags)?));
    }
    match s3.store.create_bucket(&bucket, &settings).await {
        Ok(()) => {}
        Err(CreateBucketError::Exists(present)) if present.account != bucket.account => {
            return Err(AwsError::new(
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is shared by all users of the \
                 system. Please select a different name and try again.",
            )
            .with_status(StatusCode::CONFLICT));
        }
        // As on AWS, where it began: asking again is no error there, unless for tags.
        Err(CreateBucketError::Exists(present))
            if bucket.region.as_str() == FIRST_REGION && present.region == bucket.region && !tagged => {}
        Err(CreateBucketError::Exists(_)) => {
            return Err(AwsError::new(
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
            )
            .with_status(StatusCode::CONFLICT));
        }
        Err(CreateBucketError::TooMany) => {
            return Err(AwsError::new(
                "TooManyBuckets",
                "You have attempted to create more buckets than allowed",
            ));
        }
        Err(CreateBucketError::Store(error)) => return Err(of_store(error)),
    }
    Ok(S3Response::new(CreateBucketOutput {
        location: Some(format!("/{}", bucket.name)),
    }))
}

/// The region that a bucket will be in. A request that is signed for the first one may name any other, as on AWS.
fn placed(location: Option<&str>, signed_for: &Region) -> Result<Region, AwsError> {
    let first = signed_for.as_str() == FIRST_REGION;
    match location {
        None if first => Ok(signed_for.clone()),
        Some(location) if first => {
            let named = Region::parse(location).ok();
            named
                .filter(|named| named.as_str() != FIRST_REGION)
                .ok_or_else(|| {
                    AwsError::new(
                        "InvalidLocationConstraint",
                        "The specified location-constraint is not valid",
                    )
                })
        }
        Some(location) if location == signed_for.as_str() => Ok(signed_for.clone()),
        wrong => {
            let wrong = wrong.unwrap_or("unspecified");
            Err(AwsError::new(
                "IllegalLocationConstraintException",
                format!(
                    "The {wrong} location constraint is incompatible for the region specific endpoint this \
                     request was sent to."
                ),
            ))
        }
    }
}

/// The rules of names that the dialect's are looser than: no two dots together, and no form of an address or of a name
/// that AWS keeps for itself.
fn check_name(name: &str) -> Result<(), AwsError> {
    let reserved = ["xn--", "sthree-", "amzn-s3-demo-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
    let plain = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    let edges = |at: Option<u8>| at.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let ends = edges(name.bytes().next()) && edges(name.bytes().next_back());
    let address = name.parse::<std::net::Ipv4Addr>().is_ok();
    if (3..=63).contains(&name.len()) && plain && ends && !reserved && !address && !name.contains("..") {
        return Ok(());
    }
    Err(AwsError::new(
        "InvalidBucketName",
        "The specified bucket is not valid.",
    ))
}

#[cfg(test)]
mod tests {
    use super::{check_name, tags_of_new_bucket};

    #[test]
    fn tags_stand_beside_what_the_dialect_reads() {
        let document = b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>\
                         <Tags><Tag><Key>team</Key><Value>ops</Value></Tag></Tags></CreateBucketConfiguration>";
        let tags = tags_of_new_bucket(document).expect("read");
        let pairs: Vec<_> = tags
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()))
            .collect();
        assert_eq!(pairs, [("team", "ops")]);
        assert!(tags_of_new_bucket(b"").expect("none").is_empty());
        assert!(
            tags_of_new_bucket(b"<CreateBucketConfiguration/>")
                .expect("none")
                .is_empty()
        );
        assert!(tags_of_new_bucket(b"<Other/>").is_err());
    }

    #[test]
    fn names_are_dns_labels_and_no_addresses() {
        for good in ["abc", "my-logs", "a.b.c", "0a0", &"a".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let bad = [
            "ab",
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            "a..b",
            "192.168.0.1",
            "xn--abc",
            "abc-s3alias",
            "a/b",
            "",
        ];
        for bad in bad {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"a".repeat(64)).is_err());
    }
}
