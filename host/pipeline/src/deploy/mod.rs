//! Putting a version of a plugin into use, and taking it back.
//!
//! INVARIANT: nothing is in use before it was checked against contract, policy, tables, those who build on it and the last
//! real batches. What comes into use is one file that takes the place of another; hosts take it up between two commits.

mod beside;
mod canary;
mod downstream;
mod gold;
mod ledger;

use std::path::{Path, PathBuf};

use malla_audit::{Kind, Outcome, Record};
use malla_contract::{Change, Comparison, Contract, Place, Severity, compare};
use malla_policy::{Action, Decision, NO_PURPOSE, Request};
use serde::Serialize;

pub use canary::Canary;
pub use ledger::{Entry, Step};

use crate::error::{FlowError, MeshError, Refusal};
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::plugins::{Domain, Fleet, keep};
use downstream::Readers;

/// How a version is put into use.
#[derive(Debug, Clone, Default)]
pub struct DeployOptions {
    /// Who does it.
    pub by: String,
    /// Differences that are meant: `domain.product`, or `domain.product/column`.
    pub accept: Vec<String>,
    /// Go on though batches cannot be tried.
    pub without_canary: bool,
    /// Check, and change nothing.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct DeployReport {
    /// The domain, as tables are named.
    pub domain: String,
    /// Of the new version's contract.
    pub version: String,
    /// Digest of the new version.
    pub digest: String,
    /// The version that was in use, and its digest.
    pub before: Option<(String, String)>,
    /// Differences of the contracts, for people.
    pub changes: Vec<String>,
    /// What both versions made of the last batches.
    pub canaries: Vec<Canary>,
    /// What somebody should know, and hinders nothing.
    pub warnings: Vec<String>,
    /// It is in use now.
    pub is_live: bool,
}

/// A version was not put into use.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each variant and field is")]
pub enum DeployError {
    #[error("`{principal}` may not deploy `{object}`{}: ask for a rule in `policies/domains/{}.csv` that allows `deploy`", rule.as_deref().map(|rule| format!(" (by {rule})")).unwrap_or_default(), object.split('.').next().unwrap_or_default())]
    Denied {
        principal: String,
        object: String,
        rule: Option<String>,
    },
    #[error("{domain} {version} is not put into use:\n{}", reasons.iter().map(|reason| format!("  - {reason}")).collect::<Vec<_>>().join("\n"))]
    Objections {
        domain: String,
        version: String,
        reasons: Vec<String>,
    },
    #[error("no plugin of the domain `{domain}` is in use: there is {known}")]
    UnknownDomain { domain: String, known: String },
    #[error("`{domain}` has no version to go back to: {version} is the first that was put into use here")]
    NothingBefore { domain: String, version: String },
    #[error("neither this host nor the lake has a copy of `{domain}` {version} ({digest}): deploy its file")]
    NoCopy {
        domain: String,
        version: String,
        digest: String,
    },
    #[error("somebody else put a version of `{domain}` into use at the same time: look which, and try again")]
    Raced { domain: String },
    #[error("cannot write `{}`: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Plugin(#[from] Refusal),
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Mesh(#[from] MeshError),
}

impl Mesh {
    /// Checks a component against what is in use, tries it on the last batches, and puts it into use.
    ///
    /// # Errors
    /// Nothing is changed; the error says what differs, and for whom.
    pub async fn deploy(&self, file: &Path, options: &DeployOptions) -> Result<DeployReport, DeployError> {
        let fleet = self.plugins.fleet();
        let new = tokio::task::block_in_place(|| self.loader.load(file))?;
        self.may_deploy(&options.by, &new.contract)?;
        let old = fleet.domain(&new.contract.domain).map(|domain| &**domain);
        let mut report = report_of(&new, old);
        if old.is_some_and(|old| old.plugin.digest() == new.plugin.digest()) {
            report.is_live = true;
            return Ok(report);
        }
        let mut reasons = Vec::new();
        let readers = self.readers(&fleet).await;
        if let Some(old) = old {
            let comparison = compare(&old.contract, &new.contract);
            report.changes = comparison.changes.iter().map(shown).collect();
            reasons.extend(breaches(&comparison, &new.contract, &readers));
        }
        let policy = self.policy();
        let flows = tokio::task::block_in_place(|| self.flows_of(&new));
        reasons.extend(tokio::task::block_in_place(|| {
            self.misfits_with(&fleet, &new, &flows, &policy)
        }));
        reasons.extend(self.taken_version(&new).await?);
        reasons.extend(self.misfits_of_tables(&new, &flows).await);
        reasons.extend(self.broken_by(&fleet, &readers, &new).await);
        reasons.extend(self.unplannable(&fleet, &new).await);
        for refusal in flows.iter().filter_map(|flow| flow.as_ref().err()) {
            if !reasons.contains(&refusal.to_string()) {
                report.warnings.push(refusal.to_string());
            }
        }
        if let Some(old) = old.filter(|_| reasons.is_empty()) {
            let flows: Vec<Flow> = flows.into_iter().filter_map(Result::ok).collect();
            reasons.extend(
                self.try_out((old, &new), &flows, options, &readers, &mut report)
                    .await?,
            );
        }
        if !reasons.is_empty() {
            self.record_objections(&new, options, &reasons)?;
            return Err(DeployError::Objections {
                domain: report.domain,
                version: report.version,
                reasons,
            });
        }
        if !options.dry_run {
            self.put_into_use(&fleet, &new, Step::Deploy, options).await?;
            report.is_live = true;
        }
        Ok(report)
    }

