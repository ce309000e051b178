//! Events against the schemas of OpenLineage that are in `tests/schemas`: core, and each facet by the schema that it names.
//!
//! A library for all of JSON Schema would build Arrow and DataFusion anew with other features, for one test. These schemas use
//! little of it; a keyword that is not known here fails the test.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::support::files;

const CORE: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json";

/// The schemas, by their ids.
pub(crate) struct Schemas(BTreeMap<String, Value>);

impl Schemas {
    pub(crate) fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/openlineage");
        let all = files(&folder);
        let all = all
            .iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "json"));
        let schemas = all.map(|file| {
            let schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            (schema["$id"].as_str().unwrap().to_owned(), schema)
        });
        let schemas = Self(schemas.collect());
        assert!(schemas.0.len() > 20);
        schemas
    }

    /// What is wrong with an event; empty: nothing.
    pub(crate) fn faults(&self, event: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(CORE, &self.0[CORE], event, "event", &mut faults);
        self.check(
            CORE,
            self.at(CORE, "#/$defs/RunEvent").1,
            event,
            "event",
            &mut faults,
        );
        self.facets(event, "event", &mut faults);
        faults
    }

    /// Looks for facets wherever they are, and holds each against the schema that it names.
    fn facets(&self, value: &Value, place: &str, faults: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let place = format!("{place}.{name}");
                    if matches!(name.as_str(), "facets" | "inputFacets" | "outputFacets") {
                        for (facet, value) in value.as_object().unwrap() {
                            self.facet(facet, value, &format!("{place}.{facet}"), faults);
                        }
                    } else {
                        self.facets(value, &place, faults);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.facets(item, place, faults)),
            _ => {}
        }
    }

    fn facet(&self, name: &str, value: &Value, place: &str, faults: &mut Vec<String>) {
        let Some(url) = value["_schemaURL"].as_str() else {
            return faults.push(format!("{place} names no schema"));
        };
        let (file, _) = url.split_once('#').unwrap();
        let Some(schema) = self.0.get(file) else {
            return faults.push(format!("{place} names a schema that is not there: {url}"));
        };
        // The name under which a facet stands is part of its schema.
        if file != CORE && schema["properties"].get(name).is_none() {
            faults.push(format!("{place} is no facet of {file}"));
        }
        let (base, schema) = self.at(file, url);
        self.check(base, schema, value, place, faults);
    }

    fn at<'a>(&'a self, base: &'a str, reference: &'a str) -> (&'a str, &'a Value) {
        let (file, pointer) = reference.split_once('#').unwrap();
        let file = if file.is_empty() { base } else { file };
        let schema = self.0.get(file).unwrap_or_else(|| panic!("no schema {file}"));
        let found = schema
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {reference}"));
        (file, found)
    }

    fn is_valid(&self, base: &str, schema: &Value, value: &Value) -> bool {
        let mut faults = Vec::new();
        self.check(base, schema, value, "", &mut faults);
        faults.is_empty()
    }

    fn check(&self, base: &str, schema: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        let schema = schema.as_object().unwrap();
        for (keyword, rule) in schema {
            let mut wrong = |what: String| faults.push(format!("{place}: {what}"));
            match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "description" | "example" | "documentation" | "deprecated" => {}
                "$ref" => {
                    let (base, schema) = self.at(base, rule.as_str().unwrap());
                    self.check(base, schema, value, place, faults);
                }
                "allOf" => {
                    for schema in rule.as_array().unwrap() {
                        self.check(base, schema, value, place, faults);
                    }
                }
                "anyOf" | "oneOf" => {
                    let valid = rule.as_array().unwrap().iter();
                    let valid = valid.filter(|schema| self.is_valid(base, schema, value)).count();
                    if valid == 0 || (keyword == "oneOf" && valid > 1) {
                        wrong(format!("{valid} of {keyword} fit"));
                    }
                }
                "not" => {
                    if self.is_valid(base, rule, value) {
                        wrong("fits what it must not".to_owned());
                    }
                }
                "type" => {
                    let fits = match rule.as_str().unwrap() {
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "boolean" => value.is_boolean(),
                        "integer" => value.is_i64() || value.is_u64(),
                        other => panic!("type {other}"),
                    };
                    if !fits {
                        wrong(format!("{value} is no {rule}"));
                    }
                }
                "enum" => {
                    if !rule.as_array().unwrap().contains(value) {
                        wrong(format!("{value} is none of {rule}"));
                    }
                }
                "required" => {
                    for name in rule.as_array().unwrap() {
                        if value.is_object() && value.get(name.as_str().unwrap()).is_none() {
                            wrong(format!("{name} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, schema) in rule.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.check(base, schema, value, &format!("{place}.{name}"), faults);
                        }
                    }
                }
                "additionalProperties" => self.additional(base, (schema, rule), value, place, faults),
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.check(base, rule, item, place, faults);
                    }
                }
                "minimum" => {
                    if value.as_i64() < rule.as_i64() {
                        wrong(format!("{value} is less than {rule}"));
                    }
                }
                "format" => {
                    if let Some(text) = value.as_str()
                        && !has_format(text, rule.as_str().unwrap())
                    {
                        wrong(format!("{text} is no {rule}"));
                    }
                }
                other => panic!("{place}: a keyword that is not known here: {other}"),
            }
        }
    }

    fn additional(
        &self,
        base: &str,
        (schema, rule): (&Map<String, Value>, &Value),
        value: &Value,
        place: &str,
        faults: &mut Vec<String>,
    ) {
        if rule == &Value::Bool(true) {
            return;
        }
        let known = schema.get("properties").and_then(Value::as_object);
        for (name, value) in value.as_object().into_iter().flatten() {
            if known.is_none_or(|known| !known.contains_key(name)) {
                self.check(base, rule, value, &format!("{place}.{name}"), faults);
            }
        }
    }
}

fn has_format(text: &str, format: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match format {
        "uuid" => {
            let parts: Vec<&str> = text.split('-').collect();
            parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(|part| hex(part))
        }
        "uri" => text.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.is_empty() && !rest.contains(' ')
        }),
        // As events have it: UTC, with milliseconds.
        "date-time" => {
            let shape = text
                .bytes()
                .map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
            shape.eq(*b"0000-00-00T00:00:00.000Z")
        }
        other => panic!("format {other}"),
    }
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    let schemas = Schemas::load();
    let good = serde_json::json!({
        "eventType": "START", "eventTime": "2026-11-28T10:00:00.000Z", "producer": "urn:malla:1", "schemaURL": CORE,
        "run": { "runId": "3f5e83fa-3480-44ff-99c5-ff943904e5e8", "facets": { "errorMessage": {
            "_producer": "urn:malla:1", "message": "m", "programmingLanguage": "RUST",
            "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
        } } },
        "job": { "namespace": "n", "name": "j" },
    });
    assert_eq!(schemas.faults(&good), Vec::<String>::new());
    for (pointer, value) in [
        ("/eventType", "BEGIN".into()),
        ("/eventTime", "yesterday".into()),
        ("/run/runId", "7".into()),
        ("/job", serde_json::json!({ "name": "j" })),
        ("/run/facets/errorMessage/message", Value::Null),
        ("/run/facets/errorMessage/_producer", 7.into()),
        (
            "/run/facets/errorMessage/_schemaURL",
            "https://example.com/x.json#/x".into(),
        ),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!schemas.faults(&bad).is_empty(), "{pointer}");
    }
}
