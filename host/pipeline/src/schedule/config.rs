//! `[schedules.<domain>]` in `malla.toml`: when a job runs, for how long, and how often it is tried.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use rand::RngExt as _;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::Spanned;

/// The longest pause between two attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(600);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 86_400);
const MOST_RETRIES: u32 = 100;

/// By domain, then by the name of a source or product.
pub(crate) type Schedules = BTreeMap<String, BTreeMap<String, Spanned<JobConfig>>>;

/// How one source or product runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobConfig {
    /// When it begins. Absent: sources are followed, products are made after commits to what they are made of.
    pub cron: Option<CronLine>,
    /// Whose clock `cron` goes by.
    #[serde(deserialize_with = "timezone")]
    pub timezone: Tz,
    /// When an attempt is ended.
    #[serde(deserialize_with = "timeout")]
    pub timeout: Option<Duration>,
    /// How often it is tried again after an attempt that failed.
    #[serde(deserialize_with = "retries")]
    pub retries: u32,
    /// The pause before the first of these; doubled each time.
    #[serde(deserialize_with = "delay")]
    pub retry_delay: Duration,
    /// File and line, for errors.
    #[serde(skip)]
    pub(crate) place: String,
}

impl Default for JobConfig {
    fn default() -> Self {
        Self {
            cron: None,
            timezone: Tz::UTC,
            timeout: None,
            retries: 3,
            retry_delay: Duration::from_secs(30),
            place: String::new(),
        }
    }
}

/// Five fields as cron has them, or six with seconds before them.
#[derive(Debug, Clone)]
pub struct CronLine(Cron);

impl FromStr for CronLine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let remedy = "write five fields, minute hour day month weekday, such as \"0 3 * * *\"";
        let cron = parser
            .parse(text)
            .map_err(|error| format!("`{text}` is no cron line: {error}; {remedy}"))?;
        let line = Self(cron);
        if line.next(Tz::UTC, Utc::now().timestamp()).is_none() {
            return Err(format!("`{text}` is never due; {remedy}"));
        }
        Ok(line)
    }
}

impl fmt::Display for CronLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for CronLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl CronLine {
    /// The first time after `second`, in seconds since 1970 UTC.
    fn next(&self, timezone: Tz, second: i64) -> Option<i64> {
        let at = DateTime::from_timestamp(second, 0)?.with_timezone(&timezone);
        Some(self.0.find_next_occurrence(&at, false).ok()?.timestamp())
    }

    /// The last time that is not after `second`.
    fn last(&self, timezone: Tz, second: i64) -> Option<i64> {
        let at = DateTime::from_timestamp(second, 0)?.with_timezone(&timezone);
        Some(self.0.find_previous_occurrence(&at, true).ok()?.timestamp())
    }
}

impl JobConfig {
    /// The first time after a second since 1970 UTC. `None`: it has no schedule.
    pub(crate) fn next(&self, second: i64) -> Option<i64> {
        self.cron.as_ref()?.next(self.timezone, second)
    }

    /// The last time until and with a second since 1970 UTC.
    pub(crate) fn last(&self, second: i64) -> Option<i64> {
        self.cron.as_ref()?.last(self.timezone, second)
    }

    /// The pause after an attempt that failed, the first of which is 1: half of it is chance, so that what failed together is
    /// not tried again together.
    pub(crate) fn pause(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let whole = self.retry_delay.saturating_mul(1 << doublings).min(LONGEST_DELAY);
        whole.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

/// Notes for each where it stands.
pub(crate) fn place(schedules: &mut Schedules, path: &Path, text: &str) {
    for job in schedules.values_mut().flat_map(BTreeMap::values_mut) {
        let before = text.get(..job.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        job.get_mut().place = format!("`{}`, line {line}", path.display());
    }
}

fn timezone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|_| {
        D::Error::custom(format!(
            "`{name}` is no time zone: write its name, such as \"America/Mexico_City\", or \"UTC\""
        ))
    })
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D, most: Duration) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let found = humantime::parse_duration(&text).map_err(|error| {
        D::Error::custom(format!(
            "`{text}` is no duration: {error}; write \"30m\" or \"90s\""
        ))
    })?;
    if found.is_zero() || found > most {
        return Err(D::Error::custom(format!(
            "`{text}` must be above 0 and at most {}",
            humantime::format_duration(most)
        )));
    }
    Ok(found)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer, LONGEST_TIMEOUT).map(Some)
}