    /// Takes the version in use back, and puts the one before it into use.
    ///
    /// # Errors
    /// There is none, or it cannot be had.
    pub async fn rollback(&self, domain: &str, by: &str) -> Result<DeployReport, DeployError> {
        let fleet = self.plugins.fleet();
        let old = fleet.domain(domain).ok_or_else(|| DeployError::UnknownDomain {
            domain: domain.to_owned(),
            known: fleet.names(),
        })?;
        self.may_deploy(by, &old.contract)?;
        let entries = ledger::read(&self.lake, domain).await.map_err(MeshError::from)?;
        let stack = ledger::stack(&entries);
        let in_use = old.plugin.digest();
        let Some(before) = stack.iter().rev().find(|entry| entry.digest != in_use) else {
            return Err(DeployError::NothingBefore {
                domain: domain.to_owned(),
                version: old.contract.version.to_string(),
            });
        };
        self.borrow_plugin(&before.digest).await?;
        let copy = self.loader.copy(&before.digest);
        let new = tokio::task::block_in_place(|| self.loader.load(&copy)).ok();
        let Some(new) = new.filter(|new| new.plugin.digest() == before.digest) else {
            return Err(DeployError::NoCopy {
                domain: domain.to_owned(),
                version: before.version.clone(),
                digest: before.digest.clone(),
            });
        };
        let mut report = report_of(&new, Some(old));
        let policy = self.policy();
        let flows = tokio::task::block_in_place(|| self.flows_of(&new));
        let mut reasons = tokio::task::block_in_place(|| self.misfits_with(&fleet, &new, &flows, &policy));
        reasons.extend(self.misfits_of_tables(&new, &flows).await);
        // Going back has to work when it is needed most: who is hurt is told, and hinders nothing.
        let readers = self.readers(&fleet).await;
        report.warnings = self.broken_by(&fleet, &readers, &new).await;
        let options = DeployOptions {
            by: by.to_owned(),
            ..DeployOptions::default()
        };
        if !reasons.is_empty() {
            self.record_objections(&new, &options, &reasons)?;
            return Err(DeployError::Objections {
                domain: report.domain,
                version: report.version,
                reasons,
            });
        }
        self.put_into_use(&fleet, &new, Step::Rollback, &options).await?;
        report.is_live = true;
        Ok(report)
    }

    /// The versions of a domain's plugin that were in use, the oldest first, and the digest of the one that is.
    ///
    /// # Errors
    /// There is no such domain, or the lake cannot be read.
    pub async fn versions(&self, domain: &str) -> Result<(Vec<Entry>, String), DeployError> {
        let fleet = self.plugins.fleet();
        let in_use = fleet.domain(domain).ok_or_else(|| DeployError::UnknownDomain {
            domain: domain.to_owned(),
            known: fleet.names(),
        })?;
        let entries = ledger::read(&self.lake, domain).await.map_err(MeshError::from)?;
        Ok((entries, in_use.plugin.digest().to_owned()))
    }

