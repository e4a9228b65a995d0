//! Who signed a request.
//!
//! The order is fixed: read the signature, find the key, check the signature over the body, and only then look at
//! what is asked. Whatever is wrong is answered in the caller's dialect, in AWS's words.

use std::sync::Arc;

use aws_lc_rs::digest;
use drawbridge_aws_dialects::error::{AwsError, Family};
use drawbridge_aws_dialects::sigv4::{self, Payload, SignatureError, SignedRequest};
use drawbridge_session::{AccessKeyId, Principal, Region, Secret, SessionGrant, SignedWith};
use drawbridge_store::{Credential, CredentialError, KeyUse, StoreError, credentials};
use http::request::Parts;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::Gateway;

/// Who signed, how, and for which service and region.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) principal: Principal,
    pub(crate) signed_with: SignedWith,
    /// The access key; a node's own key has no id.
    pub(crate) access_key_id: Option<AccessKeyId>,
    pub(crate) grant: Option<Arc<SessionGrant>>,
    pub(crate) region: Region,
}

/// Why nobody is believed to have signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthenticationError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("cannot look up the access key")]
    Store(#[source] StoreError),
}

impl AuthenticationError {
    /// Says it in the words of a family; a fault of ours is logged and not shown.
    pub(crate) fn to_error(&self, family: Family) -> AwsError {
        match self {
            Self::Signature(error) => error.to_error(family),
            Self::Store(_) => {
                tracing::error!(error = self as &dyn std::error::Error, "cannot check a signature");
                family.internal()
            }
        }
    }
}

/// A request whose signature is proven, and whose body is not read.
pub(crate) struct Head {
    pub(crate) identity: Identity,
    /// What the chunks of the body are signed with.
    pub(crate) secret: Secret,
    /// Whether the signature came in the query.
    pub(crate) presigned: bool,
    /// When the client says that it signed.
    pub(crate) signed_at: Timestamp,
}

/// Checks a request's signature for `service`. A request without one is nobody's: [`SignatureError::Missing`].
pub(crate) async fn authenticate(
    gateway: &Gateway,
    parts: &Parts,
    body: &[u8],
    service: &'static str,
) -> Result<Identity, AuthenticationError> {
    let (signed, region) = claimed(parts, service)?;
    let credential = find_credential(gateway, &signed, &region).await?;
    let now = gateway.clock.now();
    let digest = payload_digest(&signed, body);
    let (principal, signed_with, grant) = match credential {
        Credential::Secret {
            secret,
            principal,
            grant,
        } => {
            let _verified = signed.verify(secret.expose(), &digest, now)?;
            (principal, SignedWith::AccessKey, grant)
        }
        Credential::NodeKey {
            public_key,
            principal,
        } => {
            let _verified = signed.verify_rsa(&public_key, &digest, now)?;
            (principal, SignedWith::NodeKey, None)
        }
    };
    Ok(Identity {
        principal,
        signed_with,
        access_key_id: used_key(gateway, &signed, service, &region),
        grant: grant.map(Arc::new),
        region,
    })
}

/// The same for a request whose body is checked while it is read.
pub(crate) async fn authenticate_head(
    gateway: &Gateway,
    parts: &Parts,
    service: &'static str,
) -> Result<Head, AuthenticationError> {
    let (signed, region) = claimed(parts, service)?;
    let Credential::Secret {
        secret,
        principal,
        grant,
    } = find_credential(gateway, &signed, &region).await?
    else {
        return Err(SignatureError::UnknownAccessKey.into());
    };
    let _verified = signed.verify_head(secret.expose(), gateway.clock.now())?;
    Ok(Head {
        identity: Identity {
            principal,
            signed_with: SignedWith::AccessKey,
            access_key_id: used_key(gateway, &signed, service, &region),
            grant: grant.map(Arc::new),
            region,
        },
        secret,
        presigned: signed.is_presigned(),
        signed_at: signed.signed_at(),
    })
}

fn claimed(parts: &Parts, service: &'static str) -> Result<(SignedRequest, Region), AuthenticationError> {
    let signed = sigv4::parse(parts)?;
    let scope = signed.scope();
    if scope.service != service {
        return Err(SignatureError::WrongService { expected: service }.into());
    }
    let region = Region::parse(&scope.region).map_err(|_| SignatureError::WrongRegion)?;
    Ok((signed, region))
}

/// The access key that signed; its use is noted, if it is one that lasts.
fn used_key(
    gateway: &Gateway,
    signed: &SignedRequest,
    service: &'static str,
    region: &Region,
) -> Option<AccessKeyId> {
    let id = AccessKeyId::parse(signed.access_key_id()).ok()?;
    if !id.is_temporary() {
        let usage = KeyUse {
            at: gateway.clock.now(),
            service: service.to_owned(),
            region: region.clone(),
        };
        gateway.store.access_key_used(&id, usage);
    }
    Some(id)
}

async fn find_credential(
    gateway: &Gateway,
    signed: &SignedRequest,
    region: &Region,
) -> Result<Credential, AuthenticationError> {
    let session_token = signed.session_token().map(|token| token.expose_secret());
    let found = credentials::credential(
        gateway.store.as_ref(),
        &gateway.root,
        signed.access_key_id(),
        session_token,
        region,
        gateway.clock.now(),
    );
    found.await.map_err(|error| match error {
        CredentialError::Unknown => SignatureError::UnknownAccessKey.into(),
        CredentialError::InvalidToken => SignatureError::InvalidSessionToken.into(),
        CredentialError::Expired => SignatureError::ExpiredSessionToken.into(),
        CredentialError::Store(error) => AuthenticationError::Store(error),
    })
}

/// The digest of the body, where the signature covers it.
fn payload_digest(signed: &SignedRequest, body: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    match signed.payload() {
        Payload::Signed => digest.copy_from_slice(digest::digest(&digest::SHA256, body).as_ref()),
        Payload::Unsigned
        | Payload::StreamingUnsignedTrailer
        | Payload::StreamingSigned
        | Payload::StreamingSignedTrailer => {}
    }
    digest
}
