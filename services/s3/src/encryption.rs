//! What the bytes of an object are sealed under: the root key, or a key of the service of keys, used in the name of whoever
//! writes, and later of whoever reads.
//!
//! ```text
//! root key ──▶ a data key for each blob
//! key of the service of keys ──▶ a data key for each object or upload ──▶ a key for each of its blobs
//! ```
//!
//! A data key is bound to the object's ARN, or to the bucket's where data keys may be shared in it, as S3 does it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_session::{Caller, EncryptionContext, KeyError, KeyUser};
use drawbridge_store::blobs::{DataKey, Opened, SealedWriter, create_sealed, create_sealed_under};
use drawbridge_store::{Bucket, Content, Piece, Sealing};
use http::{HeaderMap, StatusCode};
use s3s::dto::ServerSideEncryption;
use serde::{Deserialize, Serialize};

use crate::S3;
use crate::error::{internal, invalid_argument, not_implemented, of_blobs, of_reserve};
use crate::settings::Setting;
use crate::shelf::keep_out;

/// The key that the server has for this in each account.
const PROVIDED_KEY: &str = "alias/aws/s3";

/// What the context of an object's data key names it by.
const ARN: &str = "aws:s3:arn";

const ALGORITHM: &str = "x-amz-server-side-encryption";
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// What a bucket seals objects under that say nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct DefaultEncryption {
    pub(crate) under: Under,
    pub(crate) bucket_key: bool,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Under {
    /// The root key's.
    #[default]
    Root,
    /// The service of keys', by the name that was given; the provided one where none was.
    Kms(Option<String>),
}

impl Setting for DefaultEncryption {
    const NAME: &'static str = "encryption";
}

/// What an object is going to be sealed under.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    under: Under,
    bucket_key: bool,
    context: EncryptionContext,
}

/// A data key that was drawn or opened for an object, or the root key.
#[derive(Debug)]
pub(crate) enum Protection {
    Root,
    Kms {
        data_key: DataKey,
        /// How the data key is kept.
        sealing: Sealing,
        bucket_key: bool,
    },
}

impl Protection {
    /// Says in an object what it is sealed under.
    pub(crate) fn mark(&self, content: &mut Content) {
        if let Self::Kms {
            sealing: Sealing::Kms { key, .. },
            bucket_key,
            ..
        } = self
        {
            content.kms_key = Some(key.clone());
            content.bucket_key = *bucket_key;
        }
    }

    /// How the data key is kept, where there is one for the whole object.
    pub(crate) fn sealing(&self) -> Option<Sealing> {
        match self {
            Self::Root => None,
            Self::Kms { sealing, .. } => Some(sealing.clone()),
        }
    }
}

/// What an answer says of an object's encryption.
pub(crate) struct Told {
    pub(crate) algorithm: ServerSideEncryption,
    pub(crate) key: Option<String>,
    pub(crate) bucket_key: Option<bool>,
}

impl Told {
    pub(crate) fn of(content: &Content) -> Self {
        let algorithm = match &content.kms_key {
            None => ServerSideEncryption::AES256,
            Some(_) => ServerSideEncryption::AWS_KMS,
        };
        Self {
            algorithm: ServerSideEncryption::from_static(algorithm),
            key: content.kms_key.clone(),
            bucket_key: content.bucket_key.then_some(true),
        }
    }
}

/// Says in an answer what an object is sealed under.
macro_rules! with_encryption {
    ($output:expr, $content:expr) => {{
        let told = $crate::encryption::Told::of($content);
        $output.server_side_encryption = Some(told.algorithm);
        $output.ssekms_key_id = told.key;
        $output.bucket_key_enabled = told.bucket_key;
    }};
}
pub(crate) use with_encryption;

impl S3 {
    /// Draws what an object will be sealed under, in the name of whoever writes it: as the headers say, or the bucket.
    pub(crate) async fn protect(
        &self,
        caller: &Caller,
        bucket: &Bucket,
        key: &str,
        headers: &HeaderMap,
    ) -> Result<Protection, AwsError> {
        keep_out(&bucket.name)?;
        // Before a key is asked for, which leaves an audit event.
        self.reserve.check().map_err(of_reserve)?;
        let wanted = match wanted(headers)? {
            Some(wanted) => wanted,
            None => self.wanted_by(bucket).await?,
        };
        let Under::Kms(kms_key) = wanted.under else {
            return Ok(Protection::Root);
        };
        let mut context = wanted.context;
        let arn = if wanted.bucket_key {
            format!("arn:aws:s3:::{}", bucket.name)
        } else {
            format!("arn:aws:s3:::{}/{key}", bucket.name)
        };
        context.insert(ARN.to_owned(), arn);
        let kms_key = kms_key.as_deref().unwrap_or(PROVIDED_KEY);
        let drawn = self
            .keys
            .generate_data_key(user(caller), kms_key, 32, &context)
            .await
            .map_err(refused)?;
        let data_key = DataKey::of_bytes(&drawn.plain).ok_or_else(no_data_key)?;
        Ok(Protection::Kms {
            data_key,
            sealing: Sealing::Kms {
                key: drawn.key_arn,
                wrapped: BASE64_STANDARD.encode(&drawn.wrapped),
                context,
            },
            bucket_key: wanted.bucket_key,
        })
    }

