//! What a principal sees of a table: policy's answer, made into a table that a query can read.
//!
//! INVARIANT: a table enters a query only through [`Door::open`], which asks policy first and looks at the lake
//! afterwards, and records what was decided before a row is read.

mod condition;
mod exec;
mod held;
mod names;
mod promise;
mod provider;
mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::Schema;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::logical_expr::Expr;
use malla_audit::{AuditLog, Kind, Outcome, Record};
use malla_contract::{Column, Contract, Date, MaskKind, Table};
use malla_lake::{Lake, Layer, TableId};
use malla_policy::{ColumnView, Denied, MaskAt, MaskRule, Policy, Refused, RowFilter, TableView, pseudonym};
use malla_privacy::{KeyStore, Masker, Opener, QueryKey, TokenTranslator};

use crate::QueryError;
use crate::query::unpacked;
pub(crate) use exec::NotShown;
use exec::Show;
use names::{distance, listed, object, sql_name, table_id};
use provider::{GovernedTable, Shown};
use stored::{Stored, StoredColumn};

/// A table's name as policies write it, of one in a query.
pub(crate) fn object_of(name: &TableReference) -> Option<String> {
    table_id(name).map(|id| object(&id))
}

/// A table's columns as its contract promises them. `None`: no contract has such a table.
pub(crate) fn promised(contracts: &[Contract], name: &TableReference) -> Option<Table> {
    let id = table_id(name)?;
    let contract = contracts.iter().find(|contract| contract.domain == id.domain())?;
    let id = match (id.layer(), contract.gold(id.name())) {
        (Layer::Curated, Some(_)) => TableId::new(id.domain(), Layer::Gold, id.name()).ok()?,
        _ => id,
    };
    Some(Stored::of(contract, &id)?.table)
}

/// Who asks, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// `user:ana`, `service:reportes`.
    pub principal: String,
    /// A word that policies know.
    pub purpose: String,
}

/// All that decides who sees what.
#[derive(Clone)]
pub struct Governance {
    /// The rules.
    pub policy: Policy,
    /// For tokens, and for what is sealed.
    pub keys: Arc<KeyStore>,
    /// Of every domain: what has no contract is not read.
    pub contracts: Arc<[Contract]>,
    /// Where decisions are recorded.
    pub audit: Arc<AuditLog>,
    /// The day, in UTC: tokens of an older key are joined until the last day of their window.
    pub today: Date,
}

impl std::fmt::Debug for Governance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Governance")
            .field("policy", &self.policy.digest())
            .finish_non_exhaustive()
    }
}

/// The tables of a lake for one query of one principal.
pub(crate) struct Door<'a> {
    lake: &'a Lake,
    governance: &'a Governance,
    asker: &'a Asker,
    key: QueryKey,
    /// A table that is read at this version, whatever readers are held at.
    pinned: Option<&'a (TableId, u64)>,
}

/// A table that a query reads.
pub(crate) struct Opened {
    pub(crate) provider: Arc<dyn TableProvider>,
    /// Its name as policies write it.
    pub(crate) object: String,
    pub(crate) table: malla_lake::Table,
    /// The version that is read.
    pub(crate) version: u64,
    /// Readers are kept from its newest version: what the asker is told.
    pub(crate) held: Option<String>,
    /// Its columns, as the asker sees them.
    pub(crate) seen: BTreeMap<String, Column>,
    /// A column is shown under names that are other ones in each query.
    pub(crate) own_names: bool,
}

/// A table that policy lets the asker read.
struct Readable<'a> {
    id: &'a TableId,
    contract: &'a Contract,
    stored: Stored,
    view: TableView<'a>,
}

impl<'a> Door<'a> {
    pub(crate) fn new(
        lake: &'a Lake,
        governance: &'a Governance,
        asker: &'a Asker,
    ) -> Result<Self, QueryError> {
        Ok(Self {
            lake,
            governance,
            asker,
            key: QueryKey::random()
                .map_err(|_| QueryError::Failed("the operating system gives no randomness"))?,
            pinned: None,
        })
    }

    pub(crate) fn with_pinned(mut self, pinned: Option<&'a (TableId, u64)>) -> Self {
        self.pinned = pinned;
        self
    }

