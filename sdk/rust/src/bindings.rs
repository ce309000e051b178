//! What `wit/malla.wit` says, as Rust. Generated; nobody writes against it directly.

wit_bindgen::generate!({
    world: "plugin",
    path: "../../wit",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "malla_sdk::bindings",
    generate_unused_types: true,
});

/// The export that only plugins with functions have.
pub mod functions {
    wit_bindgen::generate!({
        world: "functions",
        path: "../../wit",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "malla_sdk::bindings::functions",
        with: { "malla:plugin/columns@0.1.0": super::malla::plugin::columns },
    });
}
