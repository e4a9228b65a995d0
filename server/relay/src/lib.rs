//! Joins the two ends of a session and journals what passes.

pub mod journal;
