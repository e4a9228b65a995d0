//! Signatures made by others are accepted, and nothing else is.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what cannot be set up should stop it"
)]

mod accepted;
mod fixture;
mod mutated;
mod observed;
mod refused;
mod signed;
