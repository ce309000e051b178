//! What is decided once for a gold product, before a row is read.

use std::sync::Arc;

use arrow_schema::{DataType, Schema, SchemaRef};
use malla_contract::{CheckKind, CheckSeverity, Column, Contract, Date, Product, type_name};
use malla_lake::{Layer, TableId, TableSpec};
use malla_policy::{Inflow, Policy};
use malla_privacy::{KeyStore, Masker};
use malla_quality::Checks;
use malla_query::{Asker, Functions, Inflows};
use malla_sandbox::Plugin;

use crate::error::Refusal;
use crate::functions::PluginFunctions;
use crate::judge::JudgePlan;
use crate::plan::{granted, purpose, rules, without_statistics, write_masker};
use crate::quality::checks;

/// A gold product under one policy.
pub(crate) struct GoldPlan {
    /// `domain.product`.
    pub(crate) product: String,
    pub(crate) domain: String,
    pub(crate) purpose: String,
    pub(crate) sql: String,
    /// What its SQL may call. `None`: the contract declares no functions.
    pub(crate) functions: Option<Arc<PluginFunctions>>,
    pub(crate) spec: TableSpec,
    /// The first partition column: rows are made anew for the values of it that changed.
    pub(crate) key: Option<Column>,
    /// The rule that lets the plugin write it.
    pub(crate) rule: String,
    pub(crate) policy_digest: String,
    pub(crate) plugin_digest: String,
    pub(crate) checks: Checks,
    /// How it is judged when it is published. `None`: its contract promises nothing.
    pub(crate) judging: Option<JudgePlan>,
    columns: Vec<GoldColumn>,
}

struct GoldColumn {
    /// `domain.product/column`.
    name: String,
    column: Column,
    masker: Option<Masker>,
}

impl GoldPlan {
    pub(crate) fn new(
        contract: &Contract,
        product: &Product,
        sql: &str,
        policy: &Policy,
        keys: &KeyStore,
        plugin: &Plugin,
    ) -> Result<Self, Refusal> {
        let plugin_digest = plugin.digest();
        let name = format!("{}.{}", contract.domain, product.name);
        let rules = rules(policy, &name, product)?;
        let without_statistics = without_statistics(product, &rules);
        let columns = product
            .table
            .columns
            .iter()
            .zip(rules)
            .map(|(column, rule)| {
                Ok(GoldColumn {
                    name: format!("{name}/{}", column.name),
                    column: column.clone(),
                    masker: write_masker(keys, &name, column, rule)?,
                })
            })
            .collect::<Result<_, Refusal>>()?;
        let partition_by = product.table.partition_columns();
        Ok(Self {
            checks: checks(&name, product)?,
            judging: JudgePlan::new(contract, product, policy, plugin_digest)?,
            rule: granted(policy, contract, &name)?,
            key: partition_by
                .first()
                .and_then(|key| product.table.column(key))
                .cloned(),
            spec: TableSpec {
                id: TableId::new(&contract.domain, Layer::Gold, &product.name)?,
                schema: Arc::new(product.table.schema()),
                partition_by: partition_by.into_iter().map(str::to_owned).collect(),
                without_statistics,
            },
            domain: contract.domain.clone(),
            purpose: purpose(contract).to_owned(),
            sql: sql.to_owned(),
            functions: PluginFunctions::of(plugin, contract, &name),
            policy_digest: policy.digest().to_owned(),
            plugin_digest: plugin_digest.to_owned(),
            product: name,
            columns,
        })
    }

    /// What its query may call.
    pub(crate) fn callable(&self) -> Option<Arc<dyn Functions>> {
        let functions = self.functions.clone()?;
        Some(functions)
    }

    /// As whom it reads what it is made of.
    pub(crate) fn asker(&self) -> Asker {
        Asker {
            principal: format!("plugin:{}", self.domain),
            purpose: self.purpose.clone(),
        }
    }

