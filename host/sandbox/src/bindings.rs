//! Types of `malla.wit` as Rust, made from the WIT itself so that the two cannot differ.

wasmtime::component::bindgen!({
    world: "plugin",
    path: "../../wit",
    // What goes in is borrowed from the batch; what comes out is owned.
    ownership: Borrowing { duplicate_if_necessary: true },
});

/// The export that not every plugin has.
pub(crate) mod functions {
    wasmtime::component::bindgen!({
        world: "functions",
        path: "../../wit",
        ownership: Borrowing { duplicate_if_necessary: true },
        with: { "malla:plugin/columns@0.1.0": super::malla::plugin::columns },
    });
}

pub(crate) use self::malla::plugin::{columns, types};