    /// The table of a name, as the asker sees it now. What is denied and what is not there are told apart to nobody.
    pub(crate) async fn open(&self, name: &TableReference) -> Result<Opened, QueryError> {
        let Some(id) = table_id(name).map(|id| self.in_its_layer(id)) else {
            return self.refuse(&name.to_string(), None).await;
        };
        let object = object(&id);
        let Some((contract, stored)) = self.promised(&id) else {
            return self.refuse(&object, None).await;
        };
        let policy = &self.governance.policy;
        let Asker { principal, purpose } = self.asker;
        let view = match policy.view(principal, id.domain(), &object, &stored.table.columns, purpose) {
            Ok(view) => view,
            Err(Refused::Denied(denied)) => return self.refuse(&object, Some(denied)).await,
            Err(Refused::MissingMask(missing)) => {
                let text = missing.to_string();
                self.record(&object, Outcome::Deny, &text)?;
                return Err(QueryError::Policy(text));
            }
        };
        let Some(table) = self.lake.existing(&id).await? else {
            return Err(QueryError::UnknownTable {
                name: sql_name(&id),
                known: self.known(name).await?,
            });
        };
        let readable = Readable {
            id: &id,
            contract,
            stored,
            view,
        };
        let shown = self.version(&readable, &table).await?;
        let governed = self.govern(&readable, shown.provider)?;
        self.record_read(&object, &readable, shown.held.is_some().then_some(shown.version))?;
        let seen = readable.stored.table.columns.iter().zip(&readable.view.columns);
        let seen = seen
            .filter_map(|(column, view)| {
                Some((
                    column.name.clone(),
                    match view {
                        ColumnView::Hidden { .. } => return None,
                        ColumnView::Masked { .. } => pseudonym(column),
                        ColumnView::Plain | ColumnView::Raw { .. } => column.clone(),
                    },
                ))
            })
            .collect();
        let own_names = readable.view.columns.iter().any(
            |view| matches!(view, ColumnView::Masked { rule } if rule.mask == MaskKind::Sha256QueryLocal),
        );
        Ok(Opened {
            provider: Arc::new(governed),
            object,
            table,
            version: shown.version,
            held: shown.held,
            seen,
            own_names,
        })
    }

    /// What a query makes is kept apart from what steps make; to whoever reads it both are products.
    fn in_its_layer(&self, id: TableId) -> TableId {
        let is_gold = id.layer() == Layer::Curated
            && self
                .governance
                .contracts
                .iter()
                .any(|contract| contract.domain == id.domain() && contract.gold(id.name()).is_some());
        if is_gold {
            TableId::new(id.domain(), Layer::Gold, id.name()).unwrap_or(id)
        } else {
            id
        }
    }

    /// The contract's promise of a table, host columns included.
    fn promised(&self, id: &TableId) -> Option<(&'a Contract, Stored)> {
        let contract = self
            .governance
            .contracts
            .iter()
            .find(|contract| contract.domain == id.domain())?;
        Some((contract, Stored::of(contract, id)?))
    }

