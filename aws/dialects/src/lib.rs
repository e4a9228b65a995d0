//! The AWS wire dialects that Drawbridge speaks: signatures, JSON 1.1, query XML, and the service models behind them.
//!
//! This crate owns how a request is signed and checked ([`sigv4`]), what an operation's input may look like
//! ([`model`], [`json11`], [`query`]) and how an answer or an error reads on each wire ([`error`], [`xml`]).
//! It refuses to know sockets, clocks, stores and principals: callers look secrets up, and pass the time in.

mod constraint;

pub mod error;
pub mod json11;
pub mod model;
pub mod query;
pub mod sigv4;
pub mod xml;
