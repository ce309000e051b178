//! Which version of a product readers get: the newest, or the last good one of a product that is held back.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use malla_contract::{Contract, civil};
use malla_lake::{Judgement, Layer, Table};

use super::names::{object, sql_name};
use super::{Door, Readable};
use crate::QueryError;
use crate::error::failing;

/// A version of a table.
pub(super) struct Version {
    pub(super) provider: Arc<dyn TableProvider>,
    pub(super) version: u64,
    /// What to tell the asker, if it is not the newest.
    pub(super) held: Option<String>,
}

impl Door<'_> {
    /// The version that the asker reads. Only of a product whose contract can hold it back is looked up whether it is.
    pub(super) async fn version(
        &self,
        readable: &Readable<'_>,
        table: &Table,
    ) -> Result<Version, QueryError> {
        if let Some((_, version)) = self.pinned.filter(|(id, _)| id == readable.id) {
            return Ok(Version {
                provider: table.provider_at(*version).await?,
                version: *version,
                held: None,
            });
        }
        let is_product = matches!(readable.id.layer(), Layer::Curated | Layer::Gold);
        if is_product && readable.stored.table.may_be_held_back() {
            // Before the newest version is looked up: what is published meanwhile is read by the next query.
            let judged = self.lake.judgement(readable.id).await?;
            if let Some(at) = judged.filter(|at| at.judgement.is_held()) {
                return held(readable, table, &at.judgement).await;
            }
        }
        let (provider, version) = table.provider().await?;
        Ok(Version {
            provider,
            version,
            held: None,
        })
    }
}

async fn held(readable: &Readable<'_>, table: &Table, judgement: &Judgement) -> Result<Version, QueryError> {
    let name = sql_name(readable.id);
    let since = civil::instant(judgement.held_since.unwrap_or(judgement.at) / 1_000_000 * 1_000_000);
    let ask = ask(readable.contract, &object(readable.id));
    let Some(version) = judgement.good else {
        return Err(QueryError::HeldBack {
            name,
            since,
            failed: judgement.failed.clone(),
            ask,
        });
    };
    match table.provider_at(version).await {
        Ok(provider) => Ok(Version {
            provider,
            version,
            held: Some(format!(
                "`{name}` is held back since {since}: {}. This is version {version}, the last good one. {ask}",
                failing(&judgement.failed)
            )),
        }),
        Err(source) => Err(QueryError::HeldAway {
            name,
            version,
            source,
            ask,
        }),
    }
}

fn ask(contract: &Contract, object: &str) -> String {
    let owner = contract.owner.as_ref().unwrap_or(&contract.domain);
    format!("It is {owner}'s; `malla quality {object}` says more.")
}
