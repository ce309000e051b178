//! From a core module to a component, and what a plugin must be.

use malla_contract::{ComponentError, Contract, Import, embed, exports, imports};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

use crate::error::ToolchainError;

/// All that a plugin can call.
const LOG: &str = "malla:plugin/log@0.1.0";

/// Interfaces of types only, which every plugin imports and nobody can call.
const TYPES: [&str; 2] = ["malla:plugin/columns@0.1.0", "malla:plugin/types@0.1.0"];

/// What a plugin exports whose contract declares functions.
const CALL: &str = "call";

/// A plugin's component with its contract in it.
pub(crate) fn of_plugin(
    name: &str,
    core: &[u8],
    contract: &Contract,
    yaml: &str,
) -> Result<Vec<u8>, ToolchainError> {
    if !has_world(core) {
        return Err(ToolchainError::NoPlugin(name.to_owned()));
    }
    let component = of_module(name, core)?;
    has_functions(&component, contract)?;
    match calls(&component)?.into_iter().find(|import| import != LOG) {
        Some(foreign) => Err(ToolchainError::ForeignImport(foreign.escape_debug().to_string())),
        None => Ok(embed(&component, yaml)?),
    }
}

/// Whether the functions that a contract declares can be called.
pub(crate) fn has_functions(component: &[u8], contract: &Contract) -> Result<(), ToolchainError> {
    match contract.functions.first() {
        Some(first) if !exports(component)?.iter().any(|name| name == CALL) => {
            Err(ToolchainError::NoFunctions(first.name.clone()))
        }
        _ => Ok(()),
    }
}

/// What a component may call of its host. Types that it takes from there are left out: nobody can call a type.
pub(crate) fn calls(component: &[u8]) -> Result<Vec<String>, ComponentError> {
    let callable = |import: &Import| !import.is_type && !TYPES.contains(&import.name.as_str());
    let imports = imports(component)?.into_iter();
    Ok(imports.filter(callable).map(|import| import.name).collect())
}

/// A component of a core module, validated.
pub(crate) fn of_module(name: &str, core: &[u8]) -> Result<Vec<u8>, ToolchainError> {
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(core)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| ToolchainError::Componentize {
        name: name.to_owned(),
        reason: format!("{error:#}"),
    })
}

/// Whether a module says, as `wit-bindgen` makes it, which world it was written for.
fn has_world(core: &[u8]) -> bool {
    Parser::new(0).parse_all(core).any(|payload| {
        matches!(payload, Ok(Payload::CustomSection(section)) if section.name().starts_with("component-type"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plugin_is_said() {
        let empty = b"\0asm\x01\0\0\0";
        let contract = Contract::parse(include_str!("../../../plugins/ventas/contract.yaml")).unwrap();
        let error = of_plugin("prueba", empty, &contract, "").unwrap_err();
        assert!(matches!(error, ToolchainError::NoPlugin(_)), "{error}");
        let error = of_module("prueba", b"text").unwrap_err();
        assert!(matches!(error, ToolchainError::Componentize { .. }), "{error}");
    }
}
