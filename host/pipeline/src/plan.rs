//! What is decided once for a flow, before any data moves: schemas, the plugin's view, masks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use malla_contract::{Column, ColumnType, Contract, MaskKind, Product, Source, Step};
use malla_lake::{Layer, TableId, TableSpec};
use malla_policy::{MaskRule, Policy};
use malla_privacy::{KeyStore, Masker, Sealer};
use malla_sandbox::Plugin;

use crate::error::{NoMask, Refusal};
use crate::quarantine;

/// Columns that the host adds to every raw table.
pub(crate) const SOURCE_PARTITION: &str = "source_partition";
pub(crate) const SOURCE_OFFSET: &str = "source_offset";
pub(crate) const FECHA: &str = "fecha";
pub(crate) const REGION: &str = "region";

/// One source of one domain, with every step that it feeds.
pub(crate) struct Flow {
    /// `domain.source`.
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) source: Source,
    pub(crate) directory: PathBuf,
    pub(crate) plugin: Plugin,
    pub(crate) plugin_version: String,
    pub(crate) policy_digest: String,
    pub(crate) raw: RawPlan,
    pub(crate) quarantine: QuarantinePlan,
    pub(crate) steps: Vec<StepPlan>,
}

/// Events as they came, personal columns sealed.
pub(crate) struct RawPlan {
    pub(crate) spec: TableSpec,
    /// For each source column, whether it is sealed.
    pub(crate) sealed: Vec<bool>,
    pub(crate) event_time: Option<usize>,
    pub(crate) sealer: Sealer,
}

pub(crate) struct QuarantinePlan {
    pub(crate) spec: TableSpec,
    /// The source column called `region`, when it is text.
    pub(crate) region: Option<usize>,
    pub(crate) sealer: Sealer,
}

pub(crate) struct StepPlan {
    pub(crate) product: String,
    pub(crate) step: malla_sandbox::Step,
    /// Source columns that the step sees only as tokens. The k-th of them is the input column after the last
    /// source column plus k.
    pub(crate) tokens: Vec<(usize, Masker)>,
    pub(crate) spec: TableSpec,
    pub(crate) masks: Vec<ColumnMasks>,
}

/// How one output column is hidden.
pub(crate) struct ColumnMasks {
    pub(crate) declared: Option<Masker>,
    /// Where a sensitive source column is forwarded into this one: the mask of both, joined. A plugin cannot take a
    /// value out of its classification by forwarding it into a column that declares none.
    pub(crate) forwarded: BTreeMap<usize, Result<Masker, NoMask>>,
}

/// All that a plan is made from.
pub(crate) struct Ingredients<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) plugin: &'a Plugin,
    pub(crate) policy: &'a Policy,
    pub(crate) keys: &'a KeyStore,
}

