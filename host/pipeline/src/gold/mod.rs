//! Products that SQL makes of others: only what changed is made anew, and it is what a fresh computation would give.
//!
//! INVARIANT: a commit says which version of each input the table's rows are made of, and lands only on the version of the
//! table that it was made for, so rows are of one version of every input.

mod backfill;
mod job;
mod plan;
mod retention;
mod schedule;
mod versions;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, RecordBatch};
use malla_audit::{Kind, Outcome, Record};
use malla_contract::{CheckSeverity, Contract, type_name};
use malla_lake::{Advance, Commit, LakeError, Replaced, Table};
use malla_quality::{Status, Totals};
use malla_query::{Governance, Limits, Query, QueryResult};

pub(crate) use plan::GoldPlan;
pub(crate) use plan::misfit;
use plan::widens;
pub(crate) use schedule::{GoldReport, Goldsmith};
pub(crate) use versions::last_made;
use versions::{Stale, info, recipe, stale};

use crate::error::{FlowError, Refusal};
use crate::judge::put_counts;
use crate::lineage::gold_making;
use crate::mesh::{Mesh, today};
use crate::plugins::Domain;
use crate::quality::told;
use crate::report::ProductReport;
use crate::runs::RunMark;

/// Rows that one product may get at once.
const ROWS: usize = 20_000_000;
/// How long making it may take.
const TIME: Duration = Duration::from_secs(3600);

/// How a product is made.
pub(crate) struct Making<'a> {
    /// Values of its key that are made anew though nothing of them changed, as the log writes them.
    pub(crate) also: BTreeSet<Option<String>>,
    /// How long it may take until it is committed.
    pub(crate) timeout: Option<Duration>,
    /// Told when there is something to make.
    pub(crate) begins: &'a (dyn Fn() -> Option<RunMark> + Sync),
}

/// What came of it.
pub(crate) enum Made {
    Anew(ProductReport),
    /// It is of the newest versions of its inputs already.
    Same,
    /// Another process made it meanwhile.
    Overtaken,
    /// It was made under a policy that is not in force any more.
    NewPolicy,
    /// Nothing was committed.
    TooLong,
}

/// What is ready to be committed.
struct Ready {
    table: Table,
    commit: Commit,
    rows: usize,
    parts: Option<usize>,
    /// The inputs' files were put together, or nothing came with their offsets: no row is another.
    same: bool,
}

impl Mesh {
    /// Makes one product anew as far as its inputs changed.
    pub(crate) async fn refresh_gold(&self, plan: &GoldPlan, making: &Making<'_>) -> Result<Made, FlowError> {
        let started = Instant::now();
        let preparing = self.prepare_gold(plan, making);
        // What is being committed is left to land: it is bounded by itself, and only then is known what became of it.
        let ready = match making.timeout {
            None => preparing.await?,
            Some(timeout) => match tokio::time::timeout(timeout, preparing).await {
                Ok(ready) => ready?,
                Err(_) => return Ok(Made::TooLong),
            },
        };
        let Some(Ready {
            table,
            commit,
            rows,
            parts,
            same,
        }) = ready
        else {
            return Ok(Made::Same);
        };
        // A round takes long, and nothing that the policy before let pass is committed after it.
        if self.policies.current().digest() != plan.policy_digest {
            return Ok(Made::NewPolicy);
        }
        let committed = match table.commit(commit).await {
            Ok(committed) => committed,
            Err(LakeError::Moved { .. } | LakeError::OffsetConflict { .. }) => return Ok(Made::Overtaken),
            Err(error) => return Err(error.into()),
        };
        if same {
            return Ok(Made::Same);
        }
        self.stamped.notify_one();
        if let Some(judging) = &plan.judging
            && let Err(error) = self.judge(judging).await
        {
            // The next look at all products does it.
            tracing::warn!(product = plan.product, %error, "A product was not judged.");
        }
        tracing::info!(product = plan.product, rows, parts, elapsed = ?started.elapsed(), "Made anew.");
        Ok(Made::Anew(ProductReport {
            product: plan.product.clone(),
            derived: true,
            kept: rows as u64,
            files: committed.files as u64,
            version: Some(committed.version),
            seconds: started.elapsed().as_secs_f64(),
            ..ProductReport::default()
        }))
    }

