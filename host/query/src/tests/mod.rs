//! Tests of what queries see and what they cannot.

mod audit;
mod doors;
mod functions;
mod fuzz;
mod masks;
mod promised;
mod queries;
mod rows;
mod tokens;
mod world;
