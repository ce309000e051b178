//! Trying a built component on test data: decode, view and sandbox as in a run, without policies, keys or a lake.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use malla_contract::{Contract, Product, Source, Step};
use malla_privacy::KeyStore;
use malla_sandbox::{Plugin, PluginId, Sandbox, SandboxConfig};
use malla_source::{Decoder, Lines};

use crate::batch::view;
use crate::error::TrialError;
use crate::plan::{self, View};

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
    /// Lines that did not decode and rows that were rejected, by rule.
    pub refused: BTreeMap<String, u64>,
    /// Why the whole batch failed.
    pub failure: Option<String>,
    /// The rows that came out. Columns that policy will mask are left out: test data may be real.
    pub rows: Option<RecordBatch>,
}

/// Runs every step that the test data feeds. `data` is lines by source name.
///
/// # Errors
/// The component cannot be loaded, its contract is not valid, or there is data for no source of it.
pub fn try_plugin(component: &[u8], data: &[(String, Vec<u8>)]) -> Result<Vec<TrialReport>, TrialError> {
    let contract = Contract::parse(&malla_contract::extract(component)?)?;
    let sandbox = Sandbox::new(SandboxConfig::default())?;
    let plugin = sandbox.load(
        PluginId::new(&contract.domain, contract.version.to_string()),
        component,
    )?;
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
    Ok(reports)
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
                report.kept = output.batch.num_rows() as u64;
                let open: Vec<usize> = (0..product.table.columns.len())
                    .filter(|index| {
                        product
                            .table
                            .columns
                            .get(*index)
                            .is_some_and(|column| !column.needs_mask())
                    })
                    .collect();
                report.rows = Some(output.batch.project(&open)?);
            }
            Err(error) => report.failure = Some(error.to_string()),
        }
        Ok(report)
    }
}
