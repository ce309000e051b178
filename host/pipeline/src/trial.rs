//! Trying a built component on test data: decode, view and sandbox as in a run, without policies, keys or a lake.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use arrow_select::filter::filter_record_batch;
use malla_contract::{Contract, Product, Source, Step};
use malla_privacy::KeyStore;
use malla_query::{Functions, QueryError, plan_promised};
use malla_sandbox::{Plugin, PluginId, Sandbox, SandboxConfig};
use malla_source::{Decoder, Lines};

use crate::batch::view;
use crate::error::TrialError;
use crate::functions::{FunctionTrial, PluginFunctions, try_function};
use crate::gold::misfit as gold_misfit;
use crate::plan::{self, View};
use crate::quality::checks;

/// What a step made of test data.
#[derive(Debug)]
pub struct TrialReport {
    /// The source's name.
    pub source: String,
    /// `domain.product`.
    pub product: String,
    /// Lines that went in.
    pub lines: u64,
    /// Rows that came out.
    pub kept: u64,
    /// Lines that did not decode, rows that were rejected and those that break a check of single rows, by rule or check.
    pub refused: BTreeMap<String, u64>,
    /// Why the whole batch failed.
    pub failure: Option<String>,
    /// The rows that came out. Columns that policy will mask are left out: test data may be real.
    pub rows: Option<RecordBatch>,
}

/// What a built component did when it was tried.
#[derive(Debug)]
pub struct Trials {
    /// Its steps, on test data.
    pub steps: Vec<TrialReport>,
    /// Its functions, on the edges of their types.
    pub functions: Vec<FunctionTrial>,
    /// What its SQL makes, planned over the tables that its contract promises.
    pub gold: Vec<GoldTrial>,
}

/// Whether a gold product's SQL fits the contract.
#[derive(Debug)]
pub struct GoldTrial {
    /// `domain.product`.
    pub product: String,
    /// A table of another contract, which is not here: the SQL was not looked at.
    pub unknown: Option<String>,
    /// Why it does not fit.
    pub failure: Option<String>,
}

/// Runs every step that the test data feeds, calls every function, and plans what SQL makes. `data` is lines by source name.
///
/// # Errors
/// The component cannot be loaded, its contract is not valid, or there is data for no source of it.
pub fn try_plugin(component: &[u8], data: &[(String, Vec<u8>)]) -> Result<Trials, TrialError> {
    let contract = Contract::parse(&malla_contract::extract(component)?)?;
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugin = sandbox.load(
        PluginId::new(&contract.domain, contract.version.to_string()),
        component,
    )?;
    if let Some(function) = contract.functions.first().filter(|_| !plugin.has_functions()) {
        return Err(TrialError::NoFunctions(function.name.clone()));
    }
    // Tokens in a trial need keys, and nothing else does: keys for this trial alone.
    let folder = tempfile::tempdir().map_err(TrialError::Keys)?;
    let keys = KeyStore::create(&folder.path().join("trial.keys"))?;
    let mut reports = Vec::new();
    for (name, lines) in data {
        let Some(source) = contract.source(name) else {
            return Err(TrialError::NoSource {
                name: name.clone(),
                known: contract
                    .sources
                    .iter()
                    .map(|source| source.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            });
        };
        let lines = Lines::of_file("testdata", lines, source);
        for step in contract.steps_of(name) {
            let Some(product) = contract.product(&step.product) else {
                continue;
            };
            reports.push(
                Trial {
                    contract: &contract,
                    plugin: &plugin,
                    keys: &keys,
                }
                .run(source, step, product, &lines)?,
            );
        }
    }
    let functions = contract.functions.iter();
    Ok(Trials {
        steps: reports,
        functions: functions
            .map(|function| try_function(&plugin, function))
            .collect::<Result<_, _>>()?,
        gold: futures::executor::block_on(try_gold(&contract, &plugin)),
    })
}

async fn try_gold(contract: &Contract, plugin: &Plugin) -> Vec<GoldTrial> {
    let contracts: Arc<[Contract]> = Arc::new([contract.clone()]);
    let mut trials = Vec::new();
    for gold in &contract.gold {
        let product = format!("{}.{}", contract.domain, gold.product);
        let functions = PluginFunctions::of(plugin, contract, &product);
        let functions = functions.map(|functions| functions as Arc<dyn Functions>);
        let planned = plan_promised(Arc::clone(&contracts), &gold.sql, functions).await;
        let promised = contract.product(&gold.product);
        let (mut unknown, mut failure) = (None, None);
        match planned.map(|found| promised.and_then(|promised| misfit(promised, &found))) {
            Ok(misfit) => failure = misfit,
            Err(QueryError::UnknownTable { name, .. }) => unknown = Some(name),
            Err(error) => failure = Some(error.to_string()),
        }
        trials.push(GoldTrial {
            product,
            unknown,
            failure,
        });
    }
    trials
}

/// The columns that one of the two has and the other has not, or the first that is of a type that cannot be stored.
fn misfit(promised: &Product, found: &Schema) -> Option<String> {
    let of_another_type = gold_misfit(&promised.table.schema(), found);
    let promised = promised.table.columns.iter().map(|column| column.name.as_str());
    let promised: BTreeSet<&str> = promised.collect();
    let found: BTreeSet<&str> = found.fields().iter().map(|field| field.name().as_str()).collect();
    let listed = |names: Vec<&&str>| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let missing = listed(promised.difference(&found).collect());
    let more = listed(found.difference(&promised).collect());
    match (missing.as_str(), more.as_str()) {
        ("", "") => of_another_type.map(|(name, found, wanted)| {
            format!("its SQL gives `{name}` as {found}, and the contract promises {wanted}: write CAST(.. AS {wanted})")
        }),
        ("", more) => Some(format!(
            "its SQL gives {more}, which the contract does not promise"
        )),
        (missing, _) => Some(format!(
            "its SQL does not give {missing}, which the contract promises"
        )),
    }
}

/// Rows that the host would put into quarantine, with the check that each breaks.
fn unfit(product: &Product, name: &str, rows: &RecordBatch) -> Result<BTreeMap<usize, String>, TrialError> {
    let report = checks(name, product)?.run(rows).map_err(TrialError::Check)?;
    let mut first = BTreeMap::new();
    for (row, check) in report.rejections() {
        first.entry(row).or_insert_with(|| check.name.clone());
    }
    Ok(first)
}

struct Trial<'a> {
    contract: &'a Contract,
    plugin: &'a Plugin,
    keys: &'a KeyStore,
}

