//! A contract inside a component: the custom section `malla:contract`, at the top level. Bytes are only walked over;
//! nothing of a guest is compiled or run.

use std::borrow::Cow;
use std::ops::Range;

use wasm_encoder::{ComponentSection, CustomSection};
use wasmparser::{Chunk, ComponentExternName, ComponentTypeRef, Encoding, Parser, Payload, TypeBounds};

use crate::yaml::MAX_BYTES;

/// Name of the custom section.
pub const SECTION: &str = "malla:contract";

/// Why a contract could not be put into, or read from, a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The bytes do not start as WebAssembly does.
    #[error("not a WebAssembly file: make one with `malla plugin build`")]
    NotWasm,
    /// A module, which has no place for a contract that the host would trust.
    #[error("a core WebAssembly module, not a component: use `malla plugin build`, which makes one of it")]
    CoreModule,
    /// The sections do not add up.
    #[error("malformed component at byte {offset}: {reason}: build it again with `malla plugin build`")]
    Malformed {
        /// Where, in bytes from the start.
        offset: u64,
        /// What the reader says.
        reason: String,
    },
    /// A component from elsewhere.
    #[error(
        "no section `malla:contract` in the component: build it with `malla plugin build`, which embeds the contract"
    )]
    NoContract,
    /// Two readers could each take another one.
    #[error("two sections `malla:contract` in the component: build it again with `malla plugin build`")]
    TwoContracts,
    /// Longer than a contract may be.
    #[error("the contract is larger than 1 MiB: it describes data, it does not hold any")]
    TooLarge,
    /// The section is there, and no text.
    #[error("the section `malla:contract` is not UTF-8: build the component again with `malla plugin build`")]
    NotUtf8,
}

/// A component with this contract in it, in place of any that it has. The text is not checked:
/// [`Contract::parse`](crate::Contract::parse) first.
///
/// # Errors
/// When the bytes are no component, or the text is too large.
pub fn embed(component: &[u8], yaml: &str) -> Result<Vec<u8>, ComponentError> {
    if yaml.len() > MAX_BYTES {
        return Err(ComponentError::TooLarge);
    }
    let mut embedded = Vec::with_capacity(component.len().saturating_add(yaml.len()).saturating_add(64));
    let mut copied = 0;
    walk(component, |range, payload| {
        if contract_of(&payload).is_some() {
            embedded.extend_from_slice(component.get(copied..range.start).unwrap_or_default());
            copied = range.end;
        }
        Ok(())
    })?;
    embedded.extend_from_slice(component.get(copied..).unwrap_or_default());
    let section = CustomSection {
        name: Cow::Borrowed(SECTION),
        data: Cow::Borrowed(yaml.as_bytes()),
    };
    section.append_to_component(&mut embedded);
    Ok(embedded)
}

/// The contract's text in a component.
///
/// # Errors
/// When the bytes are no component, or do not hold exactly one contract of at most 1 MiB of UTF-8.
pub fn extract(component: &[u8]) -> Result<String, ComponentError> {
    let mut found = None;
    walk(component, |_, payload| {
        let Some(data) = contract_of(&payload) else {
            return Ok(());
        };
        if found.replace(data).is_some() {
            return Err(ComponentError::TwoContracts);
        }
        Ok(())
    })?;
    let data = found.ok_or(ComponentError::NoContract)?;
    if data.len() > MAX_BYTES {
        return Err(ComponentError::TooLarge);
    }
    std::str::from_utf8(data)
        .map(str::to_owned)
        .map_err(|_| ComponentError::NotUtf8)
}

/// Something that a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its full name. It comes from outside: show it escaped.
    pub name: String,
    /// It is the name of a type, which nobody can call.
    pub is_type: bool,
}