    /// `None`: nothing is to be made.
    async fn prepare_gold(&self, plan: &GoldPlan, making: &Making<'_>) -> Result<Option<Ready>, FlowError> {
        let failed = |source| FlowError::Query {
            product: plan.product.clone(),
            source,
        };
        let asker = plan.asker();
        let policy = self.policy();
        let contracts = self.contracts();
        let begun = chrono::Utc::now().timestamp_millis();
        let query = self.query_with(Arc::clone(&contracts));
        let table = self.lake.table(plan.spec.clone()).await?;
        let limits = Limits {
            time: making.timeout.unwrap_or(TIME),
            ..self.gold_limits()
        };
        let derivation = query.derive(&asker, &plan.sql, &limits, plan.callable());
        let derivation = derivation.await.map_err(failed)?;
        plan.fits(&derivation.schema())?;
        let key = plan.key.as_ref().map(|key| key.name.as_str());
        let inputs = derivation.inputs(key).map_err(failed)?;
        plan.check(&policy, &derivation.inflows().map_err(failed)?, today())?;
        if let Some(functions) = &plan.functions {
            functions.reads(&inputs);
        }

        let recipe = recipe(plan, &inputs);
        // Before anything of the table is looked at: whoever commits meanwhile moves it.
        let counter = format!("malla/{}", table.id());
        let count = table.offset(&counter).await?;
        let stale = match last_made(&table).await? {
            Some(last) if last.recipe == recipe => {
                stale(plan, &inputs, &last.inputs).await.map_err(failed)?
            }
            _ => Stale::Rows(Replaced::All),
        };
        let in_parts = !plan.is_judged_whole() && inputs.iter().all(|input| !input.own_names);
        let replaces = match plan.with(stale, &making.also) {
            Stale::Rows(Replaced::Partitions { .. }) if !in_parts => Some(Replaced::All),
            Stale::Rows(stale) => Some(stale),
            unchanged => {
                if let Some(judging) = plan.judging.as_ref().filter(|_| plan.rejects()) {
                    self.forget_unpublished(judging).await?;
                }
                if matches!(unchanged, Stale::Nothing) {
                    return Ok(None);
                }
                None
            }
        };
        let (mut batches, mut counted, mut stamp) = (Vec::new(), None, None);
        let replaces = match replaces {
            None => None,
            Some(replaces) => {
                let run = (making.begins)();
                let flows = derivation.column_flows().map_err(failed)?;
                let made = gold_making(plan, &flows, &contracts, &policy);
                stamp = Some(self.stamp(made.into_iter().collect(), run).await?);
                for held in inputs.iter().filter_map(|input| input.held.as_ref()) {
                    tracing::warn!(product = plan.product, "Made of an older version: {held}");
                }
                let replaces = retention::leave_closed(plan, &inputs, replaces)
                    .await
                    .map_err(failed)?;
                let made = derivation.rows(&replaces).await.map_err(failed)?;
                let promised = plan.promised(&made)?;
                let counts = plan.count(&promised)?;
                let failed = plan.failed(&counts);
                if !failed.is_empty() {
                    if let Some(judging) = &plan.judging {
                        self.hold_unpublished(judging, &table, &counts, plan.is_judged_whole())
                            .await?;
                    }
                    return Err(FlowError::HeldBack {
                        product: plan.product.clone(),
                        failed,
                    });
                }
                batches = plan.stored(&promised)?;
                counted = Some(counts);
                Some(replaces)
            }
        };
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        self.audit.record(
            Record::new(Kind::Write, &plan.product, Outcome::Allow)
                .with_principal(asker.principal)
                .with_action("write")
                .with_purpose(asker.purpose)
                .with_rule(&plan.rule)
                .with_policy(&plan.policy_digest)
                .with_detail("rows", rows)
                .with_detail("plugin", &plan.plugin_digest),
        )?;
        self.audit.flush()?;
        Ok(Some(Ready {
            table,
            rows,
            same: replaces.is_none(),
            parts: match &replaces {
                None | Some(Replaced::All | Replaced::From { .. }) => None,
                Some(Replaced::Partitions { values, .. }) => Some(values.len()),
            },
            commit: Commit {
                batches,
                advances: vec![Advance {
                    app_id: counter,
                    from: count,
                    to: count.map_or(1, |count| count + 1),
                }],
                replaces,
                info: {
                    let mut info = info(plan, recipe, &inputs);
                    if let Some(stamp) = stamp {
                        stamp.put(&mut info, &plan.spec.id, Some(begun));
                    }
                    if let Some(counted) = &counted {
                        put_counts(&mut info, counted);
                    }
                    info
                },
            },
        }))
    }
}

impl Mesh {
    /// Reads the lake as these contracts promise it.
    pub(crate) fn query_with(&self, contracts: Arc<[Contract]>) -> Query {
        Query::open(
            self.lake.clone(),
            Governance {
                policy: self.policy(),
                keys: Arc::clone(self.keys()),
                contracts,
                audit: Arc::clone(&self.audit),
                today: today(),
            },
        )
    }
}

impl GoldPlan {
    /// What is made anew: what is stale, and these values of the key too. All rows stay of one version of every input.
    fn with(&self, stale: Stale, also: &BTreeSet<Option<String>>) -> Stale {
        let Some(key) = self.key.as_ref().filter(|_| !also.is_empty()) else {
            return stale;
        };
        Stale::Rows(match stale {
            Stale::Rows(Replaced::Partitions { column, mut values }) => {
                values.extend(also.iter().cloned());
                Replaced::Partitions { column, values }
            }
            Stale::Rows(all) => all,
            Stale::Nothing | Stale::Versions => Replaced::Partitions {
                column: key.name.clone(),
                values: also.clone(),
            },
        })
    }

