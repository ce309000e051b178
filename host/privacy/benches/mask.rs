//! Masks, measured.
fn main() {}
