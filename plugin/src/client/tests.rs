//! Whole sessions between a terminal and a server that live in memory, under a paused clock.

mod commands;
mod connections;
mod encryption;
mod keys;
mod life;
mod network;
mod peer;
mod signals;
mod stage;
mod throughput;
mod tunnels;
