//! The life of one batch, start to end.