impl Trial<'_> {
    fn run(
        &self,
        source: &Source,
        step: &Step,
        product: &Product,
        lines: &Lines,
    ) -> Result<TrialReport, TrialError> {
        let decoded = Decoder::new(source)?.decode(lines)?;
        let View { reads, tokens, .. } = plan::view(self.contract, source, step, self.keys, None)?;
        let input =
            view(&decoded.batch, &tokens).map_err(|(column, source)| TrialError::Mask { column, source })?;
        let sandbox_step = malla_sandbox::Step {
            name: step.name.clone(),
            reads,
            output: Arc::new(product.table.schema()),
            rules: step.rules.clone(),
        };
        let mut report = TrialReport {
            source: source.name.clone(),
            product: format!("{}.{}", self.contract.domain, product.name),
            lines: lines.len() as u64,
            kept: 0,
            refused: BTreeMap::new(),
            failure: None,
            rows: None,
        };
        for failure in &decoded.failed {
            *report.refused.entry(failure.rule.to_owned()).or_default() += 1;
        }
        // A fixed time: the same test data gives the same rows.
        match self.plugin.run(&sandbox_step, &input, 0) {
            Ok(output) => {
                for rejection in &output.rejected {
                    *report.refused.entry(rejection.rule.clone()).or_default() += 1;
                }
                let unfit = unfit(product, &report.product, &output.batch)?;
                for check in unfit.values() {
                    *report.refused.entry(check.clone()).or_default() += 1;
                }
                let fit = (0..output.batch.num_rows()).map(|row| Some(!unfit.contains_key(&row)));
                let rows = filter_record_batch(&output.batch, &fit.collect())?;
                report.kept = rows.num_rows() as u64;
                let open: Vec<usize> = (0..product.table.columns.len())
                    .filter(|index| {
                        product
                            .table
                            .columns
                            .get(*index)
                            .is_some_and(|column| !column.needs_mask())
                    })
                    .collect();
                report.rows = Some(rows.project(&open)?);
            }
            Err(error) => report.failure = Some(error.to_string()),
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_only_one_of_the_two_has_are_named() {
        let contract = include_str!("../../../plugins/logistica/contract.yaml");
        let contract = Contract::parse(contract).unwrap();
        let product = contract.product("puntualidad").unwrap();
        let whole = product.table.schema();
        assert_eq!(misfit(product, &whole), None);
        let more: Vec<_> = whole.fields().iter().skip(2).cloned().collect();
        assert_eq!(
            misfit(product, &Schema::new(more)).unwrap(),
            "its SQL does not give `fecha`, `region`, which the contract promises"
        );
        let promised = whole.fields().iter().cloned();
        let other = Arc::new(arrow_schema::Field::new(
            "otra",
            arrow_schema::DataType::Int32,
            true,
        ));
        assert_eq!(
            misfit(product, &Schema::new(promised.chain([other]).collect::<Vec<_>>())).unwrap(),
            "its SQL gives `otra`, which the contract does not promise"
        );
    }
}