    fn govern(
        &self,
        readable: &Readable<'_>,
        provider: Arc<dyn TableProvider>,
    ) -> Result<GovernedTable, QueryError> {
        let schema = provider.schema();
        let mut columns = Vec::new();
        let mut told = Vec::new();
        for (column, view) in readable.stored.columns().zip(&readable.view.columns) {
            // A table that was made by an earlier version of the contract may lack a column.
            let Some((index, field)) = schema.column_with_name(&column.column.name) else {
                continue;
            };
            let Some(show) = self.show(readable.id, &column, view)? else {
                continue;
            };
            let name = &column.column.name;
            match view {
                ColumnView::Masked { rule } => {
                    told.push(format!("{name} as {} by masks.toml:{}", rule.mask, rule.line))
                }
                ColumnView::Raw { why, .. } => told.push(format!("{name} raw by {}", why.id)),
                ColumnView::Hidden { .. } | ColumnView::Plain => {}
            }
            let field = match &show {
                Show::Plain => field.clone(),
                Show::Masked(_) | Show::Tokens { .. } | Show::Null | Show::Opened { .. } => {
                    column.column.field().with_nullable(true)
                }
            };
            columns.push(Shown { field, index, show });
        }
        let mut filters = Vec::new();
        for filter in &readable.view.row_filters {
            let Some(condition) = self.condition(readable, filter, &schema) else {
                // The policy's author is told more, by `malla policy check`: what the table holds is none of the
                // asker's business.
                return Err(QueryError::Policy(format!(
                    "row filter {} cannot be applied to `{}` as it is stored: `malla policy check` says why",
                    filter.id,
                    object(readable.id)
                )));
            };
            filters.push(condition);
            // Who sees a column only masked, or not at all, does not learn its values from a rule about it.
            let columns = readable.stored.table.columns.iter().zip(&readable.view.columns);
            let seen = columns.filter(|(column, _)| column.name == filter.column);
            if seen
                .map(|(_, view)| view)
                .all(|view| matches!(view, ColumnView::Plain | ColumnView::Raw { .. }))
            {
                told.push(format!("rows whose {filter} by {}", filter.id));
            } else {
                told.push(format!("rows by {}", filter.id));
            }
        }
        let rules = format!(
            "{} for {}, by {}{}{}",
            self.asker.principal,
            self.asker.purpose,
            readable.view.rule.id,
            if told.is_empty() { "" } else { ": " },
            told.join("; ")
        );
        Ok(GovernedTable::new(provider, columns, filters, rules))
    }

    /// A row filter on the stored columns. `None`: its column holds no raw values, or not there, or of another type.
    fn condition(&self, readable: &Readable<'_>, filter: &RowFilter, schema: &Schema) -> Option<Expr> {
        let stored = &readable.stored;
        let column = filter.column(&stored.table).ok()?;
        let (_, field) = schema.column_with_name(&column.name)?;
        let rule = self.governance.policy.mask(&filter.table, column).ok()?;
        let is_product = matches!(readable.id.layer(), Layer::Curated | Layer::Gold);
        let is_masked = is_product && rule.is_some_and(|r| r.at == MaskAt::Write);
        // `not-in` would let every mask pass.
        if is_masked || stored.sealed(&column.name) || unpacked(field.data_type()) != column.ty.arrow() {
            return None;
        }
        condition::expr(filter, column)
    }

    /// `None`: the asker sees nothing of the column.
    fn show(
        &self,
        id: &TableId,
        column: &StoredColumn<'_>,
        view: &ColumnView<'_>,
    ) -> Result<Option<Show>, QueryError> {
        let opened = |then| Show::Opened {
            opener: Box::new(Opener::new(&self.governance.keys, &id.to_string())),
            name: column.column.name.clone(),
            ty: column.column.ty,
            bytes: column.bytes,
            then,
        };
        Ok(Some(match view {
            ColumnView::Hidden { .. } => return Ok(None),
            ColumnView::Plain if column.sealed => return Err(unmasked(column)),
            ColumnView::Plain => Show::Plain,
            ColumnView::Raw { .. } if column.sealed => opened(None),
            ColumnView::Raw { .. } => Show::Plain,
            ColumnView::Masked { rule } if rule.mask == MaskKind::ReplaceWithNull => Show::Null,
            ColumnView::Masked { rule } if column.sealed => opened(Some(self.masker(rule, column)?)),
            // Rows that were written under an older policy may be less hidden than the rule wants.
            ColumnView::Masked { rule } if rule.at == MaskAt::Write => {
                let masker = self.masker(rule, column)?.over_stored();
                let Governance { keys, today, .. } = self.governance;
                let translator = TokenTranslator::new(keys, &rule.join_group, *today);
                if rule.mask == MaskKind::Token && !translator.is_idle() {
                    Show::Tokens {
                        translator: Box::new(translator),
                        masker,
                    }
                } else {
                    Show::Masked(masker)
                }
            }
            ColumnView::Masked { rule } => Show::Masked(self.masker(rule, column)?),
        }))
    }

    fn masker(&self, rule: &MaskRule, column: &StoredColumn<'_>) -> Result<Masker, QueryError> {
        // What is read may always be null: a promise of the stored table is none of what is shown.
        let column = malla_contract::Column {
            required: false,
            ..column.column.clone()
        };
        Masker::for_query(
            &self.governance.keys,
            &self.key,
            rule.mask,
            &column,
            Some(&rule.join_group),
        )
        .map_err(|error| QueryError::Policy(format!("column `{}`: {error}", column.name)))
    }