    async fn wanted_by(&self, bucket: &Bucket) -> Result<Wanted, AwsError> {
        let default = self
            .setting::<DefaultEncryption>(bucket)
            .await?
            .unwrap_or_default();
        Ok(Wanted {
            under: default.under,
            bucket_key: default.bucket_key,
            context: EncryptionContext::new(),
        })
    }

    /// Opens what an upload was begun with, in the name of whoever sends a part.
    pub(crate) async fn protection_of(
        &self,
        caller: &Caller,
        sealing: Option<&Sealing>,
        content: &Content,
    ) -> Result<Protection, AwsError> {
        self.reserve.check().map_err(of_reserve)?;
        match sealing {
            None | Some(Sealing::Root(_)) => Ok(Protection::Root),
            Some(sealing @ Sealing::Kms { wrapped, context, .. }) => Ok(Protection::Kms {
                data_key: self.unwrapped(caller, wrapped, context).await?,
                sealing: sealing.clone(),
                bucket_key: content.bucket_key,
            }),
        }
    }

    /// Begins a blob.
    pub(crate) async fn sealed_writer(
        &self,
        protection: &Protection,
    ) -> Result<(SealedWriter, Sealing), AwsError> {
        let (blobs, random) = (self.blobs.as_ref(), self.random.as_ref());
        match protection {
            Protection::Root => create_sealed(blobs, &self.root, random).await.map_err(of_blobs),
            Protection::Kms {
                data_key, sealing, ..
            } => {
                let writer = create_sealed_under(blobs, data_key, random).await;
                Ok((writer.map_err(of_blobs)?, sealing.clone()))
            }
        }
    }

    /// Opens the keys of an object's pieces, in the name of whoever reads it.
    pub(crate) async fn opened(&self, caller: &Caller, pieces: Vec<Piece>) -> Result<Vec<Opened>, AwsError> {
        let mut opened = Vec::with_capacity(pieces.len());
        // The pieces of an upload have one data key: it is asked for once.
        let mut last: Option<(String, DataKey)> = None;
        for piece in pieces {
            let key = match &piece.sealing {
                Sealing::Root(sealed) => DataKey::open(&self.root, &piece.blob, sealed).map_err(internal)?,
                Sealing::Kms { wrapped, context, .. } => {
                    let data_key = match last.take() {
                        Some((known, data_key)) if known == *wrapped => data_key,
                        Some(_) | None => self.unwrapped(caller, wrapped, context).await?,
                    };
                    let key = data_key.of_blob(&piece.blob);
                    last = Some((wrapped.clone(), data_key));
                    key
                }
            };
            opened.push((piece, key));
        }
        Ok(opened)
    }

    async fn unwrapped(
        &self,
        caller: &Caller,
        wrapped: &str,
        context: &EncryptionContext,
    ) -> Result<DataKey, AwsError> {
        let wrapped = BASE64_STANDARD.decode(wrapped).map_err(internal)?;
        let plain = self.keys.decrypt(user(caller), &wrapped, context).await;
        DataKey::of_bytes(&plain.map_err(refused)?).ok_or_else(no_data_key)
    }
}

fn user(caller: &Caller) -> KeyUser<'_> {
    KeyUser {
        caller,
        via: Some("s3"),
    }
}

/// Says why a key was not used, in the words of the service of keys.
fn refused(error: KeyError) -> AwsError {
    match error {
        KeyError::NotFound(text) => AwsError::new("KMS.NotFoundException", text),
        KeyError::Disabled(text) => AwsError::new("KMS.DisabledException", text),
        KeyError::InvalidState(text) => AwsError::new("KMS.KMSInvalidStateException", text),
        KeyError::Denied(text) => AwsError::new("AccessDenied", text).with_status(StatusCode::FORBIDDEN),
        error @ (KeyError::InvalidCiphertext(_) | KeyError::Internal(_)) => internal(error),
    }
}

fn no_data_key() -> AwsError {
    internal(std::io::Error::other("a data key does not have 32 bytes"))
}

