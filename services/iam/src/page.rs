//! Pages: a marker names the operation and where the page before ended, and nothing else.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_session::iam::IamError;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::operation::Occasion;

/// What a request says about pages.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Paging {
    marker: Option<String>,
    max_items: Option<usize>,
}

/// Where a page begins, and how long it may be.
pub(crate) struct Cut<'a> {
    action: &'a str,
    after: Option<String>,
    most: usize,
}

/// Some items of a list, and the marker of what follows.
pub(crate) struct Part<T> {
    pub(crate) items: Vec<T>,
    pub(crate) marker: Option<String>,
}

/// A part of a list as answers have it: the items under their member, `IsTruncated` and `Marker`.
pub(crate) struct Page<T> {
    member: &'static str,
    part: Part<T>,
}

const DEFAULT_ITEMS: usize = 100;
const MOST_ITEMS: usize = 1000;

impl Paging {
    /// Reads where the page begins.
    pub(crate) fn cut<'a>(&self, at: &Occasion<'a>) -> Result<Cut<'a>, IamError> {
        let after = match &self.marker {
            None => None,
            Some(marker) => Some(read_marker(at.action, marker).ok_or_else(invalid_marker)?),
        };
        Ok(Cut {
            action: at.action,
            after,
            most: self.max_items.unwrap_or(DEFAULT_ITEMS).clamp(1, MOST_ITEMS),
        })
    }
}

impl Cut<'_> {
    /// Returns the key after which the page begins.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Cuts a list in the order of its keys: what is added or deleted between two pages moves nothing else.
    ///
    /// Keys are at most 150 bytes, so that markers stay within the 320 characters that requests may have.
    pub(crate) fn by_key<T>(&self, items: impl Iterator<Item = (String, T)>) -> Part<T> {
        let after = self.after();
        let mut items = items.skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after));
        let taken: Vec<_> = items.by_ref().take(self.most).collect();
        let last = taken.last().map(|(key, _)| key.clone());
        let marker = last.filter(|_| items.next().is_some());
        Part {
            marker: marker.map(|last| self.marker(&last)),
            items: taken.into_iter().map(|(_, item)| item).collect(),
        }
    }

    /// Cuts a short list that has an order of its own.
    pub(crate) fn by_place<T>(&self, items: impl Iterator<Item = T>) -> Result<Part<T>, IamError> {
        let seen = match self.after() {
            None => 0,
            Some(after) => after.parse().map_err(|_| invalid_marker())?,
        };
        let mut items = items.skip(seen);
        let taken: Vec<_> = items.by_ref().take(self.most).collect();
        let end = seen.saturating_add(taken.len());
        let marker = items.next().map(|_| self.marker(&end.to_string()));
        Ok(Part { items: taken, marker })
    }

    fn marker(&self, last: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("1 {} {last}", self.action))
    }
}

impl<T> Part<T> {
    /// Puts the items as something else.
    pub(crate) fn map<U>(self, put: impl FnMut(T) -> U) -> Part<U> {
        Part {
            items: self.items.into_iter().map(put).collect(),
            marker: self.marker,
        }
    }

    /// Names the member of the answer that holds the items.
    pub(crate) fn under(self, member: &'static str) -> Page<T> {
        Page { member, part: self }
    }
}

impl<T: Serialize> Serialize for Page<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Part { items, marker } = &self.part;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.member, items)?;
        map.serialize_entry("IsTruncated", &marker.is_some())?;
        if let Some(marker) = marker {
            map.serialize_entry("Marker", marker)?;
        }
        map.end()
    }
}

fn read_marker(action: &str, marker: &str) -> Option<String> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
    let last = text.strip_prefix("1 ")?.strip_prefix(action)?.strip_prefix(' ')?;
    Some(last.to_owned())
}

fn invalid_marker() -> IamError {
    IamError::ValidationError("Invalid Marker.".to_owned())
}