impl Ingredients<'_> {
    pub(crate) fn flow(&self, source: &Source, directory: PathBuf) -> Result<Flow, Refusal> {
        let domain = &self.contract.domain;
        Ok(Flow {
            name: format!("{domain}.{}", source.name),
            domain: domain.clone(),
            source: source.clone(),
            directory,
            plugin: self.plugin.clone(),
            plugin_version: self.contract.version.to_string(),
            policy_digest: self.policy.digest().to_owned(),
            raw: self.raw(source)?,
            quarantine: self.quarantine(source)?,
            steps: self
                .contract
                .steps_of(&source.name)
                .filter_map(|step| {
                    self.contract
                        .product(&step.product)
                        .map(|product| (step, product))
                })
                .map(|(step, product)| self.step(source, step, product))
                .collect::<Result<_, _>>()?,
        })
    }

    fn raw(&self, source: &Source) -> Result<RawPlan, Refusal> {
        let reserved = [SOURCE_PARTITION, SOURCE_OFFSET, FECHA];
        if let Some(column) = source
            .table
            .columns
            .iter()
            .find(|c| reserved.contains(&c.name.as_str()))
        {
            return Err(Refusal::ReservedColumn {
                domain: self.contract.domain.clone(),
                source_name: source.name.clone(),
                column: column.name.clone(),
            });
        }
        let sealed: Vec<bool> = source.table.columns.iter().map(Column::needs_mask).collect();
        let mut fields = vec![
            Field::new(SOURCE_PARTITION, DataType::Utf8, false),
            Field::new(SOURCE_OFFSET, DataType::Int64, false),
            Field::new(FECHA, DataType::Date32, false),
        ];
        fields.extend(source.table.columns.iter().zip(&sealed).map(|(column, sealed)| {
            if *sealed {
                Field::new(&column.name, DataType::Binary, !column.required)
            } else {
                column.field()
            }
        }));
        let mut partition_by = vec![FECHA.to_owned()];
        partition_by.extend(region(source).map(|column| column.name.clone()));
        let id = TableId::new(&self.contract.domain, Layer::Raw, &source.name)?;
        Ok(RawPlan {
            sealer: Sealer::new(self.keys, &id.to_string()),
            spec: TableSpec {
                id,
                schema: Arc::new(Schema::new(fields)),
                partition_by,
                without_statistics: names(source.table.columns.iter().filter(|c| c.needs_mask())),
            },
            event_time: source
                .event_time
                .as_deref()
                .and_then(|name| source.table.index_of(name)),
            sealed,
        })
    }

    fn quarantine(&self, source: &Source) -> Result<QuarantinePlan, Refusal> {
        let id = TableId::new(&self.contract.domain, Layer::Quarantine, &source.name)?;
        Ok(QuarantinePlan {
            sealer: Sealer::new(self.keys, &id.to_string()),
            spec: TableSpec {
                id,
                schema: quarantine::schema(),
                partition_by: vec![FECHA.to_owned(), REGION.to_owned()],
                without_statistics: vec!["line".to_owned(), "message".to_owned()],
            },
            region: region(source).and_then(|column| source.table.index_of(&column.name)),
        })
    }

    fn step(&self, source: &Source, step: &Step, product: &Product) -> Result<StepPlan, Refusal> {
        let name = format!("{}.{}", self.contract.domain, product.name);
        let View { reads, tokens } = view(self.contract, source, step, self.keys, Some(self.policy))?;
        let schema: SchemaRef = Arc::new(product.table.schema());
        let rules = self.policy.plan(&name, &product.table)?;
        let columns = product.table.columns.iter();
        let masks = columns
            .zip(rules)
            .map(|(column, rule)| self.masks(&name, source, column, rule))
            .collect::<Result<_, _>>()?;
        Ok(StepPlan {
            product: name,
            step: malla_sandbox::Step {
                name: step.name.clone(),
                reads,
                output: Arc::clone(&schema),
                rules: step.rules.clone(),
            },
            tokens,
            spec: TableSpec {
                id: TableId::new(&self.contract.domain, Layer::Curated, &product.name)?,
                schema,
                partition_by: product
                    .table
                    .partition_columns()
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
                without_statistics: names(product.table.columns.iter().filter(|c| c.needs_mask())),
            },
            masks,
        })
    }

    fn masks(
        &self,
        product: &str,
        source: &Source,
        column: &Column,
        rule: Option<&MaskRule>,
    ) -> Result<ColumnMasks, Refusal> {
        let refuse = |source| Refusal::Masker {
            product: product.to_owned(),
            column: column.name.clone(),
            source,
        };
        let declared = rule
            .map(|rule| self.masker(rule, column))
            .transpose()
            .map_err(refuse)?;
        let mut forwarded = BTreeMap::new();
        for (index, from) in source.table.columns.iter().enumerate() {
            if !from.needs_mask() || from.ty != column.ty {
                continue;
            }
            let mut joined = column.clone();
            joined.tags.extend(from.tags.iter().cloned());
            joined.classification = joined.classification.max(from.classification);
            // An error only when the plugin does forward this column into that one.
            let masker = match self.policy.mask(product, &joined) {
                Ok(Some(rule)) => self
                    .masker(rule, &joined)
                    .map_err(|error| NoMask::Unfit(error.to_string())),
                Ok(None) => continue,
                Err(missing) => Err(missing.into()),
            };
            forwarded.insert(index, masker);
        }
        Ok(ColumnMasks { declared, forwarded })
    }

    fn masker(&self, rule: &MaskRule, column: &Column) -> Result<Masker, malla_privacy::MaskError> {
        Masker::for_column(self.keys, rule.mask, column, Some(&rule.join_group))
    }
}

/// What a step sees.
pub(crate) struct View {
    /// Input columns, in the order of the step's `reads`.
    pub(crate) reads: Vec<usize>,
    /// Source columns whose tokens are appended to the input.
    pub(crate) tokens: Vec<(usize, Masker)>,
}

/// What the plugin sees: raw values of what anybody may see, tokens of the rest. Grants for raw values are the policy's
/// to give; without one, no plugin has them.
pub(crate) fn view(
    contract: &Contract,
    source: &Source,
    step: &Step,
    keys: &KeyStore,
    policy: Option<&Policy>,
) -> Result<View, Refusal> {
    let mut reads = Vec::with_capacity(step.reads.len());
    let mut tokens = Vec::new();
    let columns = step
        .reads
        .iter()
        .filter_map(|name| Some((source.table.index_of(name)?, source.table.column(name)?)));
    for (index, column) in columns {
        if !column.needs_mask() {
            reads.push(index);
            continue;
        }
        if column.ty != ColumnType::Utf8 {
            return Err(Refusal::Unshowable {
                domain: contract.domain.clone(),
                step: step.name.clone(),
                column: column.name.clone(),
                why: if column.is_personal() {
                    "personal".into()
                } else {
                    column.classification.to_string()
                },
            });
        }
        let product = format!("{}.{}", contract.domain, step.product);
        let missing = |source| Refusal::Mask {
            product: product.clone(),
            source,
        };
        let rule = policy
            .map(|policy| policy.mask(&product, column))
            .transpose()
            .map_err(missing)?
            .flatten();
        let group = rule.map(|rule| rule.join_group.as_str());
        let refuse = |source| Refusal::Masker {
            product: product.clone(),
            column: column.name.clone(),
            source,
        };
        reads.push(source.table.columns.len() + tokens.len());
        tokens.push((
            index,
            Masker::for_column(keys, MaskKind::Token, column, group).map_err(refuse)?,
        ));
    }
    Ok(View { reads, tokens })
}

/// The column by which raw and quarantine are partitioned beside `fecha`.
fn region(source: &Source) -> Option<&Column> {
    source
        .table
        .column(REGION)
        .filter(|column| column.ty == ColumnType::Utf8 && !column.needs_mask())
}

fn names<'a>(columns: impl Iterator<Item = &'a Column>) -> Vec<String> {
    columns.map(|column| column.name.clone()).collect()
}