/// What the headers of a request want; `None` where they say nothing.
fn wanted(headers: &HeaderMap) -> Result<Option<Wanted>, AwsError> {
    let text = |name: &str| {
        let value = headers.get(name).map(http::HeaderValue::to_str).transpose();
        value.map_err(|_| invalid_argument(format!("the header {name} is not plain text")))
    };
    let key = text(KEY_ID)?.filter(|key| !key.is_empty()).map(str::to_owned);
    let context = text(CONTEXT)?.map(read_context).transpose()?.unwrap_or_default();
    let bucket_key = text(BUCKET_KEY)?.is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let without_kms = || {
        if key.is_none() && context.is_empty() {
            return Ok(());
        }
        Err(invalid_argument(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : \
             aws:kms",
        ))
    };
    let under = match text(ALGORITHM)?.filter(|algorithm| !algorithm.is_empty()) {
        None => {
            without_kms()?;
            return Ok(None);
        }
        Some(ServerSideEncryption::AES256) => {
            without_kms()?;
            Under::Root
        }
        Some(ServerSideEncryption::AWS_KMS) => Under::Kms(key),
        Some(ServerSideEncryption::AWS_KMS_DSSE) => {
            return Err(not_implemented("Server side encryption in two layers"));
        }
        Some(_) => {
            return Err(invalid_argument(
                "The encryption method specified is not supported",
            ));
        }
    };
    Ok(Some(Wanted {
        under,
        bucket_key,
        context,
    }))
}

/// Reads base64 of a JSON object of texts. The object's ARN is not among them: it is the server's to say.
fn read_context(text: &str) -> Result<EncryptionContext, AwsError> {
    let json = BASE64_STANDARD.decode(text).ok();
    let read = json.and_then(|json| serde_json::from_slice::<BTreeMap<String, String>>(&json).ok());
    read.filter(|context| !context.contains_key(ARN))
        .ok_or_else(|| invalid_argument("The header x-amz-server-side-encryption-context is not valid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)]) -> Result<Option<Wanted>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().expect("a value"));
        }
        wanted(&headers).map_err(|error| error.code().to_owned())
    }

    #[test]
    fn headers_say_under_what_an_object_is_sealed() {
        let under =
            |pairs: &[(&'static str, &str)]| read(pairs).map(|it| it.map(|it| (it.under, it.bucket_key)));
        assert_eq!(under(&[]), Ok(None));
        assert_eq!(under(&[(ALGORITHM, "")]), Ok(None));
        assert_eq!(under(&[(ALGORITHM, "AES256")]), Ok(Some((Under::Root, false))));
        assert_eq!(
            under(&[(ALGORITHM, "aws:kms")]),
            Ok(Some((Under::Kms(None), false)))
        );
        let named = [
            (ALGORITHM, "aws:kms"),
            (KEY_ID, "alias/logs"),
            (BUCKET_KEY, "true"),
        ];
        assert_eq!(
            under(&named),
            Ok(Some((Under::Kms(Some("alias/logs".to_owned())), true)))
        );
    }

    #[test]
    fn a_key_without_its_algorithm_is_refused() {
        for pairs in [
            &[(KEY_ID, "alias/logs")][..],
            &[(ALGORITHM, "AES256"), (KEY_ID, "alias/logs")],
            &[(ALGORITHM, "AES256"), (CONTEXT, "eyJhIjoiYiJ9")],
            &[(ALGORITHM, "aws:kms2")],
            &[(ALGORITHM, "AWS:KMS")],
            &[(ALGORITHM, "aws:kms"), (CONTEXT, "no base64")],
            &[(ALGORITHM, "aws:kms"), (CONTEXT, "WzFd")],
        ] {
            assert_eq!(read(pairs), Err("InvalidArgument".to_owned()), "{pairs:?}");
        }
        let dsse = read(&[(ALGORITHM, "aws:kms:dsse")]);
        assert_eq!(dsse, Err("NotImplemented".to_owned()));
    }

    #[test]
    fn a_context_is_of_texts_and_never_names_the_object() {
        let context = |json: &str| read(&[(ALGORITHM, "aws:kms"), (CONTEXT, &BASE64_STANDARD.encode(json))]);
        let read = context(r#"{"a":"b"}"#).expect("valid").expect("said");
        assert_eq!(
            read.context,
            EncryptionContext::from([("a".to_owned(), "b".to_owned())])
        );
        for wrong in [r#"{"aws:s3:arn":"arn:aws:s3:::other/key"}"#, r#"{"a":1}"#, "{"] {
            assert!(context(wrong).is_err(), "{wrong}");
        }
    }
}
