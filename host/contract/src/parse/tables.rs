//! Schema objects to tables.

use std::collections::BTreeSet;

use crate::Table;
use crate::errors::{ContractErrors, listed, shown};
use crate::names::{NameKind, name};
use crate::parse::columns::{self, ReadColumn};
use crate::parse::malla::ReadSource;
use crate::parse::quality;
use crate::yaml::At;

const MAX_TABLES: usize = 200;
const MAX_COLUMNS: usize = 1000;

/// A table and where it was read.
#[derive(Debug, Clone)]
pub(crate) struct ReadTable<'a> {
    pub(crate) table: Table,
    pub(crate) at: At<'a>,
    /// Names of the columns whose type could not be read: checks that need a type pass over them.
    pub(crate) untyped: BTreeSet<String>,
}

/// Tables in the contract's order; those without a name are left out.
pub(crate) fn read<'a>(top: &At<'a>, errors: &mut ContractErrors) -> Vec<ReadTable<'a>> {
    let Some(schema) = top.get("schema") else {
        top.error(
            errors,
            "a contract needs `schema`",
            "add it: a list with one object for each table",
        );
        return Vec::new();
    };
    let mut tables: Vec<ReadTable<'a>> = Vec::new();
    let mut seen = BTreeSet::new();
    for at in schema.items_up_to(MAX_TABLES, errors) {
        // Which characters a name may hold depends on whether a source uses it: see `malla` and `products`.
        let Some(name_at) = at.get("name") else { continue };
        let Some(name) = name_at.text() else { continue };
        if !seen.insert(name) {
            name_at.error(
                errors,
                format!("`{}` is there twice", shown(name)),
                "rename one of the two",
            );
        }
        no_governance_tags(&at, errors);
        let mut columns = read_columns(&at, errors);
        let quality = quality::read(&at, name, &mut columns, errors);
        tables.push(ReadTable {
            untyped: columns
                .iter()
                .filter(|read| !read.typed)
                .map(|read| read.column.name.clone())
                .collect(),
            table: Table {
                name: name.to_owned(),
                description: at.get("description").and_then(|at| at.text()).map(str::to_owned),
                columns: columns.into_iter().map(|read| read.column).collect(),
                quality,
            },
            at,
        });
    }
    if schema.items().next().is_none() && matches!(&schema.node.value, crate::yaml::Value::List(_)) {
        schema.error(errors, "a contract without tables", "add a schema object");
    }
    tables
}

fn read_columns<'a>(table: &At<'a>, errors: &mut ContractErrors) -> Vec<ReadColumn<'a>> {
    let Some(properties) = table.get("properties") else {
        table.error(errors, "a table without columns", "add `properties`");
        return Vec::new();
    };
    let mut columns: Vec<ReadColumn<'a>> = Vec::new();
    let mut seen = BTreeSet::new();
    for at in properties.items_up_to(MAX_COLUMNS, errors) {
        let Some(read) = columns::read(&at, errors) else {
            continue;
        };
        if !seen.insert(read.column.name.clone()) {
            let wrong = format!("column `{}` is there twice", shown(&read.column.name));
            at.get("name")
                .unwrap_or_else(|| at.clone())
                .error(errors, wrong, "rename one of the two");
            continue;
        }
        columns.push(read);
    }
    if properties.items().next().is_none() && matches!(&properties.node.value, crate::yaml::Value::List(_)) {
        properties.error(errors, "a table without columns", "add a property");
    }
    columns::place_partitions(&properties, &mut columns, errors);
    let subjects: Vec<&ReadColumn<'_>> = columns
        .iter()
        .filter(|read| read.column.tags.contains("subject"))
        .collect();
    if let [first, second, ..] = subjects.as_slice() {
        let wrong = format!(
            "a second column tagged `subject`, after `{}`",
            shown(&first.column.name)
        );
        second.at.error(
            errors,
            wrong,
            "a row is about one person: keep the tag on one column",
        );
    }
    columns
}

/// Tags that govern count on columns only; elsewhere they would be ignored, and nobody would know.
pub(crate) fn no_governance_tags(at: &At<'_>, errors: &mut ContractErrors) {
    for tag in at.get("tags").iter().flat_map(At::items) {
        if let Some(word) = tag
            .text()
            .filter(|word| word.starts_with("pii") || *word == "subject")
        {
            tag.error(
                errors,
                format!("tag `{}` has no meaning here", shown(word)),
                "put it on columns",
            );
        }
    }
}

/// The tables that no source uses.
pub(crate) fn products<'a>(
    tables: &[ReadTable<'a>],
    sources: &[ReadSource<'_>],
    errors: &mut ContractErrors,
) -> Vec<ReadTable<'a>> {
    let used: BTreeSet<&str> = sources.iter().filter_map(|source| source.schema).collect();
    let mut products = Vec::new();
    for read in tables {
        let kind = if used.contains(read.table.name.as_str()) {
            NameKind::Identifier
        } else {
            NameKind::Product
        };
        if let Some(at) = read.at.get("name") {
            name(&at, kind, errors);
        }
        if kind == NameKind::Product {
            products.push(read.clone());
        }
    }
    products
}

/// Names for a message that says which there are.
pub(crate) fn there_are<'a>(what: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().take(20).collect();
    if names.is_empty() {
        format!("there are no {what}")
    } else {
        format!("{what} are {}", listed(names))
    }
}
