//! What no single operation shows: keys, decisions, versions, locks and listings.

mod answers;
mod copies;
mod decisions;
mod encryption;
mod keys;
mod lifecycle;
mod listings;
mod locks;
mod reserve;
mod settings;
mod tags;
mod uploads;
mod versions;
