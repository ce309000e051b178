//! Types of `malla.wit` as Rust, made from the WIT itself so that the two cannot differ.

wasmtime::component::bindgen!({
    world: "plugin",
    path: "../../wit",
    // What goes in is borrowed from the batch; what comes out is owned.
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(crate) use self::malla::plugin::{columns, types};
