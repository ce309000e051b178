//! Partitions of a range of dates made anew, whether anything of them changed or not.

use std::collections::BTreeSet;
use std::sync::Arc;

use malla_contract::{ColumnType, Date};

use super::job::Run;
use super::{GoldPlan, GoldReport, Goldsmith};
use crate::run::Days;
use crate::runs::{Ending, JobKind, Numbers, RunMark, RunState, Trigger};
use crate::schedule::Attempt;

/// Days of one commit: what is made of them is in memory at once.
const STEP: i32 = 31;
/// How often another process may be quicker, or the policy change, at one step.
const TRIES: u32 = 10;

impl Goldsmith {
    /// Makes one product now: as far as it is stale, and the partitions of these days in any case.
    pub(crate) async fn make_now(
        self: &Arc<Self>,
        (domain, product): (&str, &str),
        days: Option<Days>,
        report: &mut GoldReport,
    ) {
        let job = format!("{domain}.{product}");
        let trigger = if days.is_some() {
            Trigger::Backfill
        } else {
            Trigger::Once
        };
        // Whoever asks for it is told of it, though there was nothing to do.
        let begun = self.history.begin(&job, JobKind::Product, trigger, None);
        let run = Run::of(&self.history, &job, trigger, Some(begun));
        let mut numbers = Numbers::default();
        let mut steps = steps(days);
        // What is checked as a whole is made as a whole, whichever days are asked for.
        if self
            .mesh
            .gold_of(domain, product)
            .is_ok_and(|plan| plan.is_judged_whole())
        {
            steps.truncate(1);
        }
        let mut steps = steps.into_iter();
        let mut ending = Ending::new(RunState::Succeeded, 1);
        for also in steps.by_ref() {
            match self.step((domain, product), &also, run.begin(), report).await {
                Attempt::Done(more) => numbers.add(&more),
                Attempt::Skipped(why) => {
                    report.skipped.insert(job.clone(), why.clone());
                    ending = Ending::new(RunState::Skipped, 1).with_error(why);
                }
                Attempt::Failed { error, .. } => ending = Ending::new(RunState::Failed, 1).with_error(error),
                Attempt::TimedOut(_) => {
                    let error = crate::schedule::too_long(self.mesh.job_config(&job).timeout);
                    ending = Ending::new(RunState::TimedOut, 1).with_error(error);
                }
                Attempt::Stopped(_) => {
                    ending = Ending::new(RunState::Aborted, 1).with_error("the host was told to stop");
                }
            }
            if ending.state != RunState::Succeeded {
                break;
            }
        }
        if let Some(error) = ending
            .error
            .as_ref()
            .filter(|_| ending.state != RunState::Skipped)
        {
            let left = steps.flatten().flatten().min();
            let left = left.map_or_else(String::new, |day| {
                format!("; everything from {day} on is as it was")
            });
            tracing::error!(product = job, error, "A product was not made.");
            report
                .failures
                .insert(job.clone(), format!("{job}: {error}{left}"));
        }
        run.ends(ending.with_numbers(numbers));
    }

    async fn step(
        &self,
        (domain, product): (&str, &str),
        also: &BTreeSet<Option<String>>,
        mark: RunMark,
        report: &mut GoldReport,
    ) -> Attempt {
        let mut why = String::new();
        for _ in 0..TRIES {
            let plan = match self.mesh.gold_of(domain, product) {
                Ok(plan) => plan,
                Err(refusal) => {
                    return Attempt::Failed {
                        numbers: Numbers::default(),
                        error: refusal.to_string(),
                        is_final: true,
                    };
                }
            };
            let config = self.mesh.job_config(&plan.product);
            let tried = self.attempt(&plan, &config, also, &|| Some(mark)).await;
            if let Some(made) = tried.report {
                report
                    .products
                    .entry(plan.product.clone())
                    .and_modify(|known| known.and_then(&made))
                    .or_insert(made);
            }
            match tried.attempt {
                // These very partitions were asked for: that another process made some is not enough.
                Attempt::Skipped(reason) if !also.is_empty() && !tried.waits => why = reason,
                other => return other,
            }
        }
        Attempt::Skipped(why)
    }
}

/// The partitions of each commit.
fn steps(days: Option<Days>) -> Vec<BTreeSet<Option<String>>> {
    let Some(Days { from, to }) = days else {
        return vec![BTreeSet::new()];
    };
    let all: Vec<i32> = (from.days()..=to.days()).collect();
    all.chunks(usize::try_from(STEP).unwrap_or(1))
        .map(|days| {
            let days = days.iter().map(|day| Some(Date::from_days(*day).to_string()));
            days.collect()
        })
        .collect()
}

impl GoldPlan {
    /// Whether a range of days is a range of its partitions; if not, what it is partitioned by.
    pub(crate) fn is_by_day(&self) -> Result<(), String> {
        match &self.key {
            Some(key) if key.ty == ColumnType::Date => Ok(()),
            Some(key) => Err(format!(
                "its first partition column is `{}`, which is no date",
                key.name
            )),
            None => Err("it is not partitioned".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_made_in_steps_that_miss_and_repeat_no_day() {
        let days = Days {
            from: "2024-01-01".parse().unwrap(),
            to: "2024-12-31".parse().unwrap(),
        };
        let steps = steps(Some(days));
        assert_eq!(steps.len(), 12);
        assert!(steps.iter().all(|step| step.len() <= 31));
        let all: Vec<_> = steps.iter().flatten().collect();
        assert_eq!(all.len(), 366);
        assert!(all.is_sorted() && all.windows(2).all(|two| two[0] < two[1]));
        assert!(all.contains(&&Some("2024-02-29".to_owned())));
        let one = Days {
            from: days.to,
            to: days.to,
        };
        assert_eq!(
            super::steps(Some(one)),
            [BTreeSet::from([Some("2024-12-31".to_owned())])]
        );
    }
}
