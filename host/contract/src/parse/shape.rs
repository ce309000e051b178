//! Which fields there are and what they hold: checks a document against the tables of `odcs`.

use crate::errors::{ContractErrors, closest, listed, shown};
use crate::parse::odcs;
use crate::yaml::{At, Kind, Value};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Text,
    /// ODCS `StableId`.
    Id,
    Truth,
    Integer,
    Number,
    /// A text, number, truth value or nothing.
    Scalar,
    Any,
    AnyMap,
    /// `implementation` of a custom quality check.
    TextOrMap,
    Words(&'static [&'static str]),
    Texts,
    TextOrTexts,
    /// Two different numbers.
    Between,
    List(&'static Shape),
    Map(&'static Object),
    /// `Map` of a team, or the deprecated list of its members.
    Team,
    Server,
    Quality,
    /// A column, whose options depend on its type.
    Property(&'static Object),
    /// Custom properties; those of Malla are only known at the top.
    Custom {
        top: bool,
    },
    /// Entries of a lookup: text to text.
    Entries,
}

/// A map with known fields.
#[derive(Debug)]
pub(crate) struct Object {
    /// With its article, for messages.
    pub(crate) what: &'static str,
    pub(crate) fields: &'static [Field],
    /// Other fields are allowed too.
    pub(crate) open: bool,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
}

pub(crate) const fn may(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

pub(crate) const fn must(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

/// Checks a node. Its depth is bounded by the reader, and so is the recursion.
pub(crate) fn check(at: &At<'_>, shape: Shape, errors: &mut ContractErrors) {
    match shape {
        Shape::Any => {}
        Shape::Text => text(at, errors),
        Shape::Id => {
            text(at, errors);
            let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
            if at.text().is_some_and(|id| id.is_empty() || id.contains(odd)) {
                at.error(errors, "not fit for an id", "use letters, digits, `_` and `-`");
            }
        }
        Shape::Words(words) => {
            text(at, errors);
            if let Some(word) = at.text().filter(|word| !words.contains(word)) {
                unknown_word(at, "value", word, words, errors);
            }
        }
        Shape::Truth => scalar(at, errors, "true or false", |kind| matches!(kind, Kind::Truth(_))),
        Shape::Integer => scalar(at, errors, "a whole number", |kind| kind == Kind::Integer),
        Shape::Number => {
            scalar(at, errors, "a number", |kind| {
                matches!(kind, Kind::Integer | Kind::Number)
            });
        }
        Shape::Scalar => scalar(at, errors, "a single value", |_| true),
        Shape::AnyMap => {
            is_map(at, errors);
        }
        Shape::TextOrMap => {
            if !matches!(at.node.value, Value::Map(_)) {
                text(at, errors);
            }
        }
        Shape::Texts => list(at, Shape::Text, errors),
        Shape::TextOrTexts => match at.node.value {
            Value::List(_) => list(at, Shape::Text, errors),
            _ => text(at, errors),
        },
        Shape::Between => {
            list(at, Shape::Number, errors);
            if matches!(&at.node.value, Value::List(items) if items.len() != 2) {
                at.error(errors, "not two numbers", "write `[lowest, highest]`");
            }
        }
        Shape::List(items) => list(at, *items, errors),
        Shape::Map(object) => map(at, &[object], errors),
        Shape::Team => match at.node.value {
            Value::List(_) => list(at, Shape::Map(&odcs::TEAM_MEMBER), errors),
            _ => map(at, &[&odcs::TEAM], errors),
        },
        Shape::Server => server(at, errors),
        Shape::Quality => quality(at, errors),
        Shape::Property(object) => property(at, object, errors),
        Shape::Custom { top } => custom(at, top, errors),
        Shape::Entries => entries(at, errors),
    }
}

fn refused(at: &At<'_>) -> bool {
    matches!(at.node.value, Value::Refused)
}

/// What a node is, for messages.
fn found(at: &At<'_>) -> String {
    match &at.node.value {
        Value::List(_) => "a list".into(),
        Value::Map(_) => "a map".into(),
        Value::Refused => "refused".into(),
        Value::Scalar(scalar) => {
            let text = shown(&scalar.text);
            match scalar.kind() {
                Kind::Text => format!("the text `{text}`"),
                Kind::Null => "empty".into(),
                Kind::Truth(_) => format!("the truth value `{text}`"),
                Kind::Integer | Kind::Number => format!("the number `{text}`"),
                Kind::Disputed => format!("`{text}`, which YAML readers disagree about"),
            }
        }
    }
}

fn text(at: &At<'_>, errors: &mut ContractErrors) {
    let remedy = match &at.node.value {
        Value::Refused => return,
        Value::Scalar(scalar) => match scalar.kind() {
            Kind::Text => return,
            Kind::Null => "write a text, or remove the field",
            _ => "put it in quotes to make it a text",
        },
        _ => "write a text",
    };
    at.error(errors, format!("is {}", found(at)), remedy);
}

fn scalar(at: &At<'_>, errors: &mut ContractErrors, wanted: &str, fits: fn(Kind) -> bool) {
    match &at.node.value {
        Value::Refused => {}
        Value::Scalar(scalar) if fits(scalar.kind()) => {}
        _ => at.error(errors, format!("is {}", found(at)), format!("write {wanted}")),
    }
}

fn list(at: &At<'_>, items: Shape, errors: &mut ContractErrors) {
    if !matches!(at.node.value, Value::List(_) | Value::Refused) {
        at.error(errors, format!("is {}", found(at)), "write a list");
    }
    for item in at.items() {
        if errors.is_full() {
            return;
        }
        check(&item, items, errors);
    }
}

fn is_map(at: &At<'_>, errors: &mut ContractErrors) -> bool {
    let fits = matches!(at.node.value, Value::Map(_));
    if !fits && !refused(at) {
        at.error(
            errors,
            format!("is {}", found(at)),
            "write a map (`name: value` lines)",
        );
    }
    fits
}

/// A map whose fields are those of all the objects together. The first names it.
fn map(at: &At<'_>, objects: &[&'static Object], errors: &mut ContractErrors) {
    if !is_map(at, errors) {
        return;
    }
    let what = objects.first().map_or("a map", |object| object.what);
    let known = || objects.iter().flat_map(|object| object.fields);
    for (key, value) in at.entries() {
        if errors.is_full() {
            return;
        }
        let name = key.scalar.text.as_str();
        if let Some(field) = known().find(|field| field.name == name) {
            check(&value, field.shape, errors);
        } else if !objects.iter().any(|object| object.open) {
            let wrong = format!("unknown field in {what}");
            let remedy = match closest(name, known().map(|field| field.name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known().any(|field| field.name == "customProperties") => {
                    "remove it, or keep it under `customProperties`".into()
                }
                None => format!(
                    "remove it, or use one of {}",
                    listed(known().map(|field| field.name))
                ),
            };
            value.error_at(key.line, errors, wrong, remedy);
        }
    }
    for field in known().filter(|field| field.required) {
        if at.get(field.name).is_none() {
            at.error(errors, format!("{what} needs `{}`", field.name), "add it");
        }
    }
}

fn unknown_word(at: &At<'_>, what: &str, word: &str, words: &[&str], errors: &mut ContractErrors) {
    let remedy = match closest(word, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("use one of {}", listed(words.iter().copied())),
    };
    at.error(errors, format!("unknown {what} `{}`", shown(word)), remedy);
}

fn server(at: &At<'_>, errors: &mut ContractErrors) {
    let Some(kind) = at.get("type") else {
        return map(at, &[&odcs::SERVER], errors);
    };
    let known = odcs::SERVERS
        .iter()
        .find(|server| kind.text() == Some(server.kind));
    let Some(server) = known else {
        let kinds: Vec<&str> = odcs::SERVERS.iter().map(|server| server.kind).collect();
        match kind.text() {
            Some(word) => unknown_word(&kind, "server type", word, &kinds, errors),
            None => text(&kind, errors),
        }
        return;
    };
    if !is_map(at, errors) {
        return;
    }
    let known = || {
        odcs::SERVER
            .fields
            .iter()
            .map(|field| field.name)
            .chain(server.must.iter().copied())
            .chain(server.may.iter().copied())
    };
    for (key, value) in at.entries() {
        if errors.is_full() {
            return;
        }
        let name = key.scalar.text.as_str();
        if let Some(field) = odcs::SERVER.fields.iter().find(|field| field.name == name) {
            check(&value, field.shape, errors);
        } else if server.must.contains(&name) || server.may.contains(&name) {
            let shape = if name == "port" {
                Shape::Integer
            } else {
                Shape::Text
            };
            check(&value, shape, errors);
        } else {
            let remedy = match closest(name, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "remove it, or keep it under `customProperties`".into(),
            };
            let wrong = format!("unknown field in a server of type `{}`", server.kind);
            value.error_at(key.line, errors, wrong, remedy);
        }
    }
    for name in ["server"].iter().chain(server.must) {
        if at.get(name).is_none() {
            at.error(
                errors,
                format!("a server of type `{}` needs `{name}`", server.kind),
                "add it",
            );
        }
    }
}

fn quality(at: &At<'_>, errors: &mut ContractErrors) {
    let kind = at.get("type").and_then(|kind| kind.text());
    let metric = at.get("metric").is_some();
    let mut objects = vec![&odcs::QUALITY];
    match kind {
        Some("sql") => objects.push(&odcs::QUALITY_SQL),
        Some("custom") => objects.push(&odcs::QUALITY_CUSTOM),
        Some("library") => objects.push(&odcs::QUALITY_LIBRARY),
        _ if metric => objects.push(&odcs::QUALITY_LIBRARY),
        _ => {}
    }
    let operators = matches!(kind, Some("sql" | "library")) || metric;
    if operators {
        objects.push(&odcs::QUALITY_OPERATORS);
    }
    map(at, &objects, errors);
    let given = odcs::QUALITY_OPERATORS
        .fields
        .iter()
        .filter(|field| at.get(field.name).is_some())
        .count();
    if operators && given != 1 {
        let names = listed(odcs::QUALITY_OPERATORS.fields.iter().map(|field| field.name));
        at.error(
            errors,
            format!("a check needs one comparison, has {given}"),
            format!("use one of {names}"),
        );
    }
}

fn property(at: &At<'_>, object: &'static Object, errors: &mut ContractErrors) {
    map(at, &[object], errors);
    let Some(options) = at.get("logicalTypeOptions") else {
        return;
    };
    let logical = at.get("logicalType").and_then(|logical| logical.text());
    match logical.and_then(|logical| odcs::OPTIONS.iter().find(|(kinds, _)| kinds.contains(&logical))) {
        Some((_, known)) => map(&options, &[known], errors),
        None => options.error(errors, "options of no known type", "add `logicalType` beside it"),
    }
}

fn custom(at: &At<'_>, top: bool, errors: &mut ContractErrors) {
    list(at, Shape::Map(&odcs::CUSTOM_PROPERTY), errors);
    let mut seen = Vec::new();
    for item in at.items() {
        let (Some(property), value) = (item.get("property"), item.get("value")) else {
            continue;
        };
        let Some(name) = property
            .text()
            .filter(|name| name.to_ascii_lowercase().starts_with("malla"))
        else {
            continue;
        };
        let known = odcs::MALLA.iter().find(|(known, _)| *known == name);
        match known {
            _ if !top => {
                let wrong = format!("`{}` has no meaning here", shown(name));
                property.error(errors, wrong, "move it to the `customProperties` of the contract");
            }
            None => {
                let names: Vec<&str> = odcs::MALLA.iter().map(|(name, _)| *name).collect();
                unknown_word(&property, "property", name, &names, errors);
            }
            Some(_) if seen.contains(&name) => {
                property.error(
                    errors,
                    format!("`{}` is there twice", shown(name)),
                    "make one list of the two",
                );
            }
            Some((_, shape)) => {
                seen.push(name);
                if let Some(value) = value {
                    check(&value, *shape, errors);
                }
            }
        }
    }
}

fn entries(at: &At<'_>, errors: &mut ContractErrors) {
    if !is_map(at, errors) {
        return;
    }
    for (key, value) in at.entries() {
        if errors.is_full() {
            return;
        }
        if key.scalar.kind() != Kind::Text {
            let wrong = "YAML readers disagree about this key";
            value.error_at(key.line, errors, wrong, "put it in quotes");
        }
        match &value.node.value {
            Value::Scalar(scalar) if matches!(scalar.kind(), Kind::Integer | Kind::Number) => {
                value.error(
                    errors,
                    format!("is {}", found(&value)),
                    "put it in quotes, so that it stays exact",
                );
            }
            _ => text(&value, errors),
        }
    }
}
