//! What `wit/malla.wit` says, as Rust. Generated; nobody writes against it directly.

wit_bindgen::generate!({
    world: "plugin",
    path: "../../wit",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "malla_sdk::bindings",
    generate_unused_types: true,
});
