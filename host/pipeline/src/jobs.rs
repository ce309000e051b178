//! What runs: the sources and gold products of a mesh, what each reads, and how `malla.toml` wants it run.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use malla_contract::Contract;
use serde::Serialize;
use toml::Spanned;

use crate::error::MeshError;
use crate::mesh::Mesh;
use crate::run::Days;
use crate::runs::JobKind;
use crate::schedule::JobConfig;

/// A source or gold product, as schedulers want to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// `domain.name`.
    pub job: String,
    /// Which of the two.
    pub kind: JobKind,
    /// Jobs that it is made of.
    pub reads: Vec<String>,
    /// When it begins. `None`: sources are followed, products made after commits.
    pub cron: Option<String>,
    /// Whose clock that goes by.
    pub timezone: Option<String>,
    /// The next time, RFC 3339.
    pub next: Option<String>,
    /// When an attempt is ended.
    pub timeout: Option<String>,
    /// The date by which its table is partitioned, so that a range can be made anew.
    pub backfill: bool,
}

impl Mesh {
    /// Every source and gold product, each after what it reads.
    #[must_use]
    pub fn jobs(&self) -> Vec<Job> {
        let now = Utc::now().timestamp();
        let mut jobs = Vec::new();
        for contract in self.contracts().iter() {
            let sources = contract
                .sources
                .iter()
                .map(|source| (&source.name, JobKind::Source));
            let gold = contract.gold.iter().map(|gold| (&gold.product, JobKind::Product));
            for (name, kind) in sources.chain(gold) {
                let job = format!("{}.{name}", contract.domain);
                let config = self.job_config(&job);
                let is_of_kind =
                    config.cron.is_none() || kind == JobKind::Product || contract.source(name).is_some();
                let scheduled = config.cron.as_ref().filter(|_| is_of_kind);
                let next = scheduled.and_then(|_| config.next(now));
                let plan = match kind {
                    JobKind::Product => self.gold_of(&contract.domain, name).ok(),
                    JobKind::Source => None,
                };
                jobs.push(Job {
                    kind,
                    reads: self.reads(contract, name, kind),
                    cron: scheduled.map(ToString::to_string),
                    timezone: scheduled.map(|_| config.timezone.name().to_owned()),
                    next: next
                        .and_then(|second| DateTime::from_timestamp(second, 0))
                        .map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)),
                    timeout: config
                        .timeout
                        .map(|timeout| humantime::format_duration(timeout).to_string()),
                    backfill: plan.is_some_and(|plan| plan.is_by_day().is_ok()),
                    job,
                });
            }
        }
        in_order(jobs)
    }

    /// What a job reads of other jobs.
    fn reads(&self, contract: &Contract, name: &str, kind: JobKind) -> Vec<String> {
        let sql = match (kind, contract.gold(name)) {
            (JobKind::Product, Some(gold)) => &gold.sql,
            _ => return Vec::new(),
        };
        // A query that cannot be read is refused where it is planned.
        let tables = malla_query::tables(sql).unwrap_or_default();
        let jobs: BTreeSet<String> = tables.iter().filter_map(|table| self.maker(table)).collect();
        jobs.into_iter().collect()
    }

    /// The job that makes a table.
    fn maker(&self, table: &str) -> Option<String> {
        let (schema, name) = table.split_once('.')?;
        let contracts = self.contracts();
        let of = |domain: &str| contracts.iter().find(|contract| contract.domain == domain);
        for layer in ["_raw", "_quarantine"] {
            if let Some(contract) = schema.strip_suffix(layer).and_then(of) {
                return Some(format!("{}.{}", contract.domain, contract.source(name)?.name));
            }
        }
        let contract = of(schema)?;
        if contract.gold(name).is_some() {
            return Some(table.to_owned());
        }
        let step = contract.steps.iter().find(|step| step.product == name)?;
        Some(format!("{schema}.{}", step.source))
    }

    pub(crate) fn job_config(&self, job: &str) -> JobConfig {
        let (domain, name) = job.split_once('.').unwrap_or_default();
        let jobs = self.config.schedules.get(domain);
        let config = jobs.and_then(|jobs| jobs.get(name)).map(Spanned::get_ref);
        config.cloned().unwrap_or_default()
    }

    /// Whether all that `malla.toml` schedules is there and can be.
    pub(crate) fn check_schedules(&self) -> Result<(), MeshError> {
        let fleet = self.plugins.fleet();
        for (domain, jobs) in &self.config.schedules {
            let contract = fleet.domain(domain).map(|domain| &domain.contract);
            if contract.is_none() && !fleet.refusals().is_empty() {
                // It may be that of a plugin that cannot be used, which is told of already.
                tracing::warn!(
                    domain,
                    "There are schedules for a domain without a plugin that can be used."
                );
                continue;
            }
            for (name, config) in jobs {
                let config = config.get_ref();
                let why = match contract {
                    Some(contract) => wrong(contract, name, config),
                    None => Some(format!(
                        "there is no plugin of domain `{domain}`: {}",
                        listed(fleet.contracts().iter().map(|c| c.domain.as_str()))
                    )),
                };
                if let Some(why) = why {
                    return Err(MeshError::Schedule {
                        place: config.place.clone(),
                        domain: domain.clone(),
                        name: name.clone(),
                        why,
                    });
                }
            }
        }
        Ok(())
    }

    /// The job that makes what somebody asks for: a source, or a product of either kind.
    pub(crate) fn job_of(
        &self,
        asked: &str,
        days: Option<Days>,
    ) -> Result<(JobKind, String, String), MeshError> {
        let unknown = || MeshError::UnknownJob {
            job: asked.to_owned(),
            known: listed(self.jobs().iter().map(|job| job.job.as_str())),
        };
        let (domain, name) = asked.split_once('.').ok_or_else(unknown)?;
        let fleet = self.plugins.fleet();
        let contract = &fleet.domain(domain).ok_or_else(unknown)?.contract;
        let no_backfill = |why: String| MeshError::NoBackfill {
            job: asked.to_owned(),
            why,
        };
        if contract.gold(name).is_some() {
            if days.is_some() {
                // What is wrong with it otherwise is told where it runs.
                let by_day = self.gold_of(domain, name).map_or(Ok(()), |plan| plan.is_by_day());
                by_day.map_err(|why| no_backfill(format!("{why}; run it without --from and --to")))?;
            }
            return Ok((JobKind::Product, domain.to_owned(), name.to_owned()));
        }
        let step = || contract.steps.iter().find(|step| step.product == name);
        let source = match contract.source(name) {
            Some(source) => &source.name,
            None => &step().ok_or_else(unknown)?.source,
        };
        if days.is_some() {
            return Err(no_backfill(format!(
                "its rows are the lines of source `{domain}.{source}`, each of which is read once and is in it: there is nothing to make anew; products that SQL makes of it can be"
            )));
        }
        Ok((JobKind::Source, domain.to_owned(), source.clone()))
    }
}

