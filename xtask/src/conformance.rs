//! `cargo xtask conformance`.
