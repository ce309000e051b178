//! Products judged as tables: what their contracts promise of many rows together, and which version readers are held at.
//!
//! INVARIANT: a judgement and its results are one commit to the product's table of results, which lands only on the judgement it
//! goes on from. So each commit of the product is counted in exactly one result, whoever judges and whatever it is killed in; and
//! a version is told good only if every check whose failure is an error was run on just this version and kept.

mod counts;
mod look;
mod plan;
mod run;
mod state;

pub(crate) use counts::{counts_of, failed_of, put as put_counts};
pub(crate) use plan::{JudgePlan, RESULTS_WITHOUT_STATISTICS};
pub(crate) use run::JudgeReport;
pub use state::{CheckResult, PastRun, ProductQuality, QualityState, quality};

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use malla_audit::{Kind, Outcome, Record};
use malla_contract::{Check, CheckKind, CheckSeverity};
use malla_lake::{Advance, Commit, Judgement, LakeError, Table};
use malla_quality::{Status, Totals, Verdict, history};

use crate::error::FlowError;
use crate::mesh::Mesh;
use crate::quality::told;

/// A day: results are not older than that while a host runs.
const LONGEST: i64 = 86_400_000_000;

/// Queries are asked again of a table that did not change, since others may have: each is in the audit log, so not at every look.
const ASK_AGAIN: Duration = Duration::from_secs(600);

/// When a product's queries were asked last, by this process.
#[derive(Default)]
pub(crate) struct AskedAt(Mutex<BTreeMap<String, Instant>>);

impl AskedAt {
    fn is_due(&self, product: &str) -> bool {
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(product).is_none_or(|at| at.elapsed() >= ASK_AGAIN)
    }

    fn note(&self, product: &str) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(product.to_owned(), Instant::now());
    }
}

/// What one judging came to.
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    /// Why it is held back, for people.
    pub(crate) why: Vec<String>,
}

/// What is known beside the verdicts.
#[derive(Default)]
struct Reasons {
    /// Why checks could not be run, by name.
    why: BTreeMap<String, String>,
    /// Rows of the table.
    rows: u64,
}

/// Where the table of results stands.
struct Standing {
    results: Table,
    counter: String,
    count: Option<i64>,
    last: Option<Judgement>,
}

impl Mesh {
    /// Judges the newest version of a product, if it was not, and what time changes of it. `None`: there is no table yet.
    pub(crate) async fn judge(&self, plan: &JudgePlan) -> Result<Option<Judged>, FlowError> {
        self.judge_table(plan, false).await
    }

    /// The rows that were not published are not made any more: what is there is what is to be judged.
    pub(crate) async fn forget_unpublished(&self, plan: &JudgePlan) -> Result<(), FlowError> {
        let last = self.lake.judgement(&plan.id).await?;
        if last.is_some_and(|at| at.judgement.unpublished.is_some()) {
            self.judge_table(plan, true).await?;
        }
        Ok(())
    }

    async fn judge_table(&self, plan: &JudgePlan, anew: bool) -> Result<Option<Judged>, FlowError> {
        let Some(table) = self.lake.existing(&plan.id).await? else {
            return Ok(None);
        };
        let started = Instant::now();
        let standing = self.standing(plan).await?;
        let version = table.version().await?;
        // Nothing was committed to it yet.
        if version == 0 {
            return Ok(None);
        }
        let now = chrono::Utc::now().timestamp_micros();
        if let Some(last) = &standing.last
            && last.unpublished == Some(version)
            && !anew
        {
            return Ok(Some(Judged {
                judgement: last.clone(),
                why: Vec::new(),
            }));
        }
        // A table that was restored to an earlier version is another one.
        let last = standing.last.clone().filter(|last| last.judged <= version);
        let same = last.as_ref().filter(|last| {
            last.judged == version
                && last.recipe == plan.recipe
                && last.unpublished.is_none()
                && now.saturating_sub(last.at) < LONGEST
        });
        let mut totals = plan.checks.totals();
        let ask = self.asked.is_due(&plan.name);
        let again = |check: &Check| match check.kind {
            CheckKind::Fresh { .. } => true,
            CheckKind::Sql { .. } => ask,
            _ => false,
        };
        let (counted, reasons) = match same {
            Some(_) if !plan.checks.iter().any(again) => (None, Reasons::default()),
            Some(_) => (
                None,
                self.look_again(plan, &table, version, ask, &mut totals).await?,
            ),
            None => {
                let (counted, reasons) = self
                    .look(plan, &table, version, last.as_ref(), &mut totals)
                    .await?;
                (Some(counted), reasons)
            }
        };
        let mut verdicts = totals.verdicts(now);
        if same.is_some() {
            verdicts.retain(|verdict| again(verdict.check));
        }
        let after = last.as_ref().map(|last| last.judged);
        let mut next = next(plan, last.as_ref(), version, &verdicts, now);
        // Nothing of an empty table could be kept from anybody.
        if next.is_held() && next.good.is_none() && reasons.rows == 0 {
            next.held_since = None;
        }
        next.counted = match counted {
            Some(counted) if next.good != Some(version) => counted,
            Some(_) => BTreeMap::new(),
            None => last.as_ref().map(|last| last.counted.clone()).unwrap_or_default(),
        };
        let why = against(&verdicts, &reasons.why);
        if let Some(last) = same
            && last.checks == next.checks
        {
            self.metrics.judged(plan, &verdicts, &next);
            return Ok(Some(Judged {
                judgement: last.clone(),
                why: last.failed.iter().map(|name| format!("check `{name}`")).collect(),
            }));
        }
        let run = history::Run {
            time: now,
            table_version: Some(version),
            counted_after: counted_after(plan, after, last.as_ref().and_then(|last| last.good)),
            contract_version: &plan.contract_version,
            plugin: &plan.plugin_digest,
            reasons: &reasons.why,
        };
        let batch = history::batch(&plan.product, &run, &verdicts)?;
        if self.conclude(plan, standing, &next, batch).await? {
            tell(plan, last.as_ref(), &next, &verdicts, &reasons);
            tracing::info!(product = plan.name, version, elapsed = ?started.elapsed(), "Judged.");
        }
        self.metrics.judged(plan, &verdicts, &next);
        Ok(Some(Judged { judgement: next, why }))
    }

