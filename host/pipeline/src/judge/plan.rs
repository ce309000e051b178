//! What is decided of a product before it is judged.

use std::collections::BTreeSet;

use malla_contract::{Check, CheckKind, Contract, MaskKind, Product};
use malla_lake::{TableId, TableSpec};
use malla_policy::{MaskAt, MaskRule, Policy};
use malla_quality::Checks;
use sha2::{Digest as _, Sha256};

use crate::error::Refusal;
use crate::plan::{purpose, rules};
use crate::plugins::table_of;
use crate::quality::checks;

/// A product whose contract promises something, under one policy.
pub(crate) struct JudgePlan {
    /// `domain.product`.
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) product: Product,
    pub(crate) id: TableId,
    pub(crate) results: TableSpec,
    pub(crate) checks: Checks,
    pub(crate) purpose: String,
    pub(crate) contract_version: String,
    pub(crate) plugin_digest: String,
    /// What it is judged by.
    pub(crate) recipe: String,
    pub(crate) policy_digest: String,
    /// Columns whose values are hidden before they are written, and whether equal ones stay equal and others other.
    masked: Vec<(String, bool)>,
}

/// Where a check's number comes from.
pub(crate) enum Asked {
    /// Of the commits since the last judging: what they said of rows before they were masked. `since_good`: of those since
    /// the last good version.
    Commits {
        since_good: bool,
    },
    /// The rows of the table.
    Rows,
    RowCount,
    Newest(String),
    Duplicates(Vec<String>),
    Query,
    /// The table does not hold what the check is about.
    Hidden(String),
}

/// Columns of a table of results that may hold values of the product.
pub(crate) const RESULTS_WITHOUT_STATISTICS: [&str; 1] = ["partial_unexpected_list"];

impl JudgePlan {
    /// `None`: the contract promises nothing of it.
    pub(crate) fn new(
        contract: &Contract,
        product: &Product,
        policy: &Policy,
        plugin_digest: &str,
    ) -> Result<Option<Self>, Refusal> {
        let name = format!("{}.{}", contract.domain, product.name);
        let checks = checks(&name, product)?;
        if checks.is_empty() {
            return Ok(None);
        }
        let id = table_of(contract, product)?;
        let rules = rules(policy, &name, product)?;
        let columns = product.table.columns.iter().zip(rules);
        let masked: Vec<(String, bool)> = columns
            .filter_map(|(column, rule): (_, Option<&MaskRule>)| {
                let rule = rule.filter(|rule| rule.at == MaskAt::Write)?;
                Some((column.name.clone(), rule.mask == MaskKind::Token))
            })
            .collect();
        let mut digest = Sha256::new();
        digest.update(format!("{:?}\0{masked:?}\0{plugin_digest}\0", promises(&checks)).as_bytes());
        digest.update(policy.digest().as_bytes());
        digest.update(env!("CARGO_PKG_VERSION").as_bytes());
        Ok(Some(Self {
            results: TableSpec {
                id: id.results(),
                schema: malla_quality::history::schema(product),
                partition_by: vec!["fecha".to_owned()],
                without_statistics: RESULTS_WITHOUT_STATISTICS.map(str::to_owned).to_vec(),
            },
            id,
            domain: contract.domain.clone(),
            product: product.clone(),
            checks,
            purpose: purpose(contract).to_owned(),
            contract_version: contract.version.to_string(),
            plugin_digest: plugin_digest.to_owned(),
            recipe: digest
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            policy_digest: policy.digest().to_owned(),
            name,
            masked,
        }))
    }

    pub(crate) fn asked(&self, check: &Check) -> Asked {
        let columns = check.kind.columns();
        let hidden = |allowed: fn(bool) -> bool| {
            let of = self
                .masked
                .iter()
                .find(|(name, token)| columns.contains(&name.as_str()) && !allowed(*token));
            of.map(|(name, _)| name.clone())
        };
        let why = |column: String| {
            Asked::Hidden(format!(
                "column `{column}` is masked when it is written, so the table cannot say"
            ))
        };
        match &check.kind {
            CheckKind::RowCount => Asked::RowCount,
            CheckKind::Sql { .. } => Asked::Query,
            CheckKind::Fresh { column, .. } => match hidden(|_| false) {
                Some(column) => why(column),
                None => Asked::Newest(column.clone()),
            },
            CheckKind::Unique { columns } => match hidden(|token| token) {
                Some(column) => why(column),
                None => Asked::Duplicates(columns.clone()),
            },
            _ if check.is_row_level() => Asked::Commits { since_good: false },
            _ if hidden(|_| false).is_some() => Asked::Commits { since_good: true },
            _ => Asked::Rows,
        }
    }

    /// The checks that read rows, and the columns they look at.
    pub(crate) fn of_rows(&self) -> Result<Option<(Checks, Vec<String>)>, Refusal> {
        let mut names = BTreeSet::new();
        let mut table = self.product.table.clone();
        let mut keep = |checks: &mut Vec<Check>| {
            checks.retain(|check| {
                let read = matches!(self.asked(check), Asked::Rows);
                if read {
                    names.extend(check.kind.columns().into_iter().map(str::to_owned));
                }
                read
            });
        };
        keep(&mut table.quality);
        for column in &mut table.columns {
            keep(&mut column.quality);
        }
        if names.is_empty() {
            return Ok(None);
        }
        let checks = Checks::new(&table).map_err(|source| Refusal::Quality {
            product: self.name.clone(),
            source,
        })?;
        Ok(Some((checks, names.into_iter().collect())))
    }
}

/// All that a check promises; its words and its place in the contract may change.
fn promises(checks: &Checks) -> Vec<String> {
    let told = |check: &Check| {
        format!(
            "{} {:?} {:?} {:?} {}",
            check.name, check.kind, check.comparison, check.unit, check.severity
        )
    };
    checks.iter().map(told).collect()
}
