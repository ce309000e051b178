//! Names of tables: in the lake, in policies and in SQL.

use datafusion::common::TableReference;
use malla_lake::{Layer, TableId};

/// Without a schema, only the table's own name can be near.
pub(super) fn distance(known: &str, asked: &str) -> usize {
    let own = known.split_once('.').map_or(known, |(_, own)| own);
    strsim::damerau_levenshtein(known, asked).min(strsim::damerau_levenshtein(own, asked))
}

pub(super) fn listed(mut names: Vec<String>) -> String {
    /// Names that an error lists.
    const MOST_NAMES: usize = 12;
    if names.is_empty() {
        return "there is none".into();
    }
    let more = names.len().saturating_sub(MOST_NAMES);
    names.truncate(MOST_NAMES);
    let listed = format!("there is `{}`", names.join("`, `"));
    if more > 0 {
        format!("{listed} and {more} more")
    } else {
        listed
    }
}

/// `ventas.t` is curated, `ventas_raw.t` raw, `ventas_quarantine.t` quarantined, `ventas_quality.t` what checks
/// found in the product `t`.
pub(super) fn table_id(name: &TableReference) -> Option<TableId> {
    let TableReference::Partial { schema, table } = name else {
        return None;
    };
    let (domain, layer) = layered(schema, "_raw", Layer::Raw)
        .or_else(|| layered(schema, "_quarantine", Layer::Quarantine))
        .or_else(|| layered(schema, "_quality", Layer::Quality))
        .unwrap_or((schema, Layer::Curated));
    TableId::new(domain, layer, table).ok()
}

fn layered<'a>(schema: &'a str, suffix: &str, layer: Layer) -> Option<(&'a str, Layer)> {
    schema.strip_suffix(suffix).map(|domain| (domain, layer))
}

fn schema_name(id: &TableId) -> String {
    match id.layer() {
        Layer::Curated | Layer::Gold => id.domain().to_owned(),
        layer => format!("{}_{layer}", id.domain()),
    }
}

/// A table's name as policies write it.
pub(super) fn object(id: &TableId) -> String {
    format!("{}.{}", schema_name(id), id.name())
}

/// A table's name as a query writes it.
pub(super) fn sql_name(id: &TableId) -> String {
    TableReference::partial(schema_name(id), id.name()).to_quoted_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_domain_and_layer() {
        let path = |schema: &str, table: &str| {
            table_id(&TableReference::partial(schema, table)).map(|id| id.to_string())
        };
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
