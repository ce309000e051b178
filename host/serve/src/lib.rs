//! What a running host answers over HTTP. Only crate that knows axum.

mod admin;

pub use admin::{Admin, ServeError};
