//! The tables of `odcs` against the JSON schema of the standard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::odcs;
use super::shape::{Object, Shape};

const SCHEMA: &str = include_str!("../../schema/odcs-json-schema-v3.1.0.json");

/// Fields by name, with whether they are required and their words, if they are an enumeration.
type Fields = BTreeMap<String, (bool, BTreeSet<String>)>;

fn fields_of_table(objects: &[&Object]) -> Fields {
    let mut fields = Fields::new();
    for field in objects.iter().flat_map(|object| object.fields) {
        let words: &[&str] = match field.shape {
            Shape::Words(words) => words,
            _ => &[],
        };
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        assert!(
            fields
                .insert(field.name.into(), (field.required, words))
                .is_none(),
            "{} twice",
            field.name
        );
    }
    fields
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// The fields of a definition, with those that it takes over unconditionally.
fn fields_of_schema(schema: &Value, definition: &Value) -> Fields {
    let mut fields = Fields::new();
    if let Some(name) = definition["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        fields.extend(fields_of_schema(schema, schema.pointer(pointer).unwrap()));
    }
    for part in definition["allOf"].as_array().into_iter().flatten() {
        fields.extend(fields_of_schema(schema, part));
    }
    for (name, field) in definition["properties"].as_object().into_iter().flatten() {
        fields.insert(name.clone(), (false, texts(&field["enum"])));
    }
    for name in texts(&definition["required"]) {
        if let Some(field) = fields.get_mut(&name) {
            field.0 = true;
        }
    }
    fields
}

#[test]
fn tables_are_those_of_the_standard() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let top = fields_of_schema(&schema, &schema);
    let mut contract = fields_of_table(&[&odcs::CONTRACT]);
    // Checked apart: the standard's schema also takes contracts of older versions.
    contract.get_mut("apiVersion").unwrap().1 = top["apiVersion"].1.clone();
    assert_eq!(contract, top);
    let mut column = fields_of_schema(&schema, &schema["$defs"]["SchemaProperty"]);
    // The reader of types knows these, and more about them; nested columns come in by conditions.
    column.get_mut("logicalType").unwrap().1.clear();
    for nested in ["properties", "items"] {
        column.insert(nested.into(), Default::default());
    }
    assert_eq!(fields_of_table(&[&odcs::COLUMN]), column);
    for (definition, objects) in [
        ("SchemaObject", vec![&odcs::TABLE]),
        ("DataQuality", vec![&odcs::QUALITY]),
        ("DataQualityLibrary", vec![&odcs::QUALITY_LIBRARY]),
        ("DataQualitySql", vec![&odcs::QUALITY_SQL]),
        ("DataQualityCustom", vec![&odcs::QUALITY_CUSTOM]),
        ("CustomProperty", vec![&odcs::CUSTOM_PROPERTY]),
        ("SupportItem", vec![&odcs::SUPPORT]),
        ("Pricing", vec![&odcs::PRICE]),
        ("Team", vec![&odcs::TEAM]),
        ("TeamMember", vec![&odcs::TEAM_MEMBER]),
        ("Role", vec![&odcs::ROLE]),
        ("ServiceLevelAgreementProperty", vec![&odcs::SLA]),
        ("Server", vec![&odcs::SERVER]),
    ] {
        let mut known = fields_of_schema(&schema, &schema["$defs"][definition]);
        if definition == "Server" {
            // Its words are the list of server types.
            let kinds: BTreeSet<String> = odcs::SERVERS
                .iter()
                .map(|server| server.kind.to_owned())
                .collect();
            assert_eq!(std::mem::take(&mut known.get_mut("type").unwrap().1), kinds);
        }
        assert_eq!(fields_of_table(&objects), known, "{definition}");
    }
    let description = fields_of_schema(&schema, &schema["properties"]["description"]);
    assert_eq!(fields_of_table(&[&odcs::DESCRIPTION]), description);
    let definition = fields_of_schema(&schema, &schema["$defs"]["AuthoritativeDefinitions"]["items"]);
    assert_eq!(fields_of_table(&[&odcs::DEFINITION]), definition);
    let operators: BTreeSet<String> = schema["$defs"]["DataQualityOperators"]["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|operator| texts(&operator["required"]))
        .collect();
    assert_eq!(
        fields_of_table(&[&odcs::QUALITY_OPERATORS])
            .into_keys()
            .collect::<BTreeSet<_>>(),
        operators
    );
}

#[test]
fn servers_are_those_of_the_standard() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let kinds = schema["$defs"]["Server"]["allOf"].as_array().unwrap();
    assert_eq!(kinds.len(), odcs::SERVERS.len());
    for kind in kinds {
        let word = kind["if"]["properties"]["type"]["const"].as_str().unwrap();
        let server = odcs::SERVERS.iter().find(|server| server.kind == word).unwrap();
        let known = fields_of_schema(&schema, &kind["then"]);
        let required = |wanted: bool| -> BTreeSet<&str> {
            known
                .iter()
                .filter(|(_, field)| field.0 == wanted)
                .map(|(name, _)| name.as_str())
                .collect()
        };
        assert_eq!(
            server.must.iter().copied().collect::<BTreeSet<_>>(),
            required(true),
            "{word}"
        );
        assert_eq!(
            server.may.iter().copied().collect::<BTreeSet<_>>(),
            required(false),
            "{word}"
        );
    }
}

#[test]
fn options_are_those_of_the_standard() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let conditions = schema["$defs"]["SchemaBaseProperty"]["allOf"].as_array().unwrap();
    for condition in conditions.iter().filter(|condition| condition["if"].is_object()) {
        let one = [condition["if"].clone()];
        let kinds: Vec<&str> = condition["if"]["anyOf"]
            .as_array()
            .map_or(one.as_slice(), Vec::as_slice)
            .iter()
            .map(|any| any["properties"]["logicalType"]["const"].as_str().unwrap())
            .collect();
        let known = fields_of_schema(&schema, &condition["then"]["properties"]["logicalTypeOptions"]);
        let (_, object) = odcs::OPTIONS
            .iter()
            .find(|(own, _)| *own == kinds.as_slice())
            .unwrap();
        assert_eq!(fields_of_table(&[object]), known, "{kinds:?}");
    }
}
