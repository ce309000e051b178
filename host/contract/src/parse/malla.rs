//! Malla's own properties: sources, steps, lookups, purpose.

use std::collections::BTreeSet;

use crate::errors::{ContractErrors, closest, shown};
use crate::names::{NameKind, name};
use crate::parse::formats;
use crate::parse::tables::{ReadTable, there_are};
use crate::yaml::At;
use crate::{ColumnType, Gold, Lookup, LookupEntry, Source, Step};

/// Sources, steps, lookups, rules of a step.
pub(super) const MAX_ITEMS: usize = 200;
const MAX_READS: usize = 1000;
const MAX_ENTRIES: usize = 10_000;
/// Most digits of a lookup's value: what 128 bits hold.
const MAX_DIGITS: usize = 38;

/// A source, whole or not: a step may name it, and that is one mistake less to report.
#[derive(Debug)]
pub(crate) struct ReadSource<'a> {
    name: &'a str,
    /// Name of its schema object, where that exists.
    pub(crate) schema: Option<&'a str>,
    pub(crate) source: Option<Source>,
}

/// The value of one of Malla's properties.
pub(super) fn property<'a>(top: &At<'a>, name: &str) -> Option<At<'a>> {
    top.get("customProperties")?
        .items()
        .find(|item| item.get("property").is_some_and(|at| at.text() == Some(name)))?
        .get("value")
}

/// The items of a property with their names, which are checked.
pub(super) fn named<'a>(top: &At<'a>, what: &str, errors: &mut ContractErrors) -> Vec<(At<'a>, &'a str)> {
    let items = property(top, what).map(|at| at.items_up_to(MAX_ITEMS, errors));
    names_of(items.into_iter().flatten(), errors)
}

/// Items with their names, which are checked.
pub(super) fn names_of<'a>(
    items: impl Iterator<Item = At<'a>>,
    errors: &mut ContractErrors,
) -> Vec<(At<'a>, &'a str)> {
    let mut named = Vec::new();
    let mut seen = BTreeSet::new();
    for item in items {
        let Some(at) = item.get("name") else { continue };
        let Some(name) = name(&at, NameKind::Identifier, errors) else {
            continue;
        };
        if seen.insert(name) {
            named.push((item, name));
        } else {
            at.error(
                errors,
                format!("`{}` is there twice", shown(name)),
                "rename one of the two",
            );
        }
    }
    named
}

/// The word of `mallaPurpose`.
pub(crate) fn purpose(top: &At<'_>, errors: &mut ContractErrors) -> Option<String> {
    let at = property(top, "mallaPurpose")?;
    name(&at, NameKind::Product, errors).map(str::to_owned)
}

pub(super) fn did_you_mean<'a>(
    word: &str,
    what: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    match closest(word, known.clone()) {
        Some(meant) => format!("did you mean `{}`?", shown(meant)),
        None => there_are(what, known),
    }
}

pub(crate) fn sources<'a>(
    top: &At<'a>,
    tables: &[ReadTable<'a>],
    errors: &mut ContractErrors,
) -> Vec<ReadSource<'a>> {
    let mut sources = Vec::new();
    for (item, name) in named(top, "mallaSources", errors) {
        let schema = item.get("schema").and_then(|at| at.text().map(|text| (at, text)));
        let read = schema
            .as_ref()
            .and_then(|(_, schema)| tables.iter().find(|read| read.table.name == *schema));
        if let (Some((at, schema)), None) = (&schema, read) {
            let remedy = did_you_mean(
                schema,
                "schema objects",
                tables.iter().map(|read| read.table.name.as_str()),
            );
            at.error(errors, format!("no schema object `{}`", shown(schema)), remedy);
        }
        let event_time = match (item.get("eventTime"), read) {
            (Some(at), Some(read)) => event_time(&at, read, errors),
            _ => None,
        };
        let format = formats::read(&item, errors);
        sources.push(ReadSource {
            name,
            schema: read.and(schema).map(|(_, schema)| schema),
            source: read.map(|read| Source {
                name: name.to_owned(),
                table: read.table.clone(),
                event_time,
                format,
            }),
        });
    }
    sources
}

