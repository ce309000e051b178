//! A run as it is shown: from the table, or from the local disk before it is there.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use super::Run;

/// A run as it is shown. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `Run`")]
pub struct ShownRun {
    pub run_id: String,
    pub job: String,
    pub kind: String,
    pub trigger: String,
    pub scheduled: Option<String>,
    pub started: String,
    pub ended: Option<String>,
    pub state: String,
    pub attempts: u32,
    pub rows_read: Option<u64>,
    pub rows_kept: u64,
    pub rows_rejected: Option<u64>,
    pub rows_quarantined: Option<u64>,
    pub version: Option<u64>,
    pub error: Option<String>,
    pub host: String,
}

impl ShownRun {
    /// What to ask the lake for, the newest first.
    #[must_use]
    pub fn query(job: Option<&str>) -> String {
        // Nothing but letters, digits, `.`, `_` and `-` gets in.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let job = job.map(|job| job.chars().filter(|c| plain(*c)).collect::<String>());
        let only = job.map_or_else(String::new, |job| format!("WHERE job = '{job}' "));
        format!(
            "SELECT run_id, job, kind, \"trigger\", scheduled, started, ended, state, attempts, rows_read, rows_kept, \
             rows_rejected, rows_quarantined, version, error, host FROM malla.runs {only}ORDER BY started DESC, run_id"
        )
    }
}

impl From<Run> for ShownRun {
    fn from(run: Run) -> Self {
        let time = |micros: i64| {
            DateTime::from_timestamp_micros(micros)
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::AutoSi, true)
        };
        Self {
            run_id: run.run_id.to_string(),
            job: run.job,
            kind: run.kind.as_str().to_owned(),
            trigger: run.trigger.as_str().to_owned(),
            scheduled: run.scheduled.map(time),
            started: time(run.started),
            ended: run.ended.map(time),
            state: run.state.as_str().to_owned(),
            attempts: run.attempts,
            rows_read: run.rows_read,
            rows_kept: run.rows_kept,
            rows_rejected: run.rows_rejected,
            rows_quarantined: run.rows_quarantined,
            version: run.version,
            error: run.error,
            host: run.host,
        }
    }
}
