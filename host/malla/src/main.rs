//! The malla command.
fn main() {}