fn event_time(at: &At<'_>, read: &ReadTable<'_>, errors: &mut ContractErrors) -> Option<String> {
    let name = at.text()?;
    let Some(column) = read.table.column(name) else {
        no_column(at, name, read, errors);
        return None;
    };
    if column.ty != ColumnType::Timestamp && !read.untyped.contains(name) {
        let wrong = format!("`{}` is of type `{}`", shown(name), column.ty);
        at.error(errors, wrong, "name a column of type `timestamp`");
    }
    if !column.required {
        at.error(
            errors,
            format!("`{}` may be null", shown(name)),
            "add `required: true` to that column",
        );
    }
    Some(name.to_owned())
}

fn no_column(at: &At<'_>, name: &str, read: &ReadTable<'_>, errors: &mut ContractErrors) {
    let wrong = format!("no column `{}` in `{}`", shown(name), shown(&read.table.name));
    let remedy = did_you_mean(
        name,
        "its columns",
        read.table.columns.iter().map(|c| c.name.as_str()),
    );
    at.error(errors, wrong, remedy);
}

pub(crate) fn steps(
    top: &At<'_>,
    tables: &[ReadTable<'_>],
    sources: &[ReadSource<'_>],
    products: &[ReadTable<'_>],
    gold: &[Gold],
    errors: &mut ContractErrors,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (item, name) in named(top, "mallaSteps", errors) {
        let text = |name: &str| item.get(name).and_then(|at| at.text().map(|text| (at, text)));
        let (source, product) = (text("source"), text("product"));
        let mut table = None;
        if let Some((at, source)) = &source {
            match sources.iter().find(|read| read.name == *source) {
                Some(read) => {
                    table = tables
                        .iter()
                        .find(|table| Some(table.table.name.as_str()) == read.schema)
                }
                None => {
                    let names = sources.iter().map(|read| read.name);
                    let remedy = did_you_mean(source, "sources", names);
                    at.error(errors, format!("no source `{}`", shown(source)), remedy);
                }
            }
        }
        if let Some((at, product)) = &product {
            if !products.iter().any(|read| read.table.name == *product) {
                let names = products.iter().map(|read| read.table.name.as_str());
                let remedy = did_you_mean(product, "products", names);
                at.error(errors, format!("no product `{}`", shown(product)), remedy);
            }
            if gold.iter().any(|gold| gold.product == *product) {
                let wrong = format!("product `{}` already comes from `mallaGold`", shown(product));
                at.error(errors, wrong, "let one of the two make it");
            }
            if let Some(other) = steps.iter().find(|step| step.product == *product) {
                let wrong = format!(
                    "product `{}` already comes from step `{}`",
                    shown(product),
                    shown(&other.name)
                );
                at.error(errors, wrong, "let one step make it, or make it two products");
            }
        }
        let reads = reads(&item, table, errors);
        let rules = rules(&item, errors);
        steps.push(Step {
            name: name.to_owned(),
            source: source.map(|(_, text)| text.to_owned()).unwrap_or_default(),
            product: product.map(|(_, text)| text.to_owned()).unwrap_or_default(),
            reads,
            rules,
        });
    }
    // What looks like a product may be the schema object that such a source means.
    if sources.iter().any(|read| read.source.is_none()) {
        return steps;
    }
    for read in products {
        let is_gold = gold.iter().any(|gold| gold.product == read.table.name);
        if !is_gold && !steps.iter().any(|step| step.product == read.table.name) {
            let at = read.at.get("name").unwrap_or_else(|| read.at.clone());
            let wrong = format!("no step makes product `{}`", shown(&read.table.name));
            at.error(
                errors,
                wrong,
                "add one to `mallaSteps`, or SQL to `mallaGold`; if it is what arrives, name it in `mallaSources`",
            );
        }
    }
    steps
}

fn reads(step: &At<'_>, table: Option<&ReadTable<'_>>, errors: &mut ContractErrors) -> Vec<String> {
    let mut reads: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let items = step.get("reads").map(|at| at.items_up_to(MAX_READS, errors));
    for at in items.into_iter().flatten() {
        let Some(name) = at.text() else { continue };
        if let Some(read) = table.filter(|read| read.table.column(name).is_none()) {
            no_column(&at, name, read, errors);
        } else if !seen.insert(name) {
            at.error(
                errors,
                format!("`{}` is there twice", shown(name)),
                "keep one of the two",
            );
        } else {
            reads.push(name.to_owned());
        }
    }
    reads
}

fn rules(step: &At<'_>, errors: &mut ContractErrors) -> Vec<String> {
    let mut rules = Vec::new();
    let mut seen = BTreeSet::new();
    let items = step.get("rules").map(|at| at.items_up_to(MAX_ITEMS, errors));
    for at in items.into_iter().flatten() {
        let Some(rule) = name(&at, NameKind::Identifier, errors) else {
            continue;
        };
        if seen.insert(rule) {
            rules.push(rule.to_owned());
        } else {
            at.error(
                errors,
                format!("`{}` is there twice", shown(rule)),
                "keep one of the two",
            );
        }
    }
    rules
}

pub(crate) fn lookups(top: &At<'_>, errors: &mut ContractErrors) -> Vec<Lookup> {
    let mut lookups = Vec::new();
    for (item, name) in named(top, "mallaLookups", errors) {
        let Some(entries_at) = item.get("entries") else {
            continue;
        };
        let mut parsed = Vec::new();
        if entries_at.entries().nth(MAX_ENTRIES).is_some() {
            let wrong = format!("more than {MAX_ENTRIES} entries");
            entries_at.error(errors, wrong, "keep such data in a table");
            continue;
        }
        for (key, at) in entries_at.entries() {
            let Some(text) = at.text() else { continue };
            match Decimal::parse(text) {
                Some(decimal) => parsed.push((key.scalar.text.as_str(), decimal, at)),
                None => {
                    let wrong = format!("`{}` is no decimal number", shown(text));
                    at.error(
                        errors,
                        wrong,
                        "write digits and perhaps a point, such as \"0.058\"",
                    );
                }
            }
        }
        if entries_at.entries().next().is_none() {
            entries_at.error(
                errors,
                "a lookup without entries",
                "add one, or remove the lookup",
            );
        }
        let scale = parsed
            .iter()
            .map(|(_, decimal, _)| decimal.fraction.len())
            .max()
            .unwrap_or(0);
        let mut entries = Vec::new();
        for (key, decimal, at) in parsed {
            match decimal.unscaled(scale) {
                Some(unscaled) => entries.push(LookupEntry {
                    key: key.to_owned(),
                    unscaled,
                }),
                None => {
                    let wrong = format!("has more than {MAX_DIGITS} digits with {scale} after the point");
                    at.error(
                        errors,
                        wrong,
                        "shorten it, or the entry with the most digits after the point",
                    );
                }
            }
        }
        let scale = u8::try_from(scale).unwrap_or(u8::MAX);
        lookups.push(Lookup {
            name: name.to_owned(),
            scale,
            entries,
        });
    }
    lookups
}

/// A decimal number as it is written.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (digits, ""),
        };
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let fits = !whole.is_empty() && all_digits(whole) && all_digits(fraction);
        fits.then_some(Self {
            negative: digits.len() < text.len(),
            whole,
            fraction,
        })
    }

    /// Times ten to the power of `scale`, which is at least the number of digits after the point. `None` where that
    /// has more digits than fit.
    fn unscaled(&self, scale: usize) -> Option<i128> {
        if scale > MAX_DIGITS {
            return None;
        }
        let mut value: i128 = 0;
        let zeros = scale.saturating_sub(self.fraction.len());
        for digit in self
            .whole
            .bytes()
            .chain(self.fraction.bytes())
            .chain(std::iter::repeat_n(b'0', zeros))
        {
            value = value
                .checked_mul(10)?
                .checked_add(i128::from(digit.checked_sub(b'0')?))?;
        }
        let largest = 10_i128.checked_pow(u32::try_from(MAX_DIGITS).ok()?)?;
        (value < largest).then_some(if self.negative { -value } else { value })
    }
}
