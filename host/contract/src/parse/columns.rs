//! Properties of a schema object to columns.

use std::collections::{BTreeMap, BTreeSet};

use crate::errors::{ContractErrors, closest, listed, shown};
use crate::names::{NameKind, name};
use crate::parse::types::column_type;
use crate::yaml::At;
use crate::{Classification, Column, ColumnType};

/// A column and where it was read.
#[derive(Debug)]
pub(crate) struct ReadColumn<'a> {
    pub(crate) column: Column,
    pub(crate) at: At<'a>,
    /// Whether its type could be read; else the type of `column` is any.
    pub(crate) typed: bool,
}

/// Tags that policy and privacy act on.
const PERSONAL: [&str; 5] = ["pii:email", "pii:card", "pii:name", "pii:phone", "pii:address"];
const MAX_TAGS: usize = 100;
const SUBJECT: &str = "subject";

pub(crate) fn read<'a>(at: &At<'a>, errors: &mut ContractErrors) -> Option<ReadColumn<'a>> {
    let ty = column_type(at, errors);
    let classification = classification(at, errors);
    let tags = tags(at, errors);
    let truth = |name: &str| at.get(name).and_then(|at| at.truth()).unwrap_or(false);
    let primary_key = truth("primaryKey");
    let required = truth("required");
    let name_at = at.get("name")?;
    let name = name(&name_at, NameKind::Identifier, errors)?;
    if primary_key && !required {
        let place = at.get("primaryKey").unwrap_or_else(|| at.clone());
        place.error(
            errors,
            "a primary key column that may be null",
            "add `required: true`",
        );
    }
    Some(ReadColumn {
        column: Column {
            name: name.to_owned(),
            ty: ty.unwrap_or(ColumnType::Utf8),
            required,
            unique: truth("unique"),
            primary_key,
            partition: None,
            classification,
            tags,
            holds: std::collections::BTreeSet::new(),
            description: at.get("description").and_then(|at| at.text()).map(str::to_owned),
            quality: Vec::new(),
        },
        at: at.clone(),
        typed: ty.is_some(),
    })
}

fn classification(at: &At<'_>, errors: &mut ContractErrors) -> Classification {
    let Some((at, word)) = at
        .get("classification")
        .and_then(|at| at.text().map(|word| (at, word)))
    else {
        return Classification::default();
    };
    match word.parse() {
        Ok(classification) => classification,
        Err(_) => {
            let known = Classification::ALL.map(Classification::as_str);
            let remedy = match closest(word, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("use one of {}", listed(known)),
            };
            at.error(
                errors,
                format!("unknown classification `{}`", shown(word)),
                remedy,
            );
            Classification::default()
        }
    }
}

fn tags(at: &At<'_>, errors: &mut ContractErrors) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    let items = at.get("tags").map(|at| at.items_up_to(MAX_TAGS, errors));
    for tag in items.into_iter().flatten() {
        let Some(word) = tag.text() else { continue };
        if let Some((wrong, remedy)) = tag_fault(word) {
            tag.error(errors, format!("{wrong} `{}`", shown(word)), remedy);
        } else if !tags.insert(word.to_owned()) {
            tag.error(
                errors,
                format!("tag `{}` is there twice", shown(word)),
                "keep one of the two",
            );
        }
    }
    tags
}

/// What is wrong with a tag. A misspelt tag that governs would be a mask that is not there, so what looks like one
/// and is none is refused.
fn tag_fault(word: &str) -> Option<(&'static str, String)> {
    if PERSONAL.contains(&word) || word == SUBJECT {
        return None;
    }
    let lower = word.to_lowercase();
    let after = lower.strip_prefix("pii");
    if after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric())) {
        let remedy = match closest(word, PERSONAL) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("use one of {}", listed(PERSONAL)),
        };
        return Some(("unknown tag", remedy));
    }
    if word.len() <= 64 {
        let near = |known: &&str| strsim::osa_distance(&lower, known) <= 1;
        if let Some(meant) = PERSONAL.iter().chain([&SUBJECT]).find(|known| near(known)) {
            return Some(("unknown tag", format!("did you mean `{meant}`?")));
        }
    }
    let fits = |c: char| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | ':' | '/' | '-');
    if word.is_empty() || word.len() > 63 || !word.chars().all(fits) {
        let remedy = "use at most 63 letters, digits, `_`, `-`, `.`, `:` and `/`";
        return Some(("not fit for a tag:", remedy.into()));
    }
    None
}

/// Gives the partition columns their places, once all columns of a table are read.
pub(crate) fn place_partitions(
    properties: &At<'_>,
    columns: &mut [ReadColumn<'_>],
    errors: &mut ContractErrors,
) {
    let mut taken: BTreeMap<u32, String> = BTreeMap::new();
    let mut partitions: u32 = 0;
    for read in columns.iter_mut() {
        let partitioned = read
            .at
            .get("partitioned")
            .and_then(|at| at.truth())
            .unwrap_or(false);
        let position = read.at.get("partitionKeyPosition");
        let place = position
            .as_ref()
            .and_then(At::integer)
            .filter(|place| *place != -1);
        if !partitioned {
            if let (Some(at), Some(_)) = (&position, place) {
                at.error(
                    errors,
                    "a place among the partition columns without being one",
                    "add `partitioned: true`",
                );
            }
            continue;
        }
        partitions = partitions.saturating_add(1);
        fit_for_partition(read, errors);
        let at = position.unwrap_or_else(|| read.at.clone());
        let place = match place {
            None => {
                at.error(
                    errors,
                    "a partition column without a place",
                    "add `partitionKeyPosition`, from 1",
                );
                continue;
            }
            Some(place) => match u32::try_from(place)
                .ok()
                .filter(|place| (1..=100).contains(place))
            {
                Some(place) => place,
                None => {
                    at.error(
                        errors,
                        format!("`{place}` is no place among partition columns"),
                        "count from 1",
                    );
                    continue;
                }
            },
        };
        match taken.get(&place) {
            Some(other) => {
                at.error(
                    errors,
                    format!("place {place} is that of `{}`", shown(other)),
                    "give each its own",
                );
            }
            None => {
                taken.insert(place, read.column.name.clone());
                read.column.partition = Some(place);
            }
        }
    }
    if partitions > 0 && usize::try_from(partitions).is_ok_and(|count| count == columns.len()) {
        properties.error(
            errors,
            "every column is a partition column",
            "leave one that is not: it holds the data",
        );
    }
}

fn fit_for_partition(read: &ReadColumn<'_>, errors: &mut ContractErrors) {
    let at = read.at.get("partitioned").unwrap_or_else(|| read.at.clone());
    let fits = matches!(
        read.column.ty,
        ColumnType::Utf8 | ColumnType::Date | ColumnType::Int32 | ColumnType::Int64 | ColumnType::Boolean
    );
    if read.typed && !fits {
        let wrong = format!("a partition column of type `{}`", read.column.ty);
        at.error(
            errors,
            wrong,
            "partition by a string, date, integer or boolean column",
        );
    }
    if read.column.needs_mask() {
        let wrong = "a partition column with sensitive values, which would stand in the names of folders";
        at.error(errors, wrong, "partition by another column");
    }
}
