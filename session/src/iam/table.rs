//! Entities of one kind by their folded name.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::names::{FoldedName, fold};

/// Shared entities in the order of their names; a clone shares everything until one side changes.
#[derive(Debug, PartialEq)]
pub(super) struct Table<T>(Arc<BTreeMap<FoldedName, Arc<T>>>);

impl<T> Table<T> {
    pub(super) fn insert(&mut self, name: FoldedName, entity: Arc<T>) -> Option<Arc<T>> {
        Arc::make_mut(&mut self.0).insert(name, entity)
    }

    pub(super) fn remove(&mut self, name: &FoldedName) -> Option<Arc<T>> {
        Arc::make_mut(&mut self.0).remove(name)
    }

    /// Finds an entity whatever the case of its name.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<T>> {
        self.0.get(fold(name).as_ref())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.values()
    }

    /// Iterates over what follows a name, which need not be there.
    pub(super) fn after(&self, name: Option<&str>) -> impl Iterator<Item = &Arc<T>> {
        let start = name.map_or(Bound::Unbounded, |name| Bound::Excluded(FoldedName::new(name)));
        self.0.range((start, Bound::Unbounded)).map(|(_, entity)| entity)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}
