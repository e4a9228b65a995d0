//! The gateway over real TLS, with a real store, journal and relay behind it.

mod audit;
mod bodies;
mod certificates;
mod channels;
mod connections;
mod lab;
mod opening;
mod requests;