fn delay<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration(deserializer, LONGEST_DELAY)
}

fn retries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let retries = u32::deserialize(deserializer)?;
    if retries > MOST_RETRIES {
        return Err(D::Error::custom(format!(
            "`retries` must be at most {MOST_RETRIES}"
        )));
    }
    Ok(retries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp()
    }

    fn told(second: i64) -> String {
        DateTime::from_timestamp(second, 0).unwrap().to_rfc3339()
    }

    fn job(text: &str) -> Result<JobConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cron_line_is_due_by_the_clock_of_its_time_zone() {
        let utc = job("cron = \"0 3 * * *\"").unwrap();
        let noon = second("2026-03-28T12:00:00Z");
        assert_eq!(told(utc.next(noon).unwrap()), "2026-03-29T03:00:00+00:00");
        assert_eq!(told(utc.last(noon).unwrap()), "2026-03-28T03:00:00+00:00");
        let due = second("2026-03-28T03:00:00Z");
        assert_eq!(utc.last(due), Some(due), "the time itself has come");
        let mexico = job("cron = \"0 3 * * *\"\ntimezone = \"America/Mexico_City\"").unwrap();
        assert_eq!(told(mexico.next(noon).unwrap()), "2026-03-29T09:00:00+00:00");
    }

    /// In Madrid the clock went from 2 to 3 on 2026-03-29, and from 3 back to 2 on 2026-10-25.
    #[test]
    fn a_day_on_which_the_clock_is_moved_has_one_run() {
        let madrid = job("cron = \"30 2 * * *\"\ntimezone = \"Europe/Madrid\"").unwrap();
        let next = |from: &str| told(madrid.next(second(from)).unwrap());
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-29T01:00:00+00:00");
        assert_eq!(next("2026-03-29T01:00:00Z"), "2026-03-30T00:30:00+00:00");
        assert_eq!(next("2026-10-24T12:00:00Z"), "2026-10-25T00:30:00+00:00");
        assert_eq!(next("2026-10-25T00:30:00Z"), "2026-10-26T01:30:00+00:00");
    }

    #[test]
    fn what_cannot_be_is_named_with_line_and_remedy() {
        for (text, named) in [
            ("cron = \"61 3 * * *\"", "cron line"),
            ("cron = \"0 3 * *\"", "five fields"),
            ("cron = \"0 0 30 2 *\"", "never due"),
            ("cron = \"\"", "five fields"),
            ("timezone = \"Madrid\"", "America/Mexico_City"),
            ("timeout = \"30\"", "30m"),
            ("timeout = \"0s\"", "above 0"),
            ("retry_delay = \"2h\"", "10m"),
            ("retries = 101", "at most 100"),
            ("crom = \"0 3 * * *\"", "crom"),
        ] {
            let error = job(text).unwrap_err();
            assert!(
                error.contains(named) && error.contains("line 1"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn pauses_double_and_end_somewhere() {
        let job = job("retry_delay = \"10s\"").unwrap();
        for (attempt, whole) in [(1, 10), (2, 20), (3, 40), (20, 600), (u32::MAX, 600)] {
            let pause = job.pause(attempt).as_secs_f64();
            assert!(
                pause >= f64::from(whole) / 2.0 && pause <= f64::from(whole),
                "{attempt}: {pause}"
            );
        }
    }
}