    /// Rows of a gold product were made that may not be published: readers stay at the version that is there.
    pub(crate) async fn hold_unpublished(
        &self,
        plan: &JudgePlan,
        table: &Table,
        totals: &Totals,
        whole: bool,
    ) -> Result<(), FlowError> {
        let now = chrono::Utc::now().timestamp_micros();
        let standing = self.standing(plan).await?;
        let version = table.version().await?;
        let mut verdicts = totals.verdicts(now);
        // Queries are asked of what is published, and of some of the rows only rows can be judged.
        verdicts.retain(|verdict| verdict.status != Status::NotRun && (whole || verdict.row_level));
        let last = standing.last.clone();
        let mut next = next(plan, last.as_ref(), version, &verdicts, now);
        next.failed = failed(&verdicts, |_| true);
        next.held_since = last.as_ref().and_then(|last| last.held_since).or(Some(now));
        next.unpublished = Some(version);
        if let Some(last) = &last {
            // Commits that were not counted yet stay so.
            next.judged = last.judged;
            next.counted.clone_from(&last.counted);
        }
        // What is there was judged before it was published; an empty table never was.
        next.good = match &last {
            Some(last) if last.judged == version || last.is_held() => last.good,
            _ => (version > 0).then_some(version),
        };
        let same = last.as_ref().is_some_and(|last| {
            last.unpublished == Some(version)
                && last.failed == next.failed
                && now.saturating_sub(last.at) < LONGEST
        });
        if same {
            self.metrics.judged(plan, &verdicts, &next);
            return Ok(());
        }
        let run = history::Run {
            time: now,
            table_version: None,
            counted_after: BTreeMap::new(),
            contract_version: &plan.contract_version,
            plugin: &plan.plugin_digest,
            reasons: &BTreeMap::new(),
        };
        let batch = history::batch(&plan.product, &run, &verdicts)?;
        if self.conclude(plan, standing, &next, batch).await? {
            tell(plan, last.as_ref(), &next, &verdicts, &Reasons::default());
        }
        self.metrics.judged(plan, &verdicts, &next);
        Ok(())
    }