    /// A version that was in use names one component for ever: quarantine and people know it by its number.
    async fn taken_version(&self, new: &Domain) -> Result<Option<String>, DeployError> {
        let entries = ledger::read(&self.lake, &new.contract.domain)
            .await
            .map_err(MeshError::from)?;
        let version = new.contract.version.to_string();
        let mut same = entries.iter().filter(|entry| entry.version == version);
        let other = same.find(|entry| entry.digest != new.plugin.digest());
        Ok(other.map(|entry| {
            format!(
                "version {version} was in use since {} as another component ({}): give this one a version of its own",
                entry.at.format("%Y-%m-%d %H:%M:%S"),
                entry.digest
            )
        }))
    }

    fn may_deploy(&self, by: &str, contract: &Contract) -> Result<(), DeployError> {
        let policy = self.policy();
        for product in &contract.products {
            let object = format!("{}.{}", contract.domain, product.name);
            let decision = policy.decide(&Request {
                principal: by,
                domain: &contract.domain,
                object: &object,
                action: Action::Deploy,
                purpose: NO_PURPOSE,
            });
            let rule = match decision {
                Decision::Allow { .. } => continue,
                Decision::Deny { rule } => Some(rule.id.to_string()),
                Decision::NoRule => None,
            };
            let record = Record::new(Kind::Deny, &object, Outcome::Deny)
                .with_principal(by)
                .with_action("deploy")
                .with_rule(rule.clone().unwrap_or_default())
                .with_policy(policy.digest());
            self.audit.record(record).map_err(MeshError::from)?;
            self.audit.flush().map_err(MeshError::from)?;
            return Err(DeployError::Denied {
                principal: by.to_owned(),
                object,
                rule,
            });
        }
        Ok(())
    }

    /// Tables that are there and could not take its rows.
    async fn misfits_of_tables(&self, domain: &Domain, flows: &[Result<Flow, Refusal>]) -> Vec<String> {
        let of_flows = flows.iter().flatten().flat_map(|flow| {
            let steps = flow.steps.iter().map(|step| &step.spec);
            [&flow.raw.spec, &flow.quarantine.spec].into_iter().chain(steps)
        });
        let gold = self.gold_by(domain);
        let gold: Vec<_> = gold.into_iter().filter_map(Result::ok).collect();
        let mut found = Vec::new();
        for spec in of_flows.chain(gold.iter().map(|plan| &plan.spec)) {
            if let Err(error) = self.lake.would_fit(spec).await {
                found.push(error.to_string());
            }
        }
        found
    }

    fn record_objections(
        &self,
        new: &Domain,
        options: &DeployOptions,
        reasons: &[String],
    ) -> Result<(), DeployError> {
        let record = self.record_of(new, Outcome::Deny, options);
        self.audit
            .record(record.with_detail("why", reasons.join("; ")))
            .map_err(MeshError::from)?;
        self.audit.flush().map_err(MeshError::from)?;
        Ok(())
    }

    fn record_of(&self, new: &Domain, outcome: Outcome, options: &DeployOptions) -> Record {
        Record::new(Kind::Deploy, &new.contract.domain, outcome)
            .with_principal(&options.by)
            .with_action("deploy")
            .with_policy(self.policy().digest())
            .with_detail("version", &new.contract.version)
            .with_detail("digest", new.plugin.digest())
    }

