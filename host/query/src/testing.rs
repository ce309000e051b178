//! A small mesh to ask: a lake, contracts, policies, keys and an audit log, all in one temporary folder.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use malla_audit::{AuditConfig, AuditLog};
use malla_contract::{Contract, Date};
use malla_lake::{Advance, Commit, Lake, Layer, TableId, TableSpec, WriterConfig};
use malla_policy::{GLOBAL_FILE, GROUPS_FILE, MASKS_FILE, Policy, PolicyFiles, ROW_FILTERS_FILE};
use malla_privacy::{KeyStore, Masker};
use tempfile::TempDir;

use crate::{Asker, Format, Governance, Limits, Query, QueryError, QueryResult, render};

/// 2026-11-25.
pub(crate) const TODAY: i32 = 20_782;

pub(crate) struct Mesh {
    pub(crate) dir: TempDir,
    pub(crate) lake: Lake,
    pub(crate) governance: Governance,
}

/// The texts of a policy.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules<'a> {
    pub(crate) global: &'a str,
    pub(crate) groups: &'a str,
    pub(crate) masks: &'a str,
    pub(crate) row_filters: &'a str,
}

impl Rules<'_> {
    pub(crate) fn policy(&self) -> Policy {
        let files = PolicyFiles::template("policies")
            .without("domains/ventas.csv")
            .without("domains/logistica.csv")
            .without("domains/producto.csv")
            .without("tests/ventas.toml")
            .with(GLOBAL_FILE, self.global)
            .with(GROUPS_FILE, self.groups)
            .with(MASKS_FILE, self.masks)
            .with(ROW_FILTERS_FILE, self.row_filters);
        Policy::parse(&files).unwrap_or_else(|errors| panic!("{errors}"))
    }
}

impl Mesh {
    pub(crate) fn new(contracts: &[&str], rules: &Rules<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lake = Lake::open(dir.path().join("lake").to_str().unwrap(), WriterConfig::default()).unwrap();
        let keys = KeyStore::create(&dir.path().join("keys/malla.toml")).unwrap();
        let audit = AuditLog::open(
            &dir.path().join("audit"),
            keys.audit_key(),
            AuditConfig::default(),
        )
        .unwrap();
        let contracts = contracts
            .iter()
            .map(|text| Contract::parse(text).unwrap_or_else(|errors| panic!("{errors}")));
        Self {
            lake,
            governance: Governance {
                policy: rules.policy(),
                keys: Arc::new(keys),
                contracts: contracts.collect(),
                audit: Arc::new(audit),
                today: Date::from_days(TODAY),
            },
            dir,
        }
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.dir.path().join("keys/malla.toml")
    }

    pub(crate) fn query(&self) -> Query {
        Query::open(self.lake.clone(), self.governance.clone())
    }

    /// Adds rows to a table of `ventas`, made if it is not there, and moves its offset over `offsets`.
    pub(crate) async fn write(
        &self,
        layer: Layer,
        name: &str,
        columns: Vec<(&str, ArrayRef, bool)>,
        offsets: Range<i64>,
    ) {
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let spec = TableSpec {
            id: TableId::new("ventas", layer, name).unwrap(),
            schema: batch.schema(),
            partition_by: vec!["fecha".into()],
            without_statistics: Vec::new(),
        };
        let commit = Commit {
            batches: vec![batch],
            advances: vec![Advance {
                app_id: "malla/t/s/0".into(),
                from: (offsets.start > 0).then_some(offsets.start),
                to: offsets.end,
            }],
            ..Commit::default()
        };
        self.lake.table(spec).await.unwrap().commit(commit).await.unwrap();
    }

    /// The stored form of a column that policy masks when it is written.
    pub(crate) fn at_write(&self, product: &str, column: &str, values: &ArrayRef) -> ArrayRef {
        let table = &self.governance.contracts[0].product(product).unwrap().table;
        let column = table.column(column).unwrap();
        let policy = &self.governance.policy;
        let rule = policy.mask(product, column).unwrap().unwrap();
        let group = Some(rule.join_group.as_str());
        let masker = Masker::for_column(&self.governance.keys, rule.mask, column, group).unwrap();
        masker.apply(values).unwrap().0
    }

    /// Asks for reports.
    pub(crate) async fn ask(&self, principal: &str, sql: &str) -> Result<QueryResult, QueryError> {
        self.query().run(&asker(principal), sql, &Limits::default()).await
    }

    pub(crate) async fn table(&self, principal: &str, sql: &str) -> String {
        match self.ask(principal, sql).await {
            Ok(result) => shown(Format::Table, &result),
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Rows as CSV, without the header.
    pub(crate) async fn rows(&self, principal: &str, sql: &str) -> String {
        match self.ask(principal, sql).await {
            Ok(result) => {
                let text = shown(Format::Csv, &result);
                text.lines().skip(1).collect::<Vec<_>>().join("\n")
            }
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    pub(crate) async fn error(&self, principal: &str, sql: &str) -> String {
        match self.ask(principal, sql).await {
            Ok(result) => panic!("{sql}: {}", shown(Format::Table, &result)),
            Err(error) => error.to_string(),
        }
    }
}

pub(crate) fn asker(principal: &str) -> Asker {
    Asker {
        principal: principal.into(),
        purpose: "informes".into(),
    }
}

pub(crate) fn shown(format: Format, result: &QueryResult) -> String {
    let mut out = Vec::new();
    render(format, result, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
