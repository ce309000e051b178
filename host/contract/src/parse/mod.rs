//! Text to contract, with every problem on the way.

mod columns;
mod formats;
mod functions;
mod gold;
mod malla;
mod odcs;
mod quality;
mod retention;
mod servers;
mod shape;
mod sql_functions;
mod tables;
mod types;

use semver::Version;

use crate::errors::{ContractErrors, shown};
use crate::names::{NameKind, name};
use crate::parse::shape::Shape;
use crate::yaml::{self, At, Value};
use crate::{Contract, Product};

pub use sql_functions::SQL_FUNCTIONS;

impl Contract {
    /// Reads and checks the text of a contract: ODCS v3.1.0 in YAML, at most 1 MiB.
    ///
    /// # Errors
    /// Every problem found, each with its line, the path of its field and what to do.
    pub fn parse(text: &str) -> Result<Self, ContractErrors> {
        let mut errors = ContractErrors::default();
        let contract = yaml::read(text, &mut errors).and_then(|root| {
            let top = At::top(&root);
            shape::check(&top, Shape::Map(&odcs::CONTRACT), &mut errors);
            read(&top, &mut errors)
        });
        errors.or(contract)
    }
}

/// Reads what has the right shape. What has not was reported, and is passed over in silence.
fn read(top: &At<'_>, errors: &mut ContractErrors) -> Option<Contract> {
    if !matches!(top.node.value, Value::Map(_)) {
        return None;
    }
    api_version(top, errors);
    let id = top.get("id").and_then(|at| at.text());
    let version = version(top, errors);
    let domain = match top.get("domain") {
        Some(at) => name(&at, NameKind::Identifier, errors),
        None => {
            top.error(
                errors,
                "a contract needs `domain`",
                "add it: the first part of every table name",
            );
            None
        }
    };
    if let (Some(at), Some(name)) = (top.get("domain"), domain)
        && family(name) != name
    {
        at.error(
            errors,
            format!("`{}` ends like a major version", shown(name)),
            "leave that out: from version 2.0.0 on the host adds it to the names of tables",
        );
    }
    tables::no_governance_tags(top, errors);
    let mut tables = tables::read(top, errors);
    quality::freshness(top, &mut tables, errors);
    quality::few_patterns(&tables, errors);
    let sources = malla::sources(top, &tables, errors);
    let products = tables::products(&tables, &sources, errors);
    let mut retentions = retention::read(top, &products, errors);
    let gold = gold::read(top, &products, errors);
    let steps = malla::steps(top, &tables, &sources, &products, &gold, errors);
    let functions = functions::read(top, &steps, errors);
    let lookups = malla::lookups(top, errors);
    let purpose = malla::purpose(top, errors);
    let text = |at: Option<At<'_>>| at.and_then(|at| at.text().map(str::to_owned));
    let version = version?;
    Some(Contract {
        domain: mounted(domain?, &version),
        id: id?.to_owned(),
        name: text(top.get("name")).or_else(|| id.map(str::to_owned))?,
        version,
        status: text(top.get("status"))?,
        description: text(top.get("description").and_then(|at| at.get("purpose"))),
        owner: text(top.get("team").and_then(|at| at.get("name"))),
        purpose,
        sources: sources.into_iter().filter_map(|read| read.source).collect(),
        products: products
            .into_iter()
            .map(|read| Product {
                name: read.table.name.clone(),
                retention: retentions.remove(&read.table.name),
                table: read.table.clone(),
            })
            .collect(),
        steps,
        gold,
        functions,
        lookups,
    })
}

/// The first part of table names: versions that break what the one before promised live beside it.
fn mounted(domain: &str, version: &Version) -> String {
    match version.major {
        0 | 1 => domain.to_owned(),
        major => format!("{domain}_v{major}"),
    }
}

/// A domain without the major version of its plugin.
pub(crate) fn family(domain: &str) -> &str {
    match domain.rsplit_once("_v") {
        Some((family, major)) if !major.is_empty() && major.bytes().all(|b| b.is_ascii_digit()) => family,
        _ => domain,
    }
}

fn api_version(top: &At<'_>, errors: &mut ContractErrors) {
    let Some(at) = top.get("apiVersion") else { return };
    let Some(text) = at.text() else { return };
    let patch = text.strip_prefix("v3.1.");
    if !patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit())) {
        at.error(
            errors,
            format!("unsupported version `{}` of the standard", shown(text)),
            "write `v3.1.0`",
        );
    }
}

fn version(top: &At<'_>, errors: &mut ContractErrors) -> Option<Version> {
    let at = top.get("version")?;
    let text = at.text()?;
    match Version::parse(text) {
        Ok(version) => Some(version),
        Err(error) => {
            let wrong = format!("`{}` is no semantic version ({error})", shown(text));
            at.error(errors, wrong, "write three numbers, such as `1.0.0`");
            None
        }
    }
}

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod odcs_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