/// What a component imports, in its order: what it could reach of the host.
///
/// # Errors
/// When the bytes are no component.
pub fn imports(component: &[u8]) -> Result<Vec<Import>, ComponentError> {
    let mut found = Vec::new();
    walk(component, |_, payload| {
        if let Payload::ComponentImportSection(imports) = payload {
            for import in imports {
                let import = import.map_err(malformed)?;
                let ComponentExternName {
                    name,
                    version_suffix,
                    implements,
                    ..
                } = import.name;
                // With `implements`, the suffix is that interface's.
                let suffix = version_suffix
                    .filter(|_| implements.is_none())
                    .unwrap_or_default();
                found.push(Import {
                    name: format!("{name}{suffix}"),
                    is_type: matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))),
                });
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// What a component exports, by name: what a host can ask of it.
///
/// # Errors
/// When the bytes are no component.
pub fn exports(component: &[u8]) -> Result<Vec<String>, ComponentError> {
    let mut found = Vec::new();
    walk(component, |_, payload| {
        if let Payload::ComponentExportSection(exports) = payload {
            for export in exports {
                found.push(export.map_err(malformed)?.name.name.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(found)
}

fn contract_of<'a>(payload: &Payload<'a>) -> Option<&'a [u8]> {
    match payload {
        Payload::CustomSection(section) if section.name() == SECTION => Some(section.data()),
        _ => None,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn malformed(error: wasmparser::BinaryReaderError) -> ComponentError {
    ComponentError::Malformed {
        offset: u64::try_from(error.offset()).unwrap_or(u64::MAX),
        reason: error.message().to_owned(),
    }
}

/// Visits the top-level sections of a component with the bytes that each takes. Nested modules and components are
/// stepped over.
fn walk<'a>(
    component: &'a [u8],
    mut visit: impl FnMut(Range<usize>, Payload<'a>) -> Result<(), ComponentError>,
) -> Result<(), ComponentError> {
    if !component.starts_with(b"\0asm") {
        return Err(ComponentError::NotWasm);
    }
    let truncated = |at: usize| ComponentError::Malformed {
        offset: u64::try_from(at).unwrap_or(u64::MAX),
        reason: "unexpected end".to_owned(),
    };
    let mut parser = Parser::new(0);
    let mut at: usize = 0;
    loop {
        let rest = component.get(at..).ok_or_else(|| truncated(at))?;
        let (consumed, payload) = match parser.parse(rest, true).map_err(malformed)? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            Chunk::NeedMoreData(_) => return Err(truncated(at)),
        };
        let mut end = at.saturating_add(consumed);
        match &payload {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } => return Err(ComponentError::CoreModule),
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => {
                let nested = unchecked_range.end.saturating_sub(unchecked_range.start);
                end = end.saturating_add(nested);
                if end > component.len() {
                    return Err(truncated(component.len()));
                }
            }
            Payload::End(_) => return Ok(()),
            _ => {}
        }
        visit(at..end, payload)?;
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wasm_encoder::{
        Component, ComponentImportSection, ComponentTypeRef, ComponentTypeSection, Module, ModuleSection,
        NestedComponentSection,
    };

    use super::*;

    fn custom(name: &'static str, data: &'static [u8]) -> CustomSection<'static> {
        CustomSection {
            name: name.into(),
            data: data.into(),
        }
    }

    /// A component that imports `malla:plugin/log@0.1.0`, with a module and a component inside that hold decoys.
    fn component() -> Component {
        let mut component = Component::new();
        let mut types = ComponentTypeSection::new();
        types.instance(&wasm_encoder::InstanceType::new());
        component.section(&types);
        let mut imports = ComponentImportSection::new();
        imports.import("malla:plugin/log@0.1.0", ComponentTypeRef::Instance(0));
        component.section(&imports);
        let mut module = Module::new();
        module.section(&custom(SECTION, b"decoy in a module"));
        component.section(&ModuleSection(&module));
        let mut nested = Component::new();
        nested.section(&custom(SECTION, b"decoy in a component"));
        component.section(&NestedComponentSection(&nested));
        component.section(&custom("name", b""));
        component
    }

    #[test]
    fn what_is_embedded_is_extracted() {
        let bare = component().finish();
        assert_eq!(extract(&bare), Err(ComponentError::NoContract));
        let once = embed(&bare, "first: 1").unwrap();
        assert_eq!(extract(&once).unwrap(), "first: 1");
        assert!(once.starts_with(&bare));
        let twice = embed(&once, "second: 2").unwrap();
        assert_eq!(extract(&twice).unwrap(), "second: 2");
        assert_eq!(twice.len(), bare.len() + (once.len() - bare.len()) + 1);
        let log = Import {
            name: "malla:plugin/log@0.1.0".to_owned(),
            is_type: false,
        };
        assert_eq!(imports(&twice).unwrap(), [log]);
        wasmparser::Validator::new().validate_all(&twice).unwrap();
    }

    #[test]
    fn embedding_replaces_wherever_the_old_one_stands() {
        let mut component = Component::new();
        component
            .section(&custom(SECTION, b"old"))
            .section(&custom("a", b"kept"));
        component
            .section(&custom(SECTION, b"older"))
            .section(&custom("b", b"kept"));
        let old = component.finish();
        assert_eq!(extract(&old), Err(ComponentError::TwoContracts));
        let mut expected = Component::new();
        expected
            .section(&custom("a", b"kept"))
            .section(&custom("b", b"kept"))
            .section(&custom(SECTION, b"new"));
        assert_eq!(embed(&old, "new").unwrap(), expected.finish());
    }

    #[test]
    fn what_is_no_component_is_named() {
        assert_eq!(extract(b"hello"), Err(ComponentError::NotWasm));
        assert_eq!(extract(b""), Err(ComponentError::NotWasm));
        let mut module = Module::new();
        module.section(&custom(SECTION, b"yaml"));
        let module = module.finish();
        assert_eq!(extract(&module), Err(ComponentError::CoreModule));
        assert_eq!(embed(&module, "x"), Err(ComponentError::CoreModule));
        assert_eq!(imports(&module), Err(ComponentError::CoreModule));
        let whole = embed(&component().finish(), "text").unwrap();
        let cut = &whole[..whole.len() - 2];
        assert!(
            matches!(extract(cut), Err(ComponentError::Malformed { .. })),
            "{:?}",
            extract(cut)
        );
    }

    #[test]
    fn bounds_hold() {
        let bare = component().finish();
        let long = "x".repeat(MAX_BYTES + 1);
        assert_eq!(embed(&bare, &long), Err(ComponentError::TooLarge));
        let mut large = component();
        large.section(&CustomSection {
            name: SECTION.into(),
            data: long.as_bytes().into(),
        });
        assert_eq!(extract(&large.finish()), Err(ComponentError::TooLarge));
        let mut bad = component();
        bad.section(&custom(SECTION, b"\xff\xfe"));
        assert_eq!(extract(&bad.finish()), Err(ComponentError::NotUtf8));
    }

    fn never_panics(bytes: &[u8]) {
        let _ = (
            extract(bytes),
            imports(bytes),
            exports(bytes),
            embed(bytes, "x: 1"),
        );
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            never_panics(&bytes);
            never_panics(&[b"\0asm\x0d\0\x01\0", bytes.as_slice()].concat());
        }

        #[test]
        fn any_change_of_a_component(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut bytes = embed(&component().finish(), "first: 1").unwrap();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            never_panics(&bytes);
        }

        #[test]
        fn any_cut_of_a_component(end in any::<prop::sample::Index>()) {
            let bytes = embed(&component().finish(), "first: 1").unwrap();
            never_panics(&bytes[..end.index(bytes.len())]);
        }

        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let embedded = embed(&component().finish(), &text).unwrap();
            prop_assert_eq!(extract(&embedded).unwrap(), text);
        }
    }
}
