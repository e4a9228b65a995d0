//! Whole sessions through the relay: the real cores of both ends over sockets in memory, a real store, and a journal on
//! a disk that can fail.

mod encryption;
mod endings;
mod flows;
mod nodes;
mod orders;
mod peers;
mod restarts;
mod shells;
mod world;
