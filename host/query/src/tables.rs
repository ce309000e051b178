//! The tables that a query may see. Every table enters a query here: whoever asks, and for what purpose, is to be
//! checked here, before the lake is looked at.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use malla_lake::{Lake, Layer, TableId};

use crate::QueryError;

/// Names that an error lists.
const MOST_NAMES: usize = 12;

/// The table of a name, as it is now.
pub(crate) async fn open(lake: &Lake, name: &TableReference) -> Result<Arc<dyn TableProvider>, QueryError> {
    if let Some(id) = id(name)
        && let Some(table) = lake.existing(&id).await?
    {
        return Ok(table.provider().await?);
    }
    Err(QueryError::UnknownTable {
        name: shown(name),
        known: known(lake, name).await?,
    })
}

/// `ventas.t` is curated, `ventas_raw.t` raw, `ventas_quarantine.t` quarantined.
fn id(name: &TableReference) -> Option<TableId> {
    let TableReference::Partial { schema, table } = name else {
        return None;
    };
    let (domain, layer) = layered(schema, "_raw", Layer::Raw)
        .or_else(|| layered(schema, "_quarantine", Layer::Quarantine))
        .unwrap_or((schema, Layer::Curated));
    TableId::new(domain, layer, table).ok()
}

fn layered<'a>(schema: &'a str, suffix: &str, layer: Layer) -> Option<(&'a str, Layer)> {
    schema.strip_suffix(suffix).map(|domain| (domain, layer))
}

/// A table's name as a query writes it.
fn sql_name(id: &TableId) -> String {
    let schema = match id.layer() {
        Layer::Curated => id.domain().to_owned(),
        layer => format!("{}_{layer}", id.domain()),
    };
    TableReference::partial(schema, id.name()).to_quoted_string()
}

fn shown(name: &TableReference) -> String {
    name.to_string()
}

async fn known(lake: &Lake, name: &TableReference) -> Result<String, QueryError> {
    let mut names: Vec<String> = lake.list().await?.iter().map(sql_name).collect();
    if names.is_empty() {
        return Ok("the lake has no tables yet".into());
    }
    let asked = shown(name);
    // Without a schema, only the table's own name can be near.
    let near = |known: &str| {
        let own = known.split_once('.').map_or(known, |(_, own)| own);
        strsim::damerau_levenshtein(known, &asked).min(strsim::damerau_levenshtein(own, &asked))
    };
    names.sort_by_cached_key(|known| (near(known), known.clone()));
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let listed = format!("there is `{}`", names.join("`, `"));
    Ok(if more > 0 {
        format!("{listed} and {more} more")
    } else {
        listed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_domain_and_layer() {
        let path =
            |schema: &str, table: &str| id(&TableReference::partial(schema, table)).map(|id| id.to_string());
        assert_eq!(path("ventas", "t").as_deref(), Some("ventas/curated/t"));
        assert_eq!(path("ventas_raw", "t").as_deref(), Some("ventas/raw/t"));
        assert_eq!(
            path("ventas_quarantine", "t").as_deref(),
            Some("ventas/quarantine/t")
        );
        assert_eq!(path("ventas", "../../etc"), None);
        assert_eq!(path("_raw", "t"), None);
    }

    #[test]
    fn names_are_quoted_where_sql_wants_it() {
        let name = |layer, name| sql_name(&TableId::new("ventas", layer, name).unwrap());
        assert_eq!(name(Layer::Curated, "daily-revenue"), r#"ventas."daily-revenue""#);
        assert_eq!(name(Layer::Raw, "transacciones"), "ventas_raw.transacciones");
    }
}
