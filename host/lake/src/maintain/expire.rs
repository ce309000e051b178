//! Rows that are older than their retention go, whole partitions at a time.

use std::collections::BTreeSet;

use deltalake::kernel::{LogicalFileView, Remove};
use deltalake::protocol::DeltaOperation;
use malla_contract::{Date, civil};
use serde_json::{Map, Value};

use serde::Serialize;

use crate::attempt::{Attempt, Begun, Draft, Guard};
use crate::maintain::bytes;
use crate::table::Inner;
use crate::{Advance, LakeError, Table, log};

/// How often it is tried again when another commit removes some of the same files.
const TRIES: usize = 3;

/// Which rows go.
#[derive(Debug, Clone)]
pub struct Expiry {
    /// A partition column of dates.
    pub column: String,
    /// Days before this one go.
    pub before: Date,
    /// A column of times that must agree: a file stays if its newest time is not before this day either, or if the log
    /// does not tell.
    pub element: Option<String>,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Days.
    pub days: BTreeSet<String>,
    /// Files.
    pub files: usize,
    /// Rows, as far as the log knows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// Files of days before the bound that stay, since [`Expiry::element`] does not agree.
    pub kept: usize,
    /// The version in which they are gone.
    pub version: Option<u64>,
}

impl Table {
    /// Removes the rows of days before a bound, and remembers the bound: see [`Table::expired_before`].
    ///
    /// Their files stay on disk until a vacuum.
    ///
    /// # Errors
    /// The store's error, or [`LakeError::Moved`] if other commits keep coming first.
    pub async fn expire(&self, expiry: &Expiry, dry_run: bool) -> Result<Expired, LakeError> {
        let mut tries = 1;
        loop {
            match self.inner.expire(expiry, dry_run).await {
                Err(LakeError::Moved { .. }) if tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    /// The first day of a partition column that no retention has taken yet. `None`: none took any.
    ///
    /// It is in the table's own state, which checkpoints carry on.
    ///
    /// # Errors
    /// The store's error.
    pub async fn expired_before(&self, column: &str) -> Result<Option<Date>, LakeError> {
        let days = self.offset(&self.inner.expiry_id(column)).await?;
        Ok(days
            .and_then(|days| i32::try_from(days).ok())
            .map(Date::from_days))
    }
}

impl Inner {
    /// The bound is kept as an offset is: as days since 1970.
    fn expiry_id(&self, column: &str) -> String {
        format!("malla/{}/expired/{column}", self.id)
    }

    async fn expire(&self, expiry: &Expiry, dry_run: bool) -> Result<Expired, LakeError> {
        let begun = Begun::now();
        let snapshot = self.newest().await?;
        let mut expired = Expired::default();
        let mut gone = Vec::new();
        for file in self.files(&snapshot).await? {
            let Some(day) = file.partition_values_map().remove(&expiry.column).flatten() else {
                continue;
            };
            if !day.parse::<Date>().is_ok_and(|day| day < expiry.before) {
                continue;
            }
            if !expiry.agrees(&file) {
                expired.kept += 1;
                continue;
            }
            expired.days.insert(day);
            expired.files += 1;
            expired.bytes += bytes(&file);
            expired.rows += file.num_records().unwrap_or(0) as u64;
            gone.push(file);
        }
        if gone.is_empty() || dry_run {
            return Ok(expired);
        }
        let app_id = self.expiry_id(&expiry.column);
        let from = {
            let mut state = self.state.lock().await;
            state
                .learn(&self.id, &self.log, std::iter::once(app_id.as_str()))
                .await?;
            state.offset(&app_id)
        };
        let to = i64::from(expiry.before.days());
        // Rows that came late for a day that went before.
        let same = from.is_some_and(|from| from >= to);
        let advance = Advance { app_id, from, to };
        let removed: Vec<Remove> = gone.iter().map(|file| file.remove_action(true)).collect();
        let draft = Draft {
            operation: DeltaOperation::Delete {
                predicate: Some(format!("{} < '{}'", expiry.column, expiry.before)),
            },
            info: Map::from_iter([(log::MAINTENANCE.to_owned(), Value::from("expire"))]),
            advances: if same { Vec::new() } else { vec![advance] },
            files: Vec::new(),
            rows: 0,
            begun,
        };
        let guard = Guard::Takes {
            at: snapshot.version(),
            paths: gone.iter().map(|file| file.path().into_owned()).collect(),
        };
        let committed = Attempt::new(self, draft, &removed, guard)?.run().await;
        match committed {
            Ok(committed) => expired.version = Some(committed.version),
            // Another host is at the same.
            Err(LakeError::OffsetConflict { .. }) => {
                return Err(LakeError::Moved {
                    table: self.id.clone(),
                });
            }
            Err(error) => return Err(error),
        }
        Ok(expired)
    }
}

impl Expiry {
    fn agrees(&self, file: &LogicalFileView) -> bool {
        let Some(element) = self.element.as_ref().filter(|element| **element != self.column) else {
            return true;
        };
        let bound = i64::from(self.before.days()) * 86_400_000_000;
        let stats: Option<Value> = file.stats().and_then(|text| serde_json::from_str(&text).ok());
        let newest = stats.as_ref().and_then(|stats| {
            let text = stats.get("maxValues")?.get(element)?.as_str()?;
            civil::timestamp(text)
        });
        newest.is_some_and(|newest| newest < bound)
    }
}
