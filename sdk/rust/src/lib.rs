//! Write a Malla plugin step as plain Rust over columns.