    async fn standing(&self, plan: &JudgePlan) -> Result<Standing, FlowError> {
        let results = self.lake.table(plan.results.clone()).await?;
        let counter = format!("malla/{}", results.id());
        // Before the last judgement is read: whoever commits meanwhile moves it, and then ours does not land.
        let count = results.offset(&counter).await?;
        let last = self.lake.judgement(&plan.id).await;
        let last = match last {
            Ok(last) => last.map(|at| at.judgement),
            // The only way on is to judge anew, as if for the first time.
            Err(LakeError::Judgement { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Standing {
            results,
            counter,
            count,
            last,
        })
    }

    /// Commits a judgement. False: another host was quicker, and its judgement stands.
    async fn conclude(
        &self,
        plan: &JudgePlan,
        standing: Standing,
        next: &Judgement,
        batch: arrow_array::RecordBatch,
    ) -> Result<bool, FlowError> {
        let held = |judgement: &Judgement| judgement.held_since.is_some();
        let was = standing.last.as_ref().is_some_and(held);
        if was != held(next) {
            let kind = if was { Kind::Release } else { Kind::Hold };
            let mut record = Record::new(kind, &plan.name, Outcome::Done)
                .with_principal(format!("plugin:{}", plan.domain))
                .with_policy(&plan.policy_digest)
                .with_detail("judged", next.judged)
                .with_detail("plugin", &plan.plugin_digest);
            if let Some(good) = next.good {
                record = record.with_detail("good", good);
            }
            if !next.failed.is_empty() {
                record = record.with_detail("failed", next.failed.join(" "));
            }
            self.audit.record(record)?;
            self.audit.flush()?;
        }
        let committed = standing
            .results
            .commit(Commit {
                batches: vec![batch],
                advances: vec![Advance {
                    app_id: standing.counter,
                    from: standing.count,
                    to: standing.count.map_or(1, |count| count + 1),
                }],
                replaces: None,
                info: next.info(),
            })
            .await;
        match committed {
            Ok(committed) => {
                if was || held(next) {
                    // What is made of it reads another version now.
                    self.committed.notify_one();
                }
                Ok(!committed.landed_before)
            }
            Err(LakeError::OffsetConflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether its failure holds the product back.
fn is_binding(check: &Check) -> bool {
    check.severity == CheckSeverity::Error && !check.is_row_level()
}

fn failed(verdicts: &[Verdict<'_>], which: fn(&Check) -> bool) -> Vec<String> {
    let failed = verdicts.iter().filter(|verdict| {
        verdict.status == Status::Failure
            && verdict.check.severity == CheckSeverity::Error
            && which(verdict.check)
    });
    failed.map(|verdict| verdict.check.name.clone()).collect()
}

/// What follows from verdicts on a version; those of other checks stay as they were.
fn next(
    plan: &JudgePlan,
    last: Option<&Judgement>,
    version: u64,
    verdicts: &[Verdict<'_>],
    now: i64,
) -> Judgement {
    let mut checks: BTreeMap<String, Option<bool>> = BTreeMap::new();
    for check in plan.checks.iter() {
        let before = last.and_then(|last| last.checks.get(&check.name).copied());
        checks.insert(check.name.clone(), before.flatten());
    }
    for verdict in verdicts {
        let kept = match verdict.status {
            Status::Success => Some(true),
            Status::Failure => Some(false),
            Status::NotRun => None,
        };
        checks.insert(verdict.check.name.clone(), kept);
    }
    let binding = || plan.checks.iter().filter(|check| is_binding(check));
    let of = |check: &Check| checks.get(&check.name).copied().flatten();
    let failed: Vec<String> = binding()
        .filter(|check| of(check) == Some(false))
        .map(|check| check.name.clone())
        .collect();
    let unknown = binding().any(|check| of(check).is_none());
    let good = last.and_then(|last| last.good);
    let since = last.and_then(|last| last.held_since);
    let (good, held_since, failed) = match (failed.is_empty(), unknown) {
        (false, _) => (good, since.or(Some(now)), failed),
        // Nobody can say that it is good again.
        (true, true) => (
            good,
            since,
            last.map(|last| last.failed.clone()).unwrap_or_default(),
        ),
        (true, false) => (Some(version), None, Vec::new()),
    };
    Judgement {
        judged: version,
        good,
        held_since,
        failed,
        unpublished: None,
        recipe: plan.recipe.clone(),
        at: now,
        checks,
        counted: BTreeMap::new(),
    }
}

/// After which version commits were counted, of the checks that commits count.
fn counted_after(plan: &JudgePlan, judged: Option<u64>, good: Option<u64>) -> BTreeMap<&str, Option<u64>> {
    let counted = plan.checks.iter().filter_map(|check| match plan.asked(check) {
        plan::Asked::Commits { since_good } => {
            Some((check.name.as_str(), if since_good { good } else { judged }))
        }
        _ => None,
    });
    counted.collect()
}

/// What holds a product back, for people.
fn against(verdicts: &[Verdict<'_>], reasons: &BTreeMap<String, String>) -> Vec<String> {
    verdicts
        .iter()
        .filter(|verdict| is_binding(verdict.check))
        .filter_map(|verdict| match verdict.status {
            Status::Success => None,
            Status::Failure => Some(told(verdict)),
            Status::NotRun => reasons
                .get(&verdict.check.name)
                .map(|why| format!("check `{}` could not be judged: {why}", verdict.check.name)),
        })
        .collect()
}

/// Logs what is another than before.
fn tell(
    plan: &JudgePlan,
    last: Option<&Judgement>,
    next: &Judgement,
    verdicts: &[Verdict<'_>],
    reasons: &Reasons,
) {
    for verdict in verdicts {
        let name = &verdict.check.name;
        let before = last.and_then(|last| last.checks.get(name).copied());
        if before.is_some() && before == next.checks.get(name).copied() {
            continue;
        }
        match (verdict.status, reasons.why.get(name)) {
            (Status::Failure, _) => tracing::warn!(product = plan.name, "{}", told(verdict)),
            (Status::NotRun, Some(why)) => {
                tracing::warn!(product = plan.name, "check `{name}` could not be judged: {why}");
            }
            _ => {}
        }
    }
    match (last.is_some_and(Judgement::is_held), next.is_held()) {
        (false, true) => tracing::error!(
            product = plan.name,
            version = next.judged,
            good = next.good,
            failed = next.failed.join(" "),
            "A product is held back: readers stay at the last good version."
        ),
        (true, false) => tracing::info!(
            product = plan.name,
            version = next.judged,
            "A product is good again, and published."
        ),
        _ => {}
    }
}