    /// Copies to the lake, then the ledger, then the file: a crash in between leaves the old version in use.
    async fn put_into_use(
        &self,
        fleet: &Fleet,
        new: &Domain,
        step: Step,
        options: &DeployOptions,
    ) -> Result<(), DeployError> {
        let domain = &new.contract.domain;
        let mut entries = ledger::read(&self.lake, domain).await.map_err(MeshError::from)?;
        let old = fleet.domain(domain);
        let entry = |step, of: &Domain| Entry {
            step,
            digest: of.plugin.digest().to_owned(),
            version: of.contract.version.to_string(),
            at: chrono::Utc::now(),
            by: options.by.clone(),
            accepted: Vec::new(),
        };
        let mut news = Vec::new();
        if let Some(old) = old.filter(|old| {
            let known = ledger::stack(&entries);
            step == Step::Deploy && known.last().is_none_or(|last| last.digest != old.plugin.digest())
        }) {
            self.share_plugin(old.plugin.digest()).await?;
            news.push(entry(Step::Found, old));
        }
        self.share_plugin(new.plugin.digest()).await?;
        news.push(Entry {
            accepted: options.accept.clone(),
            ..entry(step, new)
        });
        let mut record = self.record_of(new, Outcome::Done, options).with_detail(
            "step",
            if step == Step::Rollback {
                "rollback"
            } else {
                "deploy"
            },
        );
        if let Some(old) = old {
            record = record.with_detail("before", old.plugin.digest());
        }
        if !options.accept.is_empty() {
            record = record.with_detail("accepted", options.accept.join(" "));
        }
        if options.without_canary {
            record = record.with_detail("canary", "none");
        }
        self.audit.record(record).map_err(MeshError::from)?;
        self.audit.flush().map_err(MeshError::from)?;
        for entry in news {
            let wrote = ledger::append(&self.lake, domain, entries.len(), &entry).await;
            if !wrote.map_err(MeshError::from)? {
                return Err(DeployError::Raced {
                    domain: domain.clone(),
                });
            }
            entries.push(entry);
        }
        let path = old.map_or_else(
            || self.config.plugins.join(format!("{domain}.wasm")),
            |old| old.path.clone(),
        );
        let write = || keep(&path, &std::fs::read(self.loader.copy(new.plugin.digest()))?);
        tokio::task::block_in_place(write).map_err(|source| DeployError::Write {
            path: path.clone(),
            source,
        })
    }
}

fn report_of(new: &Domain, old: Option<&Domain>) -> DeployReport {
    DeployReport {
        domain: new.contract.domain.clone(),
        version: new.contract.version.to_string(),
        digest: new.plugin.digest().to_owned(),
        before: old.map(|old| (old.contract.version.to_string(), old.plugin.digest().to_owned())),
        changes: Vec::new(),
        canaries: Vec::new(),
        warnings: Vec::new(),
        is_live: false,
    }
}

/// What the two contracts do not allow, each with who is hurt.
fn breaches(comparison: &Comparison, new: &Contract, readers: &Readers) -> Vec<String> {
    let (old_version, new_version) = (&comparison.old, &comparison.new);
    if new_version.cmp_precedence(old_version).is_lt() {
        return vec![format!(
            "{new_version} is older than {old_version}, which is in use: go back with `malla plugin rollback {}`",
            new.domain
        )];
    }
    let breaking = comparison
        .changes
        .iter()
        .filter(|change| change.severity == Severity::Breaking);
    let mut found: Vec<String> = breaking
        .map(|change| {
            let parties: Vec<&str> = change.breaks.iter().map(|party| party.as_str()).collect();
            let read_by = match &change.place {
                Place::Product(product) => {
                    readers.of(&format!("{}.{product}", new.domain), change.column.as_deref())
                }
                _ => Vec::new(),
            };
            let read_by = match read_by[..] {
                [] => String::new(),
                _ => format!(", among them {}", read_by.join(", ")),
            };
            format!("{}: it breaks {}{read_by}", shown(change), parties.join(" and "))
        })
        .collect();
    if !found.is_empty() {
        found.push(format!(
            "breaking changes need a new major version, which is put into use beside this one: {}",
            comparison.needed()
        ));
    } else if !comparison.is_enough() {
        found.push(format!(
            "the contract changed ({}), and its version says too little: make it {} or more, not {new_version}",
            listed(&comparison.changes),
            comparison.needed()
        ));
    }
    found
}

/// Some changes, as far as a line holds them.
fn listed(changes: &[Change]) -> String {
    const SOME: usize = 3;
    let mut text = changes
        .iter()
        .take(SOME)
        .map(shown)
        .collect::<Vec<_>>()
        .join("; ");
    if let Some(more) = changes.len().checked_sub(SOME).filter(|more| *more > 0) {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

fn named(kind: &str, name: &str, change: &Change) -> String {
    match &change.column {
        None => format!("{kind} `{name}`"),
        Some(column) => format!("{kind} `{name}.{column}`"),
    }
}

fn shown(change: &Change) -> String {
    let place = match &change.place {
        Place::Contract => "contract".to_owned(),
        Place::Product(name) => named("product", name, change),
        Place::Source(name) => named("source", name, change),
        Place::Function(name) => named("function", name, change),
        Place::Lookup(name) => named("lookup", name, change),
    };
    format!("{place} {} ({})", change.what, change.severity.as_str())
}
