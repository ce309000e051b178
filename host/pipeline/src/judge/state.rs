//! How good products are, for whoever may read the results of their checks.

use std::sync::Arc;

use malla_contract::civil::{Date, instant};
use malla_contract::{Contract, Product};
use malla_lake::{Judgement, Lake};
use malla_query::{Asker, Format, Governance, Limits, Query, QueryError, render};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::plugins::table_of;

/// What readers get of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityState {
    /// Its contract promises nothing.
    Unchecked,
    /// It was not judged yet: the newest version.
    NotJudged,
    /// The newest version: what was judged of it keeps its promises.
    Good,
    /// The newest version, though a check whose failure is an error fails or could not be run: there is nothing to keep back yet.
    Doubtful,
    /// The last good version, or none.
    HeldBack,
}

/// A product, and what its checks found last.
#[derive(Debug, Clone)]
pub struct ProductQuality {
    /// `domain.product`.
    pub product: String,
    /// Who answers for it.
    pub owner: String,
    /// What readers get.
    pub state: QualityState,
    /// The newest version of its table, if there is one.
    pub newest: Option<u64>,
    /// What was judged last.
    pub judgement: Option<Judgement>,
    /// The last result of each check, in the order of the contract.
    pub results: Vec<CheckResult>,
    /// The last judgings, the newest first.
    pub history: Vec<PastRun>,
}

/// A row of the table of results.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the contract of the table describes each column")]
pub struct CheckResult {
    pub run_time: String,
    pub table_version: Option<u64>,
    pub check: String,
    pub dimension: Option<String>,
    pub severity: String,
    pub level: String,
    pub expectation: String,
    pub kwargs: String,
    pub success: Option<bool>,
    pub element_count: u64,
    pub missing_count: u64,
    pub unexpected_count: u64,
    pub unexpected_percent: Option<f64>,
    pub partial_unexpected_list: Option<String>,
    pub complete: bool,
    pub message: Option<String>,
}

/// One judging.
#[derive(Debug, Clone, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PastRun {
    pub run_time: String,
    pub table_version: Option<u64>,
    pub checks: u64,
    pub failed: u64,
    pub failed_checks: Option<String>,
}

/// The quality of one product (`domain.product`), or of all whose results the asker may read, with `history` judgings each.
/// What may not be read is left out, and an error if it was asked for.
///
/// # Errors
/// [`QueryError`].
pub async fn quality(
    lake: &Lake,
    governance: &Governance,
    asker: &Asker,
    only: Option<&str>,
    history: usize,
) -> Result<Vec<ProductQuality>, QueryError> {
    let query = Query::open(lake.clone(), governance.clone());
    let mut found = Vec::new();
    let contracts = Arc::clone(&governance.contracts);
    let mut known = false;
    // The host's own tables are judged by nobody.
    for contract in contracts
        .iter()
        .filter(|contract| contract.domain != crate::runs::DOMAIN)
    {
        for product in &contract.products {
            let name = format!("{}.{}", contract.domain, product.name);
            if only.is_some_and(|only| only != name) {
                continue;
            }
            known = true;
            let of = Of {
                lake,
                query: &query,
                asker,
                contract,
                product,
            };
            match of.quality(name, history).await {
                Ok(quality) => found.push(quality),
                Err(QueryError::Denied { .. }) if only.is_none() => {}
                Err(error) => return Err(error),
            }
        }
    }
    if let Some(name) = only.filter(|_| !known) {
        // Says what there is, to whoever may know.
        let (domain, product) = name.split_once('.').unwrap_or((name, ""));
        let sql = format!(
            "SELECT 1 FROM {}.{}",
            quoted(&format!("{domain}_quality")),
            quoted(product)
        );
        query.run(asker, &sql, &Limits::default()).await?;
    }
    Ok(found)
}

struct Of<'a> {
    lake: &'a Lake,
    query: &'a Query,
    asker: &'a Asker,
    contract: &'a Contract,
    product: &'a Product,
}