    /// The rows as policy lets them be stored.
    fn stored(&self, promised: &[RecordBatch]) -> Result<Vec<RecordBatch>, FlowError> {
        promised.iter().map(|batch| self.mask(batch)).collect()
    }

    /// What the checks find in rows that are not published yet.
    fn count(&self, batches: &[RecordBatch]) -> Result<Totals, FlowError> {
        let failed = |source| FlowError::Check {
            product: self.product.clone(),
            source,
        };
        let mut totals = self.checks.totals();
        for batch in batches {
            let report = self.checks.run(batch).map_err(failed)?;
            // Of the same checks.
            let _ = totals.add(&report);
        }
        Ok(totals)
    }

    /// Why rows are not published: one of them breaks a check, or all of them do. What was there before stays.
    fn failed(&self, counted: &Totals) -> Vec<String> {
        let verdicts = counted.verdicts(chrono::Utc::now().timestamp_micros());
        let failed = verdicts.iter().filter(|verdict| {
            verdict.status == Status::Failure && verdict.check.severity == CheckSeverity::Error
        });
        failed.map(told).collect()
    }

    fn mask(&self, batch: &RecordBatch) -> Result<RecordBatch, FlowError> {
        let mut columns = batch.columns().to_vec();
        for (column, (name, masker)) in columns.iter_mut().zip(self.maskers()) {
            if let Some(masker) = masker {
                let (hidden, _) = masker.apply(column).map_err(|source| FlowError::Mask {
                    product: self.product.clone(),
                    column: name.to_owned(),
                    source,
                })?;
                *column = hidden;
            }
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?)
    }

    fn promised(&self, made: &QueryResult) -> Result<Vec<RecordBatch>, FlowError> {
        let mut batches = Vec::with_capacity(made.batches.len());
        for batch in &made.batches {
            let mut columns = Vec::with_capacity(batch.num_columns());
            for field in self.spec.schema.fields() {
                let name = field.name();
                let wrong = |reason: String| FlowError::GoldValue {
                    product: self.product.clone(),
                    column: name.to_owned(),
                    reason,
                };
                let found = batch
                    .column_by_name(name)
                    .ok_or_else(|| wrong("is missing".into()))?;
                let column = if found.data_type() == field.data_type() {
                    Arc::clone(found)
                } else if widens(found.data_type(), field.data_type()) {
                    arrow_cast::cast(found, field.data_type()).map_err(|_| {
                        wrong(format!(
                            "holds values that are no {}",
                            type_name(field.data_type())
                        ))
                    })?
                } else {
                    return Err(wrong(format!("is {}", type_name(found.data_type()))));
                };
                if column.null_count() > found.null_count() {
                    return Err(wrong(format!(
                        "holds values that are no {}",
                        type_name(field.data_type())
                    )));
                }
                if !field.is_nullable() && column.null_count() > 0 {
                    return Err(wrong("has a null where none may be".into()));
                }
                columns.push(column);
            }
            batches.push(RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?);
        }
        Ok(batches)
    }
}

impl Mesh {
    /// What making one product may use.
    pub(crate) fn gold_limits(&self) -> Limits {
        Limits {
            rows: ROWS,
            memory: self.config.gold.memory_mib.saturating_mul(1 << 20),
            spill: Some(self.spill.clone()),
            time: TIME,
        }
    }

    /// The gold products of one domain, or of all.
    pub(crate) fn gold(&self, only: Option<&str>) -> Vec<Result<GoldPlan, Refusal>> {
        let fleet = self.plugins.fleet();
        let domains = fleet
            .domains()
            .filter(|domain| only.is_none_or(|only| only == domain.contract.domain));
        domains.flat_map(|domain| self.gold_by(domain)).collect()
    }

    /// The gold products of one version of a domain's plugin.
    pub(crate) fn gold_by(&self, domain: &Domain) -> Vec<Result<GoldPlan, Refusal>> {
        let policy = self.policy();
        let contract = &domain.contract;
        let products = contract.gold.iter();
        products
            .filter_map(|gold| Some((contract.product(&gold.product)?, &gold.sql)))
            .map(|(product, sql)| GoldPlan::new(contract, product, sql, &policy, self.keys(), &domain.plugin))
            .collect()
    }

    /// One gold product, under the policy in force.
    pub(crate) fn gold_of(&self, domain: &str, product: &str) -> Result<GoldPlan, Refusal> {
        let fleet = self.plugins.fleet();
        let parts = fleet.domain(domain).and_then(|domain| {
            let contract = &domain.contract;
            Some((
                domain,
                contract,
                contract.product(product)?,
                contract.gold(product)?,
            ))
        });
        let (domain, contract, product, gold) = parts.ok_or_else(|| Refusal::NoGold {
            product: format!("{domain}.{product}"),
        })?;
        GoldPlan::new(
            contract,
            product,
            &gold.sql,
            &self.policy(),
            self.keys(),
            &domain.plugin,
        )
    }
}
