//! A run is tried until it is done, or has been tried often enough.

use std::time::{Duration, Instant};

use super::config::JobConfig;
use crate::run::Stop;
use crate::runs::{Ending, Numbers, RunState};

/// What came of one attempt. What it wrote is committed, whatever came of it.
pub(crate) enum Attempt {
    Done(Numbers),
    Failed {
        numbers: Numbers,
        error: String,
        /// The next attempt would fail as this one did.
        is_final: bool,
    },
    TimedOut(Numbers),
    /// Another was at it, or quicker.
    Skipped(String),
    /// The run was to stop.
    Stopped(Numbers),
}

/// Counts the attempts of a run.
pub(crate) struct Attempts<'a> {
    job: &'a str,
    config: &'a JobConfig,
    retries: u32,
    stop: &'a Stop,
    number: u32,
    numbers: Numbers,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(job: &'a str, config: &'a JobConfig, retries: u32, stop: &'a Stop) -> Self {
        Self {
            job,
            config,
            retries,
            stop,
            number: 1,
            numbers: Numbers::default(),
        }
    }

    /// How the run ended with an attempt. `None`, after a pause: it is to be tried again.
    pub(crate) async fn after(&mut self, attempt: Attempt) -> Option<Ending> {
        let (state, error, is_final) = match attempt {
            Attempt::Done(more) => {
                self.numbers.add(&more);
                return Some(self.ending(RunState::Succeeded));
            }
            Attempt::Skipped(why) => return Some(self.ending(RunState::Skipped).with_error(why)),
            Attempt::Stopped(more) => {
                self.numbers.add(&more);
                return Some(self.stopped());
            }
            Attempt::Failed {
                numbers: more,
                error,
                is_final,
            } => {
                self.numbers.add(&more);
                (RunState::Failed, error, is_final)
            }
            Attempt::TimedOut(more) => {
                self.numbers.add(&more);
                (RunState::TimedOut, too_long(self.config.timeout), false)
            }
        };
        tracing::error!(
            job = self.job,
            attempt = self.number,
            state = state.as_str(),
            error,
            "An attempt ended."
        );
        if is_final || self.number > self.retries {
            return Some(self.ending(state).with_error(error));
        }
        if !self.wait(self.config.pause(self.number)).await {
            return Some(self.stopped());
        }
        self.number += 1;
        None
    }

    fn ending(&self, state: RunState) -> Ending {
        Ending::new(state, self.number).with_numbers(self.numbers.clone())
    }

    fn stopped(&self) -> Ending {
        self.ending(RunState::Aborted)
            .with_error("the host was told to stop")
    }

    /// False: the run is to stop.
    async fn wait(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => !self.stop.is_asked(),
            () = self.stop.asked() => false,
        }
    }
}

pub(crate) fn too_long(timeout: Option<Duration>) -> String {
    let timeout = humantime::format_duration(timeout.unwrap_or_default());
    format!("it took longer than its `timeout` of {timeout}; what it had committed stays")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tried(retries: u32, outcomes: Vec<Attempt>) -> (RunState, u32, usize) {
        let config = JobConfig {
            retry_delay: Duration::from_millis(2),
            ..JobConfig::default()
        };
        let stop = Stop::default();
        let mut attempts = Attempts::new("a.b", &config, retries, &stop);
        let mut left = outcomes.into_iter();
        let ending = loop {
            if let Some(ending) = attempts.after(left.next().unwrap()).await {
                break ending;
            }
        };
        (ending.state, ending.attempts, left.count())
    }

    fn failed(is_final: bool) -> Attempt {
        Attempt::Failed {
            numbers: Numbers::default(),
            error: "e".to_owned(),
            is_final,
        }
    }

    #[tokio::test]
    async fn it_is_tried_until_it_is_done_or_was_tried_often_enough() {
        let timed_out = || Attempt::TimedOut(Numbers::default());
        let done = || Attempt::Done(Numbers::default());
        for (retries, outcomes, expected) in [
            (3, vec![done()], (RunState::Succeeded, 1, 0)),
            (
                3,
                vec![failed(false), timed_out(), done()],
                (RunState::Succeeded, 3, 0),
            ),
            (
                1,
                vec![failed(false), failed(false), done()],
                (RunState::Failed, 2, 1),
            ),
            (
                1,
                vec![failed(false), timed_out(), done()],
                (RunState::TimedOut, 2, 1),
            ),
            (0, vec![timed_out(), done()], (RunState::TimedOut, 1, 1)),
            (3, vec![failed(true), done()], (RunState::Failed, 1, 1)),
            (
                3,
                vec![Attempt::Skipped("w".to_owned()), done()],
                (RunState::Skipped, 1, 1),
            ),
            (
                3,
                vec![Attempt::Stopped(Numbers::default()), done()],
                (RunState::Aborted, 1, 1),
            ),
        ] {
            assert_eq!(tried(retries, outcomes).await, expected);
        }
    }

    #[tokio::test]
    async fn a_pause_ends_when_the_run_is_to_stop() {
        let config = JobConfig::default();
        let stop = Stop::default();
        let asked = stop.clone();
        let mut attempts = Attempts::new("a.b", &config, 3, &stop);
        asked.stop();
        let ending = attempts.after(failed(false)).await.unwrap();
        assert_eq!((ending.state, ending.attempts), (RunState::Aborted, 1));
    }
}
