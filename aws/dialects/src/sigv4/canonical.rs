//! The canonical form of a request, the same for signing and checking.
