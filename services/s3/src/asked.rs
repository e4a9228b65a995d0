//! What an operation is given: the call that a decision allowed, and what the request brought.

use drawbridge_session::{Call, Caller};
use http::HeaderMap;
use s3s::TrailingHeaders;

/// A call with its typed input.
#[derive(Debug)]
pub struct Asked<I> {
    /// Who calls, and what was decided.
    pub(crate) call: Call,
    /// What the request says, as the dialect reads it.
    pub(crate) input: I,
    /// The headers, for what the dialect leaves out.
    pub(crate) headers: HeaderMap,
    /// What comes behind a body in chunks.
    pub(crate) trailers: Option<TrailingHeaders>,
}

impl<I> Asked<I> {
    /// Returns who calls.
    pub(crate) fn caller(&self) -> &Caller {
        self.call.caller()
    }
}

/// What a request brought, before a decision makes it an [`Asked`].
#[derive(Debug)]
pub struct Took<I> {
    pub(crate) input: I,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: Option<TrailingHeaders>,
}

impl<I> Took<I> {
    /// Puts it beside the call.
    pub fn called(self, call: Call) -> Asked<I> {
        Asked {
            call,
            input: self.input,
            headers: self.headers,
            trailers: self.trailers,
        }
    }
}
