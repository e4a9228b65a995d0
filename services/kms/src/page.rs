//! Pages: a marker names the operation and the last item of the page before.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use drawbridge_aws_dialects::error::AwsError;
use serde::Deserialize;
use serde_json::{Value, json};

/// What a request says about pages.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Paging {
    limit: Option<u32>,
    marker: Option<String>,
}

/// Where a page begins, and how long it may be.
pub(crate) struct Page {
    operation: &'static str,
    after: Option<String>,
    limit: u32,
}

const DEFAULT: u32 = 100;
const MOST: u32 = 1000;

/// Markers of ours are shorter, which is also the model's limit.
const MAX_MARKER_LENGTH: usize = 1024;

impl Paging {
    /// Reads where the page begins.
    pub(crate) fn page(self, operation: &'static str) -> Result<Page, AwsError> {
        let after = match self.marker.as_deref() {
            None => None,
            Some(marker) => Some(read(operation, marker).ok_or_else(|| {
                AwsError::new(
                    "InvalidMarkerException",
                    "The marker is not one of this operation.",
                )
            })?),
        };
        Ok(Page {
            operation,
            after,
            limit: self.limit.unwrap_or(DEFAULT).clamp(1, MOST),
        })
    }
}

impl Page {
    /// Returns the last item of the page before.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Returns how many items to look for: one more than the page holds tells whether another page follows.
    pub(crate) fn wanted(&self) -> u32 {
        self.limit + 1
    }

    /// Cuts a whole list that is in the order of its names.
    pub(crate) fn cut<T>(&self, items: Vec<T>, name: impl Fn(&T) -> String) -> Vec<T> {
        let after = self.after();
        let rest = items
            .into_iter()
            .filter(|item| after.is_none_or(|after| name(item).as_str() > after));
        rest.take(self.wanted() as usize).collect()
    }

    /// Writes an answer from the items that were found, [`Page::wanted`] at most.
    pub(crate) fn answer<T>(
        self,
        member: &str,
        mut items: Vec<T>,
        name: impl Fn(&T) -> String,
        shown: impl Fn(&T) -> Value,
    ) -> Value {
        let more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        let mut answer = json!({"Truncated": more});
        answer[member] = items.iter().map(shown).collect();
        if let Some(last) = items.last().filter(|_| more) {
            let marker = format!("1 {} {}", self.operation, name(last));
            answer["NextMarker"] = json!(BASE64_URL_SAFE_NO_PAD.encode(marker));
        }
        answer
    }
}

fn read(operation: &str, marker: &str) -> Option<String> {
    if marker.len() > MAX_MARKER_LENGTH {
        return None;
    }
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(marker).ok()?).ok()?;
    let last = text
        .strip_prefix("1 ")?
        .strip_prefix(operation)?
        .strip_prefix(' ')?;
    Some(last.to_owned())
}
