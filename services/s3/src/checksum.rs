//! The checksums that a request may bring along, in a header or behind its body.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::objects::Checksum;
use http::HeaderMap;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto;

use crate::error::invalid_request;

/// An algorithm that is checked and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The word of the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header, or trailer, that a checksum comes in.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// Reads the word of the wire.
    pub(crate) fn named(text: &str) -> Result<Self, AwsError> {
        let known = |it: &Self| it.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(known).ok_or_else(|| {
            invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        })
    }

    fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    pub(crate) fn hasher(self) -> Hasher {
        match self {
            Self::Crc32 => Hasher::Crc32(Crc32::new()),
            Self::Crc32c => Hasher::Crc32c(Crc32c::new()),
            Self::Crc64Nvme => Hasher::Crc64Nvme(Crc64Nvme::new()),
            Self::Sha1 => Hasher::Sha1(Sha1::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
        }
    }
}

/// A checksum in the making.
pub(crate) enum Hasher {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(it) => it.update(bytes),
            Self::Crc32c(it) => it.update(bytes),
            Self::Crc64Nvme(it) => it.update(bytes),
            Self::Sha1(it) => it.update(bytes),
            Self::Sha256(it) => it.update(bytes),
        }
    }

    /// The checksum in base64.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc32(it) => BASE64_STANDARD.encode(it.finalize()),
            Self::Crc32c(it) => BASE64_STANDARD.encode(it.finalize()),
            Self::Crc64Nvme(it) => BASE64_STANDARD.encode(it.finalize()),
            Self::Sha1(it) => BASE64_STANDARD.encode(it.finalize()),
            Self::Sha256(it) => BASE64_STANDARD.encode(it.finalize()),
        }
    }
}

/// What a request says of the checksum of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) algorithm: Algorithm,
    /// Base64; `None` for one that comes behind the body, or that nobody checks.
    pub(crate) value: Option<String>,
    /// Whether it must come behind the body.
    pub(crate) trails: bool,
}

impl Announced {
    /// Reads the headers; `None` where they say nothing.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, AwsError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut announced: Option<Self> = None;
        for algorithm in Algorithm::ALL {
            let Some(value) = text(algorithm.header()) else {
                continue;
            };
            if announced.is_some() {
                return Err(invalid_request(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                ));
            }
            announced = Some(Self {
                algorithm,
                value: Some(well_formed(algorithm, value)?),
                trails: false,
            });
        }
        let unknown = headers.keys().map(http::HeaderName::as_str).any(|name| {
            let checksum = name.strip_prefix("x-amz-checksum-");
            checksum.is_some_and(|rest| !matches!(rest, "algorithm" | "mode" | "type"))
                && Algorithm::ALL.iter().all(|known| known.header() != name)
        });
        if unknown {
            return Err(invalid_request("The checksum algorithm is not supported"));
        }
        if let Some(trailer) = text("x-amz-trailer") {
            let known = Algorithm::ALL
                .into_iter()
                .find(|it| it.header().eq_ignore_ascii_case(trailer.trim()));
            let algorithm = known.ok_or_else(|| {
                invalid_request("The value specified in the x-amz-trailer header is not supported")
            })?;
            if announced.is_some() {
                return Err(invalid_request("Expecting a single x-amz-checksum- header"));
            }
            announced = Some(Self {
                algorithm,
                value: None,
                trails: true,
            });
        }
        if let (None, Some(name)) = (&announced, text("x-amz-sdk-checksum-algorithm")) {
            announced = Some(Self {
                algorithm: Algorithm::named(name)?,
                value: None,
                trails: false,
            });
        }
        Ok(announced)
    }
}

/// Takes a checksum that has the length of its algorithm's.
pub(crate) fn well_formed(algorithm: Algorithm, value: &str) -> Result<String, AwsError> {
    let decoded = BASE64_STANDARD.decode(value).ok();
    if decoded.is_some_and(|bytes| bytes.len() == algorithm.length()) {
        return Ok(value.to_owned());
    }
    Err(invalid_request(format!(
        "Value for {} header is invalid.",
        algorithm.header()
    )))
}

/// The checksum as the five members that answers have for it.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) crc32: Option<String>,
    pub(crate) crc32c: Option<String>,
    pub(crate) crc64nvme: Option<String>,
    pub(crate) sha1: Option<String>,
    pub(crate) sha256: Option<String>,
    pub(crate) kind: Option<dto::ChecksumType>,
}

impl Members {
    pub(crate) fn of(checksum: Option<&Checksum>) -> Self {
        let mut members = Self::default();
        let Some(checksum) = checksum else {
            return members;
        };
        let value = Some(checksum.value.clone());
        match Algorithm::named(&checksum.algorithm) {
            Ok(Algorithm::Crc32) => members.crc32 = value,
            Ok(Algorithm::Crc32c) => members.crc32c = value,
            Ok(Algorithm::Crc64Nvme) => members.crc64nvme = value,
            Ok(Algorithm::Sha1) => members.sha1 = value,
            Ok(Algorithm::Sha256) => members.sha256 = value,
            Err(_) => return members,
        }
        members.kind = Some(kind(checksum.composite));
        members
    }
}

/// What a checksum is of: of the checksums of parts, or of all bytes.
pub(crate) fn kind(composite: bool) -> dto::ChecksumType {
    dto::ChecksumType::from_static(if composite {
        dto::ChecksumType::COMPOSITE
    } else {
        dto::ChecksumType::FULL_OBJECT
    })
}

/// Writes the six members of an answer that has them.
macro_rules! with_checksum {
    ($output:expr, $checksum:expr) => {{
        let members = $crate::checksum::Members::of($checksum);
        $output.checksum_crc32 = members.crc32;
        $output.checksum_crc32c = members.crc32c;
        $output.checksum_crc64nvme = members.crc64nvme;
        $output.checksum_sha1 = members.sha1;
        $output.checksum_sha256 = members.sha256;
        members.kind
    }};
}
pub(crate) use with_checksum;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answers() {
        for (algorithm, expected) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ] {
            let mut hasher = algorithm.hasher();
            hasher.update(b"1234");
            hasher.update(b"56789");
            assert_eq!(hasher.finish(), expected, "{algorithm:?}");
        }
    }
}
