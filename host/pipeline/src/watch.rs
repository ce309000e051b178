//! What a running mesh takes up without a restart: policies and plugins.

use std::sync::Arc;
use std::time::Duration;

use malla_audit::{Kind, Outcome, Record};
use malla_contract::Contract;
use malla_policy::{Policy, misfits};

use crate::error::Refusal;
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::plugins::{Domain, Fleet, Swap};
use crate::policies::Reload;

const LOOK: Duration = Duration::from_millis(250);

impl Mesh {
    /// Takes new policies into force while a run goes on.
    pub(crate) async fn watch_policies(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let mesh = Arc::clone(&self);
            let look = move || {
                mesh.policies
                    .look(|policy| malla_policy::misfits(policy, &mesh.with_own(&mesh.contracts())))
            };
            let Ok(reload) = tokio::task::spawn_blocking(look).await else {
                return;
            };
            let record = match reload {
                Reload::Same => continue,
                Reload::Changed { from, to } => {
                    self.metrics.policy_changed();
                    // A plugin that the policy before did not let run may do so under this one.
                    self.plugins.try_again();
                    tracing::info!(from, to, "A new policy is in force.");
                    Record::new(Kind::Reload, "policies", Outcome::Done)
                        .with_policy(to)
                        .with_detail("from", from)
                }
                Reload::NotKept(error) => {
                    self.metrics.policy_kept();
                    tracing::error!(%error, "The new policy cannot be copied to the state folder: the one before stays in force.");
                    continue;
                }
                Reload::Kept(errors) => {
                    self.metrics.policy_kept();
                    tracing::error!(
                        errors,
                        "The new policy is not valid: the one before stays in force."
                    );
                    Record::new(Kind::Reload, "policies", Outcome::Failed)
                        .with_policy(self.policy().digest())
                        .with_detail("why", errors)
                }
            };
            // Whoever writes next is told that the log cannot be written.
            let _ = self.audit.record(record);
        }
    }

    /// Takes new versions of plugins into use while a run goes on.
    pub(crate) async fn watch_plugins(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let mesh = Arc::clone(&self);
            let look = move || {
                mesh.plugins.look(
                    |path| mesh.loader.load(path),
                    |fleet, domain| {
                        let flows = mesh.flows_of(domain);
                        let misfits = mesh.misfits_with(fleet, domain, &flows, &mesh.policy());
                        misfits.first().map_or(Ok(()), |_| Err(misfits.join("\n")))
                    },
                )
            };
            let Ok(swaps) = tokio::task::spawn_blocking(look).await else {
                return;
            };
            for swap in swaps {
                let record = self.told(&swap).with_policy(self.policy().digest());
                // Whoever writes next is told that the log cannot be written.
                let _ = self.audit.record(record);
            }
        }
    }

    fn told(&self, swap: &Swap) -> Record {
        let record = |domain: &Domain| {
            Record::new(Kind::Load, &domain.contract.domain, Outcome::Done)
                .with_principal(format!("plugin:{}", domain.contract.domain))
                .with_detail("version", &domain.contract.version)
                .with_detail("digest", domain.plugin.digest())
        };
        match swap {
            Swap::Live { domain, before } => {
                self.metrics.plugin_changed();
                let Domain { contract, plugin, .. } = &**domain;
                tracing::info!(
                    domain = contract.domain,
                    version = %contract.version,
                    digest = plugin.digest(),
                    "A new version of a plugin is in use."
                );
                let record = record(domain);
                match before {
                    Some(before) => record.with_detail("before", before),
                    None => record,
                }
            }
            Swap::Refused { path, why } => {
                self.metrics.plugin_kept();
                tracing::error!(path = %path.display(), why, "A plugin cannot be used: what ran before goes on.");
                Record::new(Kind::Load, path.display().to_string(), Outcome::Deny).with_detail("why", why)
            }
            Swap::Gone(domain) => {
                self.metrics.plugin_changed();
                tracing::warn!(
                    domain = domain.contract.domain,
                    "The plugin's file is gone: its flows end."
                );
                record(domain).with_detail("gone", domain.path.display())
            }
        }
    }

    /// Contracts, and that of the host's own tables.
    fn with_own(&self, contracts: &[Contract]) -> Vec<Contract> {
        let mut all = contracts.to_vec();
        all.push(crate::runs::contract());
        all
    }

    /// What keeps a version of a plugin, of these flows, from running under a policy beside the other plugins, and did not keep the
    /// version before.
    pub(crate) fn misfits_with(
        &self,
        fleet: &Fleet,
        domain: &Domain,
        flows: &[Result<Flow, Refusal>],
        policy: &Policy,
    ) -> Vec<String> {
        let before = misfits(policy, &self.with_own(fleet.contracts()));
        let after: Vec<_> = fleet
            .domains()
            .map(|other| &other.contract)
            .filter(|other| other.domain != domain.contract.domain)
            .chain([&domain.contract])
            .cloned()
            .collect();
        let mut found: Vec<String> = misfits(policy, &self.with_own(&after))
            .iter()
            .filter(|misfit| !before.contains(misfit))
            .map(|misfit| format!("{}/{misfit}", self.config.policies.display()))
            .collect();
        let ran = fleet
            .domain(&domain.contract.domain)
            .map(|before| self.flows_of(before))
            .unwrap_or_default();
        let ran: Vec<String> = ran.into_iter().filter_map(|flow| Some(flow.ok()?.name)).collect();
        for (source, flow) in domain.contract.sources.iter().zip(flows) {
            let name = format!("{}.{}", domain.contract.domain, source.name);
            if let Err(refusal) = flow
                && (ran.contains(&name) || ran.is_empty())
            {
                found.push(refusal.to_string());
            }
        }
        found
    }
}