    /// Whether the contract declares of each column at least what flows into it.
    pub(crate) fn check(
        &self,
        policy: &Policy,
        inflows: &[(String, Inflows)],
        today: Date,
    ) -> Result<(), Refusal> {
        for column in &self.columns {
            let flows = inflows.iter().filter(|(name, _)| *name == column.column.name);
            let inflow: Vec<Inflow<'_>> = flows
                .flat_map(|(_, flows)| flows)
                .map(|(name, column)| Inflow { name, column })
                .collect();
            policy
                .effective(&column.name, &column.column, &inflow, today)
                .map_err(|source| Refusal::Undeclared {
                    product: self.product.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Whether the query gives the columns of the contract.
    pub(crate) fn fits(&self, found: &SchemaRef) -> Result<(), Refusal> {
        let wanted = &self.spec.schema;
        let names = |schema: &SchemaRef| {
            schema
                .fields()
                .iter()
                .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let same_names = wanted.fields().len() == found.fields().len()
            && wanted
                .fields()
                .iter()
                .all(|field| found.field_with_name(field.name()).is_ok());
        if !same_names {
            return Err(Refusal::GoldShape {
                product: self.product.clone(),
                wanted: names(wanted),
                found: names(found),
            });
        }
        match misfit(wanted, found) {
            None => Ok(()),
            Some((column, found, wanted)) => Err(Refusal::GoldType {
                product: self.product.clone(),
                column,
                wanted,
                found,
            }),
        }
    }

    /// Whether a check is about rows of several values of the key, so that some of them cannot tell.
    pub(crate) fn is_judged_whole(&self) -> bool {
        let mut errors = self
            .checks
            .iter()
            .filter(|check| check.severity == CheckSeverity::Error);
        errors.any(|check| match check.kind {
            CheckKind::Unique { .. } => {
                let key = self.key.as_ref().map(|key| key.name.as_str());
                !check.kind.columns().iter().any(|column| Some(*column) == key)
            }
            _ => !check.is_row_level(),
        })
    }

    /// Whether a check can keep rows from being published.
    pub(crate) fn rejects(&self) -> bool {
        self.checks
            .iter()
            .any(|check| check.severity == CheckSeverity::Error)
    }

    /// The mask of each column, by name.
    pub(crate) fn maskers(&self) -> impl Iterator<Item = (&str, Option<&Masker>)> {
        self.columns
            .iter()
            .map(|column| (column.column.name.as_str(), column.masker.as_ref()))
    }
}

/// The first column whose values cannot be stored: its name, and the types of what is found and what is wanted.
pub(crate) fn misfit(wanted: &Schema, found: &Schema) -> Option<(String, String, String)> {
    wanted.fields().iter().find_map(|field| {
        let (from, to) = (
            found.field_with_name(field.name()).ok()?.data_type(),
            field.data_type(),
        );
        (from != to && !widens(from, to)).then(|| (field.name().clone(), type_name(from), type_name(to)))
    })
}

/// Whether values of one type may become another's: numbers of one kind, without rounding. One that does not fit is an error.
pub(super) fn widens(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::Float32, DataType::Float64) => true,
        (from, to) if from.is_integer() => to.is_integer() || matches!(to, DataType::Decimal128(..)),
        (DataType::Decimal128(_, from) | DataType::Decimal256(_, from), DataType::Decimal128(_, to)) => {
            from <= to
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_lose_nothing_become_others() {
        for (from, to, may) in [
            (DataType::Int64, DataType::Int32, true),
            (DataType::Int64, DataType::Decimal128(18, 2), true),
            (DataType::Decimal128(28, 2), DataType::Decimal128(18, 2), true),
            (DataType::Decimal128(28, 6), DataType::Decimal128(18, 2), false),
            (DataType::Float64, DataType::Decimal128(18, 2), false),
            (DataType::Utf8, DataType::Date32, false),
        ] {
            assert_eq!(widens(&from, &to), may, "{from} {to}");
        }
    }
}
