//! What a component may ask of the host: read from its bytes, before anything is compiled.

use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

use crate::LoadError;

/// All that a plugin can call.
pub(crate) const LOG: &str = "malla:plugin/log@0.1.0";

/// Interfaces of types only. The linker offers nothing under these names, so a function there finds no answer.
const TYPES: [&str; 2] = ["malla:plugin/columns@0.1.0", "malla:plugin/types@0.1.0"];

/// Reads the names of the imports, and refuses those that are not the plugin's to have.
pub(crate) fn check(component: &[u8]) -> Result<(), LoadError> {
    let mut forbidden = Vec::new();
    // Components and modules inside this one get their imports from it, so only the outermost level counts.
    let mut depth = 0_usize;
    let mut is_component = false;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(|error| LoadError::Invalid {
            reason: error.message().to_owned(),
        })? {
            Payload::Version { encoding, .. } if depth == 0 => is_component = encoding == Encoding::Component,
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth = depth.saturating_add(1)
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    let import = import.map_err(|error| LoadError::Invalid {
                        reason: error.message().to_owned(),
                    })?;
                    // The types that the world uses: nobody can call a type.
                    if matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                        continue;
                    }
                    let name = import.name.name;
                    if name != LOG && !TYPES.contains(&name) {
                        forbidden.push(crate::text::clip(name, 128));
                    }
                }
            }
            _ => {}
        }
    }
    if !is_component {
        return Err(LoadError::NotAComponent);
    }
    if forbidden.is_empty() {
        Ok(())
    } else {
        Err(LoadError::ForbiddenImports { names: forbidden })
    }
}