impl Of<'_> {
    async fn quality(&self, product: String, history: usize) -> Result<ProductQuality, QueryError> {
        let id = table_of(self.contract, self.product)?;
        // First of all whether they may be read.
        let probe: Result<Vec<Value>, _> = self.rows("SELECT 1 AS one FROM {} LIMIT 1").await;
        let judgement = match probe {
            Ok(_) => self.lake.judgement(&id).await?.map(|at| at.judgement),
            Err(QueryError::UnknownTable { .. }) => None,
            Err(error) => return Err(error),
        };
        let newest = match self.lake.existing(&id).await? {
            Some(table) => Some(table.version().await?),
            None => None,
        };
        let (mut results, mut past) = (Vec::new(), Vec::new());
        if let Some(judgement) = &judgement {
            results = self.results(judgement).await?;
            if history > 0 {
                past = self.history(history).await?;
            }
        }
        Ok(ProductQuality {
            owner: self
                .contract
                .owner
                .clone()
                .unwrap_or_else(|| self.contract.domain.clone()),
            state: self.state(judgement.as_ref()),
            product,
            newest,
            judgement,
            results,
            history: past,
        })
    }

    fn state(&self, judgement: Option<&Judgement>) -> QualityState {
        let table = &self.product.table;
        match judgement {
            _ if table.checks().next().is_none() => QualityState::Unchecked,
            None => QualityState::NotJudged,
            Some(judgement)
                if judgement.is_held() && (table.may_be_held_back() || judgement.unpublished.is_some()) =>
            {
                QualityState::HeldBack
            }
            Some(judgement) if judgement.good == Some(judgement.judged) => QualityState::Good,
            Some(_) => QualityState::Doubtful,
        }
    }

    /// The last result of each check that the contract has now.
    async fn results(&self, judgement: &Judgement) -> Result<Vec<CheckResult>, QueryError> {
        const DAY: i64 = 86_400_000_000;
        // Every check is judged anew at least once a day.
        let since = judgement.at.saturating_sub(2 * DAY).div_euclid(DAY);
        let since = Date::from_days(i32::try_from(since).unwrap_or(0));
        let sql = format!(
            "SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY \"check\" ORDER BY run_time DESC) AS nth \
             FROM {{}} WHERE fecha >= DATE '{since}') WHERE nth = 1"
        );
        let mut found: Vec<CheckResult> = self.rows(&sql).await?;
        let checks: Vec<&str> = self
            .product
            .table
            .checks()
            .map(|check| check.name.as_str())
            .collect();
        let place = |result: &CheckResult| checks.iter().position(|name| *name == result.check);
        found.retain(|result| place(result).is_some());
        found.sort_by_key(place);
        Ok(found)
    }

    async fn history(&self, most: usize) -> Result<Vec<PastRun>, QueryError> {
        self.rows(&format!(
            "SELECT run_time, table_version, count(*) AS checks, \
             count(*) FILTER (WHERE success = false) AS failed, \
             string_agg(\"check\", ' ' ORDER BY \"check\") FILTER (WHERE success = false) AS failed_checks \
             FROM {{}} GROUP BY run_time, table_version ORDER BY run_time DESC LIMIT {most}"
        ))
        .await
    }

    /// Rows of a query, in which `{}` stands for the table of results.
    async fn rows<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, QueryError> {
        let schema = format!("{}_quality", self.contract.domain);
        let table = format!("{}.{}", quoted(&schema), quoted(&self.product.name));
        let result = self
            .query
            .run(self.asker, &sql.replace("{}", &table), &Limits::default())
            .await?;
        let mut text = Vec::new();
        render(Format::Json, &result, &mut text)?;
        serde_json::from_slice(&text).map_err(|error| QueryError::Write(error.to_string()))
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl QualityState {
    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchecked => "no checks",
            Self::NotJudged => "not judged yet",
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::HeldBack => "held back",
        }
    }
}

impl ProductQuality {
    /// Whether readers get what the contract promises, as far as anybody judged.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        !matches!(self.state, QualityState::HeldBack | QualityState::Doubtful)
    }

    /// In the form of Great Expectations' `ExpectationSuiteValidationResult`, with what Malla knows beyond it in `meta`.
    #[must_use]
    pub fn validation(&self) -> Value {
        let run = || self.results.iter().filter(|result| result.success.is_some());
        let results: Vec<Value> = run().map(CheckResult::validation).collect();
        let successes = run().filter(|result| result.success == Some(true)).count();
        let not_run = self.results.iter().filter(|result| result.success.is_none());
        let not_run: Map<String, Value> = not_run
            .map(|result| (result.check.clone(), result.message.clone().into()))
            .collect();
        let judgement = self.judgement.as_ref();
        let share = (!results.is_empty()).then(|| percent(successes, results.len()));
        json!({
            "success": successes == results.len(),
            "statistics": {
                "evaluated_expectations": results.len(),
                "successful_expectations": successes,
                "unsuccessful_expectations": results.len() - successes,
                "success_percent": share,
            },
            "results": results,
            "meta": {
                "product": self.product,
                "owner": self.owner,
                "state": self.state.as_str(),
                "newest_version": self.newest,
                "judged_version": judgement.map(|judgement| judgement.judged),
                "good_version": judgement.and_then(|judgement| judgement.good),
                "judged_at": judgement.map(|judgement| instant(judgement.at)),
                "held_since": judgement.and_then(|judgement| judgement.held_since).map(instant),
                "not_run": not_run,
            },
        })
    }
}

impl CheckResult {
    fn validation(&self) -> Value {
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let mut meta = Map::from_iter([
            ("name".to_owned(), self.check.as_str().into()),
            ("severity".to_owned(), self.severity.as_str().into()),
            ("level".to_owned(), self.level.as_str().into()),
        ]);
        if let Some(dimension) = &self.dimension {
            meta.insert("dimension".to_owned(), dimension.as_str().into());
        }
        if !self.complete {
            meta.insert("complete".to_owned(), false.into());
        }
        let mut result = Map::from_iter([
            ("element_count".to_owned(), self.element_count.into()),
            ("missing_count".to_owned(), self.missing_count.into()),
            ("unexpected_count".to_owned(), self.unexpected_count.into()),
            ("unexpected_percent".to_owned(), self.unexpected_percent.into()),
        ]);
        if let Some(values) = &self.partial_unexpected_list {
            result.insert("partial_unexpected_list".to_owned(), parsed(values));
        }
        json!({
            "success": self.success,
            "expectation_config": {
                "type": self.expectation,
                "kwargs": parsed(&self.kwargs),
                "meta": meta,
            },
            "result": result,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are not 2^53 checks")]
fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole as f64
}
