//! `GetBucketEncryption`, `PutBucketEncryption` and `DeleteBucketEncryption`: what new objects are sealed under.

use std::sync::Arc;

use drawbridge_aws_dialects::error::AwsError;
use s3s::S3Response;
use s3s::dto::{
    DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput, GetBucketEncryptionInput,
    GetBucketEncryptionOutput, PutBucketEncryptionInput, PutBucketEncryptionOutput, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};

use crate::encryption::{DefaultEncryption, Under};
use crate::error::{invalid_argument, malformed_xml, not_implemented};
use crate::settings::{changing, reading};
use crate::{Answered, Asked, Operation, S3};

pub(crate) const GET_BUCKET_ENCRYPTION: Operation<GetBucketEncryptionInput, GetBucketEncryptionOutput> =
    reading(
        "GetBucketEncryption",
        "s3:GetEncryptionConfiguration",
        |s3, asked| Box::pin(get(s3, asked)),
    );

pub(crate) const PUT_BUCKET_ENCRYPTION: Operation<PutBucketEncryptionInput, PutBucketEncryptionOutput> =
    changing(
        "PutBucketEncryption",
        "s3:PutEncryptionConfiguration",
        |s3, asked| Box::pin(put(s3, asked)),
    );

pub(crate) const DELETE_BUCKET_ENCRYPTION: Operation<
    DeleteBucketEncryptionInput,
    DeleteBucketEncryptionOutput,
> = changing(
    "DeleteBucketEncryption",
    "s3:PutEncryptionConfiguration",
    |s3, asked| Box::pin(delete(s3, asked)),
);

async fn get(s3: Arc<S3>, asked: Asked<GetBucketEncryptionInput>) -> Answered<GetBucketEncryptionOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let set = s3.setting::<DefaultEncryption>(&bucket).await?;
    let rule = on_wire(set.unwrap_or_default());
    Ok(S3Response::new(GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(ServerSideEncryptionConfiguration { rules: vec![rule] }),
    }))
}

async fn put(s3: Arc<S3>, asked: Asked<PutBucketEncryptionInput>) -> Answered<PutBucketEncryptionOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    let input = &asked.input;
    let [rule] = input.server_side_encryption_configuration.rules.as_slice() else {
        return Err(malformed_xml());
    };
    s3.set(&bucket, &read(rule)?).await?;
    Ok(S3Response::new(PutBucketEncryptionOutput {}))
}

/// Objects are sealed under the root key again; none is ever left in the clear.
async fn delete(
    s3: Arc<S3>,
    asked: Asked<DeleteBucketEncryptionInput>,
) -> Answered<DeleteBucketEncryptionOutput> {
    let bucket = s3.asked_bucket(&asked).await?;
    s3.unset::<DefaultEncryption>(&bucket).await?;
    Ok(S3Response::new(DeleteBucketEncryptionOutput {}))
}

fn read(rule: &ServerSideEncryptionRule) -> Result<DefaultEncryption, AwsError> {
    let default = rule.apply_server_side_encryption_by_default.as_ref();
    let key = default.and_then(|default| default.kms_master_key_id.clone());
    let key = key.filter(|key| !key.is_empty());
    let under = match default.map(|default| default.sse_algorithm.as_str()) {
        None => Under::Root,
        Some(ServerSideEncryption::AES256) if key.is_none() => Under::Root,
        Some(ServerSideEncryption::AES256) => {
            return Err(invalid_argument(
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            ));
        }
        Some(ServerSideEncryption::AWS_KMS) => Under::Kms(key),
        Some(ServerSideEncryption::AWS_KMS_DSSE) => {
            return Err(not_implemented("Server side encryption in two layers"));
        }
        Some(_) => return Err(malformed_xml()),
    };
    Ok(DefaultEncryption {
        under,
        bucket_key: rule.bucket_key_enabled.unwrap_or(false),
    })
}

fn on_wire(set: DefaultEncryption) -> ServerSideEncryptionRule {
    let (algorithm, key) = match set.under {
        Under::Root => (ServerSideEncryption::AES256, None),
        Under::Kms(key) => (ServerSideEncryption::AWS_KMS, key),
    };
    ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
            kms_master_key_id: key,
            sse_algorithm: ServerSideEncryption::from_static(algorithm),
        }),
        bucket_key_enabled: Some(set.bucket_key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(algorithm: &'static str, key: Option<&str>) -> ServerSideEncryptionRule {
        ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                kms_master_key_id: key.map(str::to_owned),
                sse_algorithm: ServerSideEncryption::from_static(algorithm),
            }),
            bucket_key_enabled: Some(key.is_some()),
        }
    }

    #[test]
    fn a_rule_reads_back_as_it_was_put() {
        for rule in [
            rule("AES256", None),
            rule("aws:kms", None),
            rule("aws:kms", Some("alias/logs")),
        ] {
            assert!(on_wire(read(&rule).expect("valid")) == rule);
        }
    }

    #[test]
    fn a_rule_that_would_not_be_kept_is_refused() {
        for (rule, code) in [
            (rule("AES256", Some("alias/logs")), "InvalidArgument"),
            (rule("aws:kms:dsse", None), "NotImplemented"),
            (rule("none", None), "MalformedXML"),
        ] {
            assert_eq!(read(&rule).expect_err("refused").code(), code);
        }
    }
}
