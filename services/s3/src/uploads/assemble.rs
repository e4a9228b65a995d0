//! An object of parts: which parts it is made of, its ETag and its checksum.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crc_fast::{CrcAlgorithm, checksum_combine};
use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::objects::Checksum;
use drawbridge_store::{Part, UploadedObject};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::CompletedPart;

use super::MAX_PART;
use crate::checksum::Algorithm;
use crate::error::{internal, malformed_xml};
use crate::wire::etag_value;

/// The fewest bytes of a part that is not the last (S3's documented limit).
const MIN_PART: u64 = 5 * 1024 * 1024;

/// Picks the parts that a request names, of those that were uploaded.
pub(super) fn pick(uploaded: &[Part], named: &[CompletedPart]) -> Result<Vec<Part>, AwsError> {
    if named.is_empty() || named.len() > MAX_PART as usize {
        return Err(malformed_xml());
    }
    let mut picked: Vec<Part> = Vec::with_capacity(named.len());
    for wanted in named {
        let number = wanted.part_number.and_then(|number| u32::try_from(number).ok());
        let number = number.ok_or_else(malformed_xml)?;
        if picked.last().is_some_and(|last| last.number >= number) {
            return Err(AwsError::new(
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            ));
        }
        let found = uploaded
            .binary_search_by_key(&number, |part| part.number)
            .ok()
            .and_then(|at| uploaded.get(at))
            .filter(|part| is_meant(part, wanted));
        picked.push(found.cloned().ok_or_else(invalid_part)?);
    }
    let (_, all_but_last) = picked.split_last().ok_or_else(malformed_xml)?;
    if all_but_last.iter().any(|part| part.piece.size < MIN_PART) {
        return Err(AwsError::new(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    Ok(picked)
}

fn is_meant(part: &Part, wanted: &CompletedPart) -> bool {
    let same_etag = wanted
        .e_tag
        .as_ref()
        .is_some_and(|etag| etag_value(etag) == part.etag);
    let sums = [
        (Algorithm::Crc32, &wanted.checksum_crc32),
        (Algorithm::Crc32c, &wanted.checksum_crc32c),
        (Algorithm::Crc64Nvme, &wanted.checksum_crc64nvme),
        (Algorithm::Sha1, &wanted.checksum_sha1),
        (Algorithm::Sha256, &wanted.checksum_sha256),
    ];
    let same_sums = sums.into_iter().all(|(algorithm, wanted)| {
        let Some(wanted) = wanted else { return true };
        let has = |sum: &Checksum| sum.algorithm == algorithm.as_str() && sum.value == *wanted;
        part.checksum.as_ref().is_some_and(has)
    });
    same_etag && same_sums
}

fn invalid_part() -> AwsError {
    AwsError::new(
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
         specified entity tag may not match the part's entity tag.",
    )
}

/// The ETag of an object of parts: the MD5 of their MD5s, and how many there are.
pub(super) fn etag_of<'a>(parts: impl Iterator<Item = &'a str>) -> Result<String, hex::FromHexError> {
    let mut md5 = Md5::new();
    let mut count = 0;
    for part in parts {
        md5.update(&hex::decode(part)?);
        count += 1;
    }
    Ok(format!("{}-{count}", hex::encode(md5.finalize().as_ref())))
}

/// The checksum of an object of parts: of their checksums, or of all bytes.
pub(super) fn checksum_of(parts: &[Part], object: &UploadedObject) -> Result<Option<Checksum>, AwsError> {
    let algorithm = object.checksum.as_deref().map(Algorithm::named).transpose()?;
    let algorithm = algorithm.unwrap_or(Algorithm::Crc64Nvme);
    let mut sums = Vec::with_capacity(parts.len());
    for part in parts {
        let sum = part
            .checksum
            .as_ref()
            .filter(|sum| sum.algorithm == algorithm.as_str());
        let Some(sum) = sum else { return Ok(None) };
        let bytes = BASE64_STANDARD.decode(&sum.value).map_err(internal)?;
        sums.push((bytes, part.piece.size));
    }
    let value = if object.composite {
        let mut hasher = algorithm.hasher();
        sums.iter().for_each(|(sum, _)| hasher.update(sum));
        format!("{}-{}", hasher.finish(), parts.len())
    } else {
        match whole(algorithm, &sums) {
            Some(sum) => sum,
            None => return Ok(None),
        }
    };
    Ok(Some(Checksum {
        algorithm: algorithm.as_str().to_owned(),
        value,
        composite: object.composite,
    }))
}

/// Puts the sums of parts together to that of all bytes, which only cyclic ones allow.
fn whole(algorithm: Algorithm, sums: &[(Vec<u8>, u64)]) -> Option<String> {
    let (kind, length) = match algorithm {
        Algorithm::Crc32 => (CrcAlgorithm::Crc32IsoHdlc, 4),
        Algorithm::Crc32c => (CrcAlgorithm::Crc32Iscsi, 4),
        Algorithm::Crc64Nvme => (CrcAlgorithm::Crc64Nvme, 8),
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut numbers = sums.iter().map(|(bytes, size)| (number(bytes), *size));
    let (first, _) = numbers.next()?;
    let sum = numbers.fold(first, |sum, (next, size)| checksum_combine(kind, sum, next, size));
    let bytes = sum.to_be_bytes();
    Some(BASE64_STANDARD.encode(bytes.get(8 - length..)?))
}

#[cfg(test)]
mod tests {
    use drawbridge_store::{Piece, Sealing};
    use jiff::Timestamp;
    use s3s::dto::ETag;

    use super::*;

    fn part(number: u32, bytes: &[u8], size: u64, algorithm: Algorithm) -> Part {
        let mut hasher = algorithm.hasher();
        hasher.update(bytes);
        Part {
            number,
            modified_at: Timestamp::UNIX_EPOCH,
            etag: hex::encode(Md5::checksum(bytes).as_ref()),
            piece: Piece {
                blob: number.to_string(),
                size,
                sealing: Sealing::Root(String::new()),
            },
            checksum: Some(Checksum {
                algorithm: algorithm.as_str().to_owned(),
                value: hasher.finish(),
                composite: false,
            }),
        }
    }

    fn named(part: &Part) -> CompletedPart {
        CompletedPart {
            e_tag: Some(ETag::Strong(part.etag.clone())),
            part_number: i32::try_from(part.number).ok(),
            ..CompletedPart::default()
        }
    }

    #[test]
    fn the_sum_of_the_whole_is_that_of_the_parts_put_together() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let pieces: [&[u8]; 3] = [b"some", b"thing in ", b"parts"];
            let parts: Vec<_> = (1..)
                .zip(pieces)
                .map(|(number, bytes)| part(number, bytes, bytes.len() as u64, algorithm))
                .collect();
            let object = UploadedObject {
                checksum: Some(algorithm.as_str().to_owned()),
                ..UploadedObject::default()
            };
            let mut whole = algorithm.hasher();
            whole.update(&pieces.concat());
            let sum = checksum_of(&parts, &object)
                .expect("put together")
                .expect("a sum");
            assert_eq!(sum.value, whole.finish(), "{algorithm:?}");
        }
    }

    #[test]
    fn parts_are_picked_in_order_by_their_etags_and_only_the_last_is_short() {
        let long = |number, bytes: &[u8]| part(number, bytes, MIN_PART, Algorithm::Crc32);
        let uploaded = [long(1, b"a"), long(3, b"b"), part(7, b"c", 1, Algorithm::Crc32)];
        let all: Vec<_> = uploaded.iter().map(named).collect();
        assert_eq!(pick(&uploaded, &all).expect("all").len(), 3);
        let code = |named: &[CompletedPart]| pick(&uploaded, named).expect_err("refused").code().to_owned();
        assert_eq!(code(&[]), "MalformedXML");
        assert_eq!(code(&[all[1].clone(), all[0].clone()]), "InvalidPartOrder");
        assert_eq!(code(&[all[0].clone(), all[0].clone()]), "InvalidPartOrder");
        let mut other = all[0].clone();
        other.part_number = Some(2);
        assert_eq!(code(&[other]), "InvalidPart");
        let mut other = all[0].clone();
        other.e_tag = all[1].e_tag.clone();
        assert_eq!(code(&[other]), "InvalidPart");
        let mut other = all[0].clone();
        other.checksum_crc32 = Some("AAAAAA==".to_owned());
        assert_eq!(code(&[other]), "InvalidPart");
        let mut far = all[2].clone();
        far.part_number = Some(7);
        let short = [part(1, b"s", 5, Algorithm::Crc32), uploaded[2].clone()];
        let both: Vec<_> = short.iter().map(named).collect();
        let error = pick(&short, &both).expect_err("too short");
        assert_eq!(error.code(), "EntityTooSmall");
    }
}
