use std::error::Error;

/// Says what the store was doing when it failed; the cause is in the source.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot {doing}")]
pub struct StoreError {
    doing: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Names what failed, to complete `the store cannot …`, and why.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            doing,
            source: source.into(),
        }
    }

    /// Returns a function that names what failed, for `map_err`.
    pub(crate) fn doing<E: Into<Box<dyn Error + Send + Sync>>>(
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::new(doing, source)
    }
}
