//! What no single operation shows: keys, decisions, versions, locks and listings.

mod decisions;
mod keys;
mod listings;
mod locks;
mod versions;