    /// Always an error: the same for what is denied and for what is not there.
    async fn refuse<T>(&self, object: &str, denied: Option<Denied>) -> Result<T, QueryError> {
        let rule = denied.and_then(|denied| denied.rule);
        self.record(
            object,
            Outcome::Deny,
            &rule.map(|rule| rule.to_string()).unwrap_or_default(),
        )?;
        Err(QueryError::Denied {
            principal: self.asker.principal.clone(),
            purpose: self.asker.purpose.clone(),
            table: object.to_owned(),
            readable: self.known(&TableReference::bare(object)).await?,
        })
    }

    fn record(&self, object: &str, outcome: Outcome, rule: &str) -> Result<(), QueryError> {
        let kind = if outcome == Outcome::Deny {
            Kind::Deny
        } else {
            Kind::Read
        };
        self.append(self.entry(kind, object, outcome, rule))
    }

    fn record_read(
        &self,
        object: &str,
        readable: &Readable<'_>,
        held_at: Option<u64>,
    ) -> Result<(), QueryError> {
        let names = |wanted: fn(&ColumnView<'_>) -> bool| {
            let columns = readable.stored.table.columns.iter().zip(&readable.view.columns);
            columns
                .filter(|(_, view)| wanted(view))
                .map(|(column, _)| column.name.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let masked = names(|view| matches!(view, ColumnView::Masked { .. }));
        let raw = names(|view| matches!(view, ColumnView::Raw { .. }));
        let hidden = names(|view| matches!(view, ColumnView::Hidden { .. }));
        let filters: Vec<String> = readable
            .view
            .row_filters
            .iter()
            .map(|filter| filter.id.to_string())
            .collect();
        let outcome = if masked.is_empty() && hidden.is_empty() && filters.is_empty() {
            Outcome::Allow
        } else {
            Outcome::Mask
        };
        let mut entry = self.entry(Kind::Read, object, outcome, &readable.view.rule.id.to_string());
        for (name, text) in [
            ("masked", masked),
            ("raw", raw),
            ("hidden", hidden),
            ("row_filters", filters.join(" ")),
            (
                "held_at",
                held_at.map(|version| version.to_string()).unwrap_or_default(),
            ),
        ] {
            if !text.is_empty() {
                entry = entry.with_detail(name, text);
            }
        }
        self.append(entry.with_detail("contract", &readable.contract.version))
    }

    fn entry(&self, kind: Kind, object: &str, outcome: Outcome, rule: &str) -> Record {
        tracing::info!(
            kind = kind.as_str(),
            principal = self.asker.principal,
            purpose = self.asker.purpose,
            object,
            outcome = outcome.as_str(),
            rule,
            "Decided."
        );
        Record::new(kind, object, outcome)
            .with_principal(&self.asker.principal)
            .with_action("read")
            .with_purpose(&self.asker.purpose)
            .with_rule(rule)
            .with_policy(self.governance.policy.digest())
    }

    fn append(&self, record: Record) -> Result<(), QueryError> {
        Ok(self.governance.audit.record(record)?)
    }

    /// The tables that the asker may read, those with names near to `name` first.
    async fn known(&self, name: &TableReference) -> Result<String, QueryError> {
        let Asker { principal, purpose } = self.asker;
        let mut names: Vec<String> = self
            .lake
            .list()
            .await?
            .iter()
            .filter(|id| {
                self.promised(id).is_some_and(|(_, stored)| {
                    let view = self.governance.policy.view(
                        principal,
                        id.domain(),
                        &object(id),
                        &stored.table.columns,
                        purpose,
                    );
                    view.is_ok()
                })
            })
            .map(sql_name)
            .collect();
        names.sort_by_cached_key(|known| (distance(known, &name.to_string()), known.clone()));
        Ok(listed(names))
    }
}

fn unmasked(column: &StoredColumn<'_>) -> QueryError {
    QueryError::Policy(format!(
        "no mask for the sealed column `{}`: add a rule for its classification to masks.toml",
        column.column.name
    ))
}