fn wrong(contract: &Contract, name: &str, config: &JobConfig) -> Option<String> {
    let is_source = contract.source(name).is_some();
    let is_gold = contract.gold(name).is_some();
    match (is_source, is_gold) {
        (true, true) => Some("a source and a product have that name: rename one of them in the contract".to_owned()),
        (true, false) if config.cron.is_none() => Some(
            "a source without `cron` is followed for as long as the host runs, so nothing else of it can be set: add `cron`, or take the line out".to_owned(),
        ),
        (true, false) | (false, true) => None,
        (false, false) => {
            if let Some(step) = contract.steps.iter().find(|step| step.product == name) {
                return Some(format!("it is made of source `{0}`: schedule `{0}`", step.source));
            }
            let sources = contract.sources.iter().map(|source| source.name.as_str());
            let gold = contract.gold.iter().map(|gold| gold.product.as_str());
            Some(format!(
                "the contract has no such source or gold product: {}",
                listed(sources.chain(gold))
            ))
        }
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return "there is none".to_owned();
    }
    format!("there is `{}`", names.join("`, `"))
}

/// Each after those that it reads; what reads itself in a circle comes last, as it came.
fn in_order(jobs: Vec<Job>) -> Vec<Job> {
    let known: BTreeSet<String> = jobs.iter().map(|job| job.job.clone()).collect();
    let mut left: BTreeMap<usize, Job> = jobs.into_iter().enumerate().collect();
    let mut placed: BTreeSet<String> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let ready = |job: &Job| {
            let mut reads = job.reads.iter();
            reads.all(|read| placed.contains(read) || *read == job.job || !known.contains(read))
        };
        let next = left
            .iter()
            .find(|(_, job)| ready(job))
            .or_else(|| left.iter().next());
        let Some(place) = next.map(|(place, _)| *place) else {
            break;
        };
        if let Some(job) = left.remove(&place) {
            placed.insert(job.job.clone());
            ordered.push(job);
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, reads: &[&str]) -> Job {
        Job {
            job: name.to_owned(),
            kind: JobKind::Product,
            reads: reads.iter().map(|read| (*read).to_owned()).collect(),
            cron: None,
            timezone: None,
            next: None,
            timeout: None,
            backfill: false,
        }
    }

    #[test]
    fn a_job_comes_after_what_it_reads() {
        let order =
            |jobs: Vec<Job>| -> Vec<String> { in_order(jobs).into_iter().map(|job| job.job).collect() };
        assert_eq!(
            order(vec![job("a", &["c", "x"]), job("b", &["b"]), job("c", &["b"])]),
            ["b", "c", "a"]
        );
        assert_eq!(
            order(vec![job("a", &["b"]), job("b", &["a"])]),
            ["a", "b"],
            "a circle ends"
        );
    }
}
