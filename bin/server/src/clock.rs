//! The real clock, in the shape that each part asks for.

use std::sync::Arc;

use drawbridge_aws_client::Now;
use drawbridge_session::{Clock as _, SystemClock};

/// The wall clock, for signatures.
pub(crate) fn now() -> Now {
    let clock = SystemClock::new();
    Arc::new(move || clock.now())
}
