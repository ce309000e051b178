//! The tables of a mesh, and what is to be kept of each.

use malla_contract::{ColumnType, Contract, Date, Product, Retention, Source};
use malla_lake::{Expiry, LakeError, Layer, TableId};
use malla_policy::Policy;

use crate::judge::RESULTS_WITHOUT_STATISTICS;
use crate::maintain::RetentionConfig;
use crate::plan::{FECHA, rules, without_statistics};
use crate::plugins::table_of;

/// A table that a contract speaks of.
pub(super) struct Target {
    pub(super) id: TableId,
    /// As queries and policies name it.
    pub(super) object: String,
    /// Columns that are in no statistics. Or why it is not known which.
    pub(super) silent: Result<Vec<String>, String>,
    pub(super) expiry: Option<Due>,
    /// The product whose judgements it holds: the newest is in its log.
    pub(super) judged: Option<TableId>,
    /// Why rows that should go do not.
    pub(super) note: Option<String>,
}

/// Rows that are to go.
pub(super) struct Due {
    pub(super) expiry: Expiry,
    /// What says so.
    pub(super) rule: String,
}

/// Every table of a contract.
pub(super) fn of(
    contract: &Contract,
    policy: &Policy,
    config: &RetentionConfig,
    today: Date,
) -> Result<Vec<Target>, LakeError> {
    let mut targets = Vec::new();
    for source in &contract.sources {
        let personal = source.table.columns.iter().filter(|column| column.needs_mask());
        let sealed = personal.map(|column| column.name.clone()).collect();
        let lines = vec!["line".to_owned(), "message".to_owned()];
        for (layer, silent, days) in [
            (Layer::Raw, sealed, config.raw_days),
            (Layer::Quarantine, lines, config.quarantine_days),
        ] {
            targets.push(Target {
                id: TableId::new(&contract.domain, layer, &source.name)?,
                object: format!("{}_{layer}.{}", contract.domain, source.name),
                silent: Ok(silent),
                expiry: of_source(contract, source, layer, days, today),
                judged: None,
                note: None,
            });
        }
    }
    for product in &contract.products {
        let object = format!("{}.{}", contract.domain, product.name);
        let expiry = product
            .retention
            .as_ref()
            .map(|retention| of_product(contract, product, retention, today));
        let (expiry, note) = match expiry {
            None => (None, None),
            Some(Ok(due)) => (Some(due), None),
            Some(Err(note)) => (None, Some(note)),
        };
        let id = table_of(contract, product)?;
        targets.push(Target {
            id: id.results(),
            object: format!("{}_quality.{}", contract.domain, product.name),
            silent: Ok(RESULTS_WITHOUT_STATISTICS.map(str::to_owned).to_vec()),
            expiry: None,
            judged: Some(id.clone()),
            note: None,
        });
        targets.push(Target {
            id,
            silent: rules(policy, &object, product)
                .map(|rules| without_statistics(product, &rules))
                .map_err(|refusal| refusal.to_string()),
            object,
            expiry,
            judged: None,
            note,
        });
    }
    Ok(targets)
}

fn says(contract: &Contract, retention: &Retention) -> String {
    format!(
        "contract {} {}, line {}: {retention}",
        contract.id, contract.version, retention.line
    )
}

/// Whole days of the partition column of dates go.
fn of_product(
    contract: &Contract,
    product: &Product,
    retention: &Retention,
    today: Date,
) -> Result<Due, String> {
    let mut partitions = product.table.partition_columns().into_iter().filter(|name| {
        let column = product.table.column(name);
        column.is_some_and(|column| column.ty == ColumnType::Date)
    });
    let named = retention.column.as_deref();
    let column = match named.filter(|named| partitions.clone().any(|name| name == *named)) {
        Some(named) => named,
        None => partitions.next().ok_or_else(|| {
            format!(
                "its retention ({}) is not enforced: it is not partitioned by a date; make a `date` column its partition column, in a new product",
                says(contract, retention)
            )
        })?,
    };
    Ok(Due {
        expiry: Expiry {
            column: column.to_owned(),
            before: retention.first_kept(today),
            element: named.map(str::to_owned),
        },
        rule: says(contract, retention),
    })
}

/// What the host keeps of a source serves its products: it goes with the one that is kept longest, or earlier if
/// `malla.toml` says so.
fn of_source(
    contract: &Contract,
    source: &Source,
    layer: Layer,
    days: Option<u32>,
    today: Date,
) -> Option<Due> {
    let products: Option<Vec<&Retention>> = contract
        .steps_of(&source.name)
        .map(|step| contract.product(&step.product)?.retention.as_ref())
        .collect();
    let longest = products
        .unwrap_or_default()
        .into_iter()
        .min_by_key(|retention| retention.first_kept(today))
        .map(|retention| (retention.first_kept(today), says(contract, retention)));
    let set = days.map(|days| {
        let first = i64::from(today.days()) - i64::from(days);
        let first = Date::from_days(i32::try_from(first).unwrap_or(i32::MIN));
        (first, format!("malla.toml, [retention] {layer}_days = {days}"))
    });
    let (before, rule) = longest.into_iter().chain(set).max_by_key(|(first, _)| *first)?;
    Some(Due {
        expiry: Expiry {
            column: FECHA.to_owned(),
            before,
            element: None,
        },
        rule,
    })
}
