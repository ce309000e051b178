//! What maintenance must not take: versions that somebody is tied to, and plans that a tick may have to be completed by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use malla_contract::{Contract, Source};
use malla_lake::{LakeError, Layer, Table, TableId};

use crate::commit::Plan;
use crate::gold::last_made;
use crate::mesh::Mesh;
use crate::plugins::table_of;

/// By the name of a table: a version that must stay readable, and for whom.
pub(crate) type Kept = BTreeMap<String, BTreeMap<u64, String>>;

impl Mesh {
    /// The versions of every table whose files and log entries stay, however old: those that gold products say they are made
    /// of, and those that readers are held at or would be.
    pub(crate) async fn versions_to_keep(&self) -> Result<Kept, LakeError> {
        let mut kept = Kept::new();
        let contracts = self.contracts();
        for contract in contracts.iter() {
            for product in &contract.products {
                let id = table_of(contract, product)?;
                let judgement = self.lake.judgement(&id).await?;
                if let Some(good) = judgement.and_then(|at| at.judgement.good) {
                    let object = format!("{}.{}", contract.domain, product.name);
                    let whom = "its readers, who are held at it when the newest is not good".to_owned();
                    kept.entry(object).or_default().insert(good, whom);
                }
            }
            for gold in &contract.gold {
                let id = TableId::new(&contract.domain, Layer::Gold, &gold.product)?;
                let Some(table) = self.lake.existing(&id).await? else {
                    continue;
                };
                let made = last_made(&table).await?;
                for (object, version) in made.into_iter().flat_map(|made| made.inputs) {
                    let whom = format!("{}.{}", contract.domain, gold.product);
                    kept.entry(object).or_default().insert(version, whom);
                }
            }
        }
        Ok(kept)
    }

    /// The versions of a quarantine table whose commits carry plans that may be needed yet, among those that its log is
    /// about to forget: a table of the flow does not have their rows.
    pub(super) async fn plans_to_keep(
        &self,
        contract: &Contract,
        source: &Source,
        quarantine: &Table,
        keep: Duration,
    ) -> Result<BTreeSet<u64>, LakeError> {
        let mut kept = BTreeSet::new();
        let forgotten = quarantine.clean_log(keep, &kept, true).await?;
        if forgotten.files == 0 {
            return Ok(kept);
        }
        let mut followers = Vec::new();
        for (layer, name) in std::iter::once((Layer::Raw, &source.name)).chain(
            contract
                .steps_of(&source.name)
                .map(|step| (Layer::Curated, &step.product)),
        ) {
            let id = TableId::new(&contract.domain, layer, name)?;
            followers.push((id.to_string(), self.lake.existing(&id).await?));
        }
        let app_id = |table: &str, partition: &str| format!("malla/{table}/{}/{partition}", source.name);
        // Those of the newest plan of each partition; older ones are done with.
        let mut seen = BTreeSet::new();
        let history = quarantine.history_before(forgotten.before);
        pin_mut!(history);
        while let Some(record) = history.next().await {
            let record = record?;
            let Ok(plan) = serde_json::from_value::<Plan>(record.info.into()) else {
                continue;
            };
            let fresh = plan.batches.keys().filter(|name| seen.insert((*name).clone()));
            let partitions: Vec<&String> = fresh.collect();
            let of =
                |table: &str| -> Vec<String> { partitions.iter().map(|name| app_id(table, name)).collect() };
            let reached = quarantine.offsets(&of(&quarantine.id().to_string())).await?;
            for (id, follower) in &followers {
                let behind = match follower {
                    Some(table) => table.offsets(&of(id)).await? != reached,
                    None => true,
                };
                if behind {
                    kept.insert(record.version);
                }
            }
        }
        Ok(kept)
    }
}
