//! What is decided once for a flow, before any data moves: schemas, the plugin's view, masks.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use malla_contract::{Column, ColumnType, Contract, Date, MaskKind, Product, Source, Step};
use malla_lake::{Layer, TableId, TableSpec};
use malla_policy::{
    Action, Decision, Inflow, MaskAt, MaskRule, NO_PURPOSE, Policy, Request, Undeclared, pseudonym,
};
use malla_privacy::{KeyStore, Masker, Sealer};
use malla_quality::Checks;
use malla_sandbox::Plugin;
use malla_source::{Decoder, SchemaLookup, SourceError};

use crate::config::SourceConfig;
use crate::error::Refusal;
use crate::plugins::Fleet;
use crate::quality::checks;
use crate::quarantine;
use crate::screen::Screen;

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
    pub(crate) contract: Arc<Contract>,
    pub(crate) source: Source,
    pub(crate) place: SourceConfig,
    /// Where the schemas are that messages name.
    schemas: Option<Arc<dyn SchemaLookup>>,
    pub(crate) plugin: Plugin,
    pub(crate) plugin_version: String,
    pub(crate) policy_digest: String,
    /// The rules that let the plugin write each of its tables: object and place.
    pub(crate) grants: Vec<(String, String)>,
    pub(crate) screen: Screen,
    /// Source columns in which nobody declared personal data.
    pub(crate) screened: Vec<usize>,
    pub(crate) raw: RawPlan,
    pub(crate) quarantine: QuarantinePlan,
    pub(crate) steps: Vec<StepPlan>,
}

impl Flow {
    /// Whether it is made by the version of the plugin that is in use.
    pub(crate) fn is_of(&self, fleet: &Fleet) -> bool {
        fleet.has(&self.domain, self.plugin.digest())
    }

    /// A decoder of the source's events.
    pub(crate) fn decoder(&self) -> Result<Decoder, SourceError> {
        match &self.schemas {
            Some(schemas) => Decoder::with_schemas(&self.source, Arc::clone(schemas)),
            None => Decoder::new(&self.source),
        }
    }
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
    /// The step sees values behind masks: what it says may quote them, and is kept from everybody.
    pub(crate) sees_raw: bool,
    pub(crate) spec: TableSpec,
    pub(crate) columns: Vec<ColumnPlan>,
    /// What the contract promises of the rows.
    pub(crate) checks: Checks,
}

/// What may flow into one output column, and how it is hidden.
pub(crate) struct ColumnPlan {
    pub(crate) masker: Option<Masker>,
    /// The rule of the mask, for the audit log.
    pub(crate) mask: Option<String>,
    /// Why the step may not compute it: it reads what the column does not declare.
    pub(crate) computed: Result<(), Undeclared>,
    /// Source columns that may not be forwarded into it, and why.
    pub(crate) not_from: BTreeMap<usize, Undeclared>,
    /// Whether undeclared personal data is looked for in what the step computes.
    pub(crate) screened: bool,
}

/// All that a plan is made from.
pub(crate) struct Ingredients<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) plugin: &'a Plugin,
    pub(crate) policy: &'a Policy,
    pub(crate) keys: &'a KeyStore,
    /// What has an expiry date is looked at by it.
    pub(crate) today: Date,
}

