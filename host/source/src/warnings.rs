//! Warnings, each told once.

use std::collections::HashSet;

use crate::SourceWarning;

#[derive(Debug, Default)]
pub(crate) struct Warnings {
    partition: String,
    /// About things that stay as they are and would be met again in every scan.
    standing: HashSet<SourceWarning>,
    fresh: Vec<SourceWarning>,
}

impl Warnings {
    pub(crate) fn new(partition: &str) -> Self {
        Self {
            partition: partition.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn tell(&mut self, warning: SourceWarning) {
        let standing = matches!(
            warning,
            SourceWarning::Ignored { .. }
                | SourceWarning::Unreadable { .. }
                | SourceWarning::Unfinished { .. }
                | SourceWarning::Damaged { .. }
                | SourceWarning::NotWhole { .. }
        );
        if standing && !self.standing.insert(warning.clone()) {
            return;
        }
        tracing::warn!(partition = %self.partition, reason = %warning, "Source needs attention.");
        self.fresh.push(warning);
    }

    pub(crate) fn take(&mut self) -> Vec<SourceWarning> {
        std::mem::take(&mut self.fresh)
    }
}
