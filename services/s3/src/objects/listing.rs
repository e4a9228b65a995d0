//! Pages of a listing: keys in order, those with a delimiter behind the prefix rolled up into one common prefix each.
//!
//! However many keys a common prefix has, it costs one seek: the scan goes on behind all of them.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::objects::Place;
use drawbridge_store::{KeyRange, ObjectVersion, Store};

use crate::error::{invalid_argument, of_store};

/// The most entries of a page (S3's documented limit), which is what a request gets that asks for no number.
const MAX_KEYS: i32 = 1000;

/// Which versions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The newest, without delete markers.
    Current,
    /// All, and delete markers.
    Versions,
}

/// What to list.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    pub(crate) which: Which,
    pub(crate) bucket: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    pub(crate) from: Mark,
    pub(crate) limit: usize,
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    Start,
    /// After a key with all its versions.
    After(Vec<u8>),
    /// After all keys that begin with something.
    AfterPrefix(Vec<u8>),
    /// After one version of a key.
    AfterVersion(Vec<u8>, i64),
}

/// A page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) versions: Vec<ObjectVersion>,
    pub(crate) prefixes: Vec<String>,
    /// The last entry, if there are more.
    pub(crate) last: Option<Last>,
}

/// The last entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Last {
    Version { key: String, version: String },
    Prefix(String),
}

impl Last {
    /// The key, or the common prefix.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Version { key, .. } => key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// Reads how many entries a page may have.
pub(crate) fn limit(max_keys: Option<i32>) -> Result<(usize, i32), AwsError> {
    let asked = max_keys.unwrap_or(MAX_KEYS);
    let limit = usize::try_from(asked.min(MAX_KEYS))
        .map_err(|_| invalid_argument("Argument maxKeys must be an integer between 0 and 2147483647"))?;
    Ok((limit, asked.min(MAX_KEYS)))
}

/// Whether keys are to be encoded.
pub(crate) fn url_encoding(encoding: Option<&s3s::dto::EncodingType>) -> Result<bool, AwsError> {
    match encoding.map(s3s::dto::EncodingType::as_str) {
        None => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err(invalid_argument("Invalid Encoding Method specified in Request")),
    }
}

/// The common prefix that a key is rolled up into.
pub(crate) fn rolled_up<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(prefix)?;
    let end = prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

/// Lists a page.
pub(crate) async fn list(store: &dyn Store, wanted: Wanted<'_>) -> Result<Page, AwsError> {
    let mut page = Page::default();
    if wanted.limit == 0 {
        return Ok(page);
    }
    let mut from = wanted.from.clone();
    loop {
        let left = wanted.limit - page.versions.len() - page.prefixes.len();
        // One more tells whether there are more.
        let ask = left.saturating_add(1);
        let found = fetch(store, &wanted, &from, ask).await?;
        let whole = found.len() < ask;
        for version in found {
            let rolled = rolled_up(&version.key, wanted.prefix, wanted.delimiter).map(str::to_owned);
            if rolled.is_some() && rolled.as_ref() == page.prefixes.last() {
                continue;
            }
            if page.versions.len() + page.prefixes.len() == wanted.limit {
                page.last = last(&page, &from);
                return Ok(page);
            }
            match rolled {
                Some(prefix) => {
                    from = Mark::AfterPrefix(prefix.clone().into_bytes());
                    page.prefixes.push(prefix);
                }
                None => {
                    from = match wanted.which {
                        Which::Current => Mark::After(version.key.clone().into_bytes()),
                        Which::Versions => {
                            Mark::AfterVersion(version.key.clone().into_bytes(), version.number)
                        }
                    };
                    page.versions.push(version);
                }
            }
        }
        if whole {
            return Ok(page);
        }
    }
}

/// The entry that the scan passed last.
fn last(page: &Page, from: &Mark) -> Option<Last> {
    match from {
        Mark::AfterPrefix(_) => page.prefixes.last().cloned().map(Last::Prefix),
        Mark::Start | Mark::After(_) | Mark::AfterVersion(..) => {
            page.versions.last().map(|last| Last::Version {
                key: last.key.clone(),
                version: last.version.clone(),
            })
        }
    }
}

async fn fetch(
    store: &dyn Store,
    wanted: &Wanted<'_>,
    from: &Mark,
    limit: usize,
) -> Result<Vec<ObjectVersion>, AwsError> {
    let after_prefix = match from {
        Mark::AfterPrefix(prefix) => successor(prefix),
        Mark::Start | Mark::After(_) | Mark::AfterVersion(..) => None,
    };
    let from = match (from, &after_prefix) {
        (Mark::Start, _) => Place::Start,
        (Mark::After(key), _) => Place::After(key),
        (Mark::AfterVersion(key, number), _) => Place::AfterVersion(key, *number),
        (Mark::AfterPrefix(_), Some(place)) => Place::At(place),
        (Mark::AfterPrefix(_), None) => return Ok(Vec::new()),
    };
    let range = KeyRange {
        bucket: wanted.bucket,
        prefix: wanted.prefix,
        from,
    };
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let found = match wanted.which {
        Which::Current => store.current_objects(range, limit).await,
        Which::Versions => store.object_versions(range, limit).await,
    };
    found.map_err(of_store)
}

/// The first bytes after all that begin with some; there are none after those that are all `ff`.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut after = prefix.get(..=last)?.to_vec();
    *after.last_mut()? += 1;
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::rolled_up;

    #[test]
    fn what_is_behind_the_delimiter_is_rolled_up() {
        for (key, prefix, delimiter, rolled) in [
            ("a/b/c", "", Some("/"), Some("a/")),
            ("a/b/c", "a/", Some("/"), Some("a/b/")),
            ("a/b", "a/", Some("/"), None),
            ("a/", "a/", Some("/"), None),
            ("a//b", "a/", Some("/"), Some("a//")),
            ("abcab", "", Some("ca"), Some("abca")),
            ("a/b", "", None, None),
            ("a/b", "", Some(""), None),
            ("ü/é", "", Some("/"), Some("ü/")),
        ] {
            assert_eq!(
                rolled_up(key, prefix, delimiter),
                rolled,
                "{key} {prefix} {delimiter:?}"
            );
        }
    }
}
