//! Lists in the order of names.

use std::sync::Arc;

use super::directory::{Directory, Record};

/// Which part of a list is wanted; the default is all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listing<'a> {
    /// What the paths begin with.
    pub path_prefix: Option<&'a str>,
    /// The name that the list goes on after, where an earlier part of it ended.
    pub after: Option<&'a str>,
}

impl Directory {
    pub(super) fn list<T: Record>(&self, listing: Listing<'_>) -> impl Iterator<Item = &Arc<T>> {
        let Listing { path_prefix, after } = listing;
        T::table(self)
            .after(after)
            .filter(move |entity| path_prefix.is_none_or(|prefix| entity.path().starts_with(prefix)))
    }
}