impl Ingredients<'_> {
    pub(crate) fn flow(&self, source: &Source, place: SourceConfig) -> Result<Flow, Refusal> {
        let domain = &self.contract.domain;
        let screened = source.table.columns.iter().enumerate();
        let screened = screened.filter(|(_, column)| Screen::looks_at(column));
        if let SourceConfig::Kafka(kafka) = &place {
            kafka.check_format(&source.format)?;
        }
        Ok(Flow {
            grants: self.grants(source)?,
            screen: Screen::new(self.policy),
            screened: screened.map(|(index, _)| index).collect(),
            name: format!("{domain}.{}", source.name),
            domain: domain.clone(),
            contract: Arc::new(self.contract.clone()),
            source: source.clone(),
            schemas: match &place {
                SourceConfig::Kafka(kafka) => kafka
                    .schemas()?
                    .map(|registry| Arc::new(registry) as Arc<dyn SchemaLookup>),
                SourceConfig::Directory(_) | SourceConfig::Sftp(_) => None,
            },
            place,
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

    /// Nothing is written that no rule lets the plugin write.
    fn grants(&self, source: &Source) -> Result<Vec<(String, String)>, Refusal> {
        let domain = &self.contract.domain;
        let products = self
            .contract
            .steps_of(&source.name)
            .map(|step| format!("{domain}.{}", step.product));
        let tables = [
            format!("{domain}_raw.{}", source.name),
            format!("{domain}_quarantine.{}", source.name),
        ];
        tables
            .into_iter()
            .chain(products)
            .map(|object| granted(self.policy, self.contract, &object).map(|rule| (object, rule)))
            .collect()
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
        let View {
            reads,
            tokens,
            seen,
            sees_raw,
        } = view(self.contract, source, step, self.keys, Some(self.policy))?;
        let schema: SchemaRef = Arc::new(product.table.schema());
        let rules = rules(self.policy, &name, product)?;
        let without_statistics = without_statistics(product, &rules);
        let columns = product
            .table
            .columns
            .iter()
            .zip(rules)
            .map(|(column, rule)| self.column(&name, source, &seen, column, rule))
            .collect::<Result<_, _>>()?;
        let checks = checks(&name, product)?;
        Ok(StepPlan {
            product: name,
            step: malla_sandbox::Step {
                name: step.name.clone(),
                reads,
                output: Arc::clone(&schema),
                rules: step.rules.clone(),
            },
            tokens,
            sees_raw,
            spec: TableSpec {
                id: TableId::new(&self.contract.domain, Layer::Curated, &product.name)?,
                schema,
                partition_by: product
                    .table
                    .partition_columns()
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
                without_statistics,
            },
            columns,
            checks,
        })
    }

    /// `seen`: the columns that the step reads, as it sees them.
    fn column(
        &self,
        product: &str,
        source: &Source,
        seen: &[(String, Column)],
        column: &Column,
        rule: Option<&MaskRule>,
    ) -> Result<ColumnPlan, Refusal> {
        let masker = write_masker(self.keys, product, column, rule)?;
        let rule = rule.filter(|rule| rule.at == MaskAt::Write);
        let name = format!("{product}/{}", column.name);
        let flows =
            |inflow: &[Inflow<'_>]| self.policy.effective(&name, column, inflow, self.today).map(drop);
        let computed: Vec<Inflow<'_>> = seen
            .iter()
            .map(|(name, column)| Inflow { name, column })
            .collect();
        let mut not_from = BTreeMap::new();
        for (index, from) in source.table.columns.iter().enumerate() {
            let name = source_column(self.contract, source, from);
            let forward = [Inflow {
                name: &name,
                column: from,
            }];
            if from.ty == column.ty
                && let Err(undeclared) = flows(&forward)
            {
                not_from.insert(index, undeclared);
            }
        }
        Ok(ColumnPlan {
            masker,
            mask: rule.map(|rule| format!("{} masks.toml:{}", rule.mask, rule.line)),
            computed: flows(&computed),
            not_from,
            screened: Screen::looks_at(column),
        })
    }
}

/// What a step sees.
pub(crate) struct View {
    /// Input columns, in the order of the step's `reads`.
    pub(crate) reads: Vec<usize>,
    /// Source columns whose tokens are appended to the input.
    pub(crate) tokens: Vec<(usize, Masker)>,
    /// The columns that the step reads, with the classification of what it sees of them, and their full names.
    pub(crate) seen: Vec<(String, Column)>,
    /// Some of them are values behind a mask.
    pub(crate) sees_raw: bool,
}

/// What the plugin sees: raw values of what anybody may see or policy lets it see, tokens of the rest. It cannot tell how
/// to get more.
pub(crate) fn view(
    contract: &Contract,
    source: &Source,
    step: &Step,
    keys: &KeyStore,
    policy: Option<&Policy>,
) -> Result<View, Refusal> {
    let mut view = View {
        reads: Vec::with_capacity(step.reads.len()),
        tokens: Vec::new(),
        seen: Vec::with_capacity(step.reads.len()),
        sees_raw: false,
    };
    let table = format!("{}_raw.{}", contract.domain, source.name);
    let columns = step
        .reads
        .iter()
        .filter_map(|name| Some((source.table.index_of(name)?, source.table.column(name)?)));
    for (index, column) in columns {
        let name = source_column(contract, source, column);
        let raw =
            || policy.is_some_and(|p| p.plugin_sees(&contract.domain, &table, column, purpose(contract)));
        let secret = column.needs_mask();
        if !secret || raw() {
            view.reads.push(index);
            view.seen.push((name, column.clone()));
            view.sees_raw |= secret;
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
        view.reads.push(source.table.columns.len() + view.tokens.len());
        view.seen.push((name, pseudonym(column)));
        view.tokens.push((
            index,
            Masker::for_column(keys, MaskKind::Token, column, group).map_err(refuse)?,
        ));
    }
    Ok(view)
}

/// The mask of each column of a product, if policy lets the product be.
pub(crate) fn rules<'p>(
    policy: &'p Policy,
    name: &str,
    product: &Product,
) -> Result<Vec<Option<&'p MaskRule>>, Refusal> {
    let rules = policy.plan(name, &product.table)?;
    policy
        .check_row_filters(name, &product.table)
        .map_err(Refusal::RowFilters)?;
    Ok(rules)
}

/// Columns whose values stand in no statistics of the table.
pub(crate) fn without_statistics(product: &Product, rules: &[Option<&MaskRule>]) -> Vec<String> {
    let columns = product.table.columns.iter().zip(rules);
    let hidden = columns.filter(|(column, rule)| column.needs_mask() || rule.is_some());
    names(hidden.map(|(column, _)| column))
}

/// What hides a column before it is written.
pub(crate) fn write_masker(
    keys: &KeyStore,
    product: &str,
    column: &Column,
    rule: Option<&MaskRule>,
) -> Result<Option<Masker>, Refusal> {
    if let Some(rule) = rule.filter(|_| column.partition.is_some()) {
        return Err(Refusal::MaskedPartition {
            product: product.to_owned(),
            column: column.name.clone(),
            line: rule.line,
        });
    }
    rule.filter(|rule| rule.at == MaskAt::Write)
        .map(|rule| Masker::for_column(keys, rule.mask, column, Some(&rule.join_group)))
        .transpose()
        .map_err(|source| Refusal::Masker {
            product: product.to_owned(),
            column: column.name.clone(),
            source,
        })
}

/// The rule that lets a domain's plugin write a table.
pub(crate) fn granted(policy: &Policy, contract: &Contract, object: &str) -> Result<String, Refusal> {
    let domain = &contract.domain;
    let decision = policy.decide(&Request {
        principal: &format!("plugin:{domain}"),
        domain,
        object,
        action: Action::Write,
        purpose: purpose(contract),
    });
    match decision {
        Decision::Allow { rule } => Ok(rule.id.to_string()),
        Decision::Deny { rule } => Err(Refusal::WriteDenied {
            domain: domain.clone(),
            table: object.to_owned(),
            rule: rule.id.to_string(),
        }),
        Decision::NoRule => Err(Refusal::NoWriteRule {
            domain: domain.clone(),
            schema: object.split('.').next().unwrap_or_default().to_owned(),
            table: object.to_owned(),
        }),
    }
}

pub(crate) fn purpose(contract: &Contract) -> &str {
    contract.purpose.as_deref().unwrap_or(NO_PURPOSE)
}

/// `ventas_raw.transacciones/email`.
fn source_column(contract: &Contract, source: &Source, column: &Column) -> String {
    format!("{}_raw.{}/{}", contract.domain, source.name, column.name)
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
