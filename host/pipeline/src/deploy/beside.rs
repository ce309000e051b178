//! The version in use and the one that is to come, side by side, and what nobody accepted of what differs.

use crate::deploy::downstream::Readers;
use crate::deploy::{Canary, DeployError, DeployOptions, DeployReport};
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::plugins::Domain;

/// Lines of each source on which a new version is tried.
const CANARY_LINES: usize = 200_000;

impl Mesh {
    /// Runs the new version beside the one in use, and says what differs that nobody accepted.
    pub(super) async fn try_out(
        &self,
        (old, new): (&Domain, &Domain),
        flows: &[Flow],
        options: &DeployOptions,
        readers: &Readers,
        report: &mut DeployReport,
    ) -> Result<Vec<String>, DeployError> {
        let mut reasons = Vec::new();
        let before = tokio::task::block_in_place(|| self.flows_of(old));
        for before in before.into_iter().filter_map(Result::ok) {
            let Some(after) = flows.iter().find(|flow| flow.name == before.name) else {
                continue;
            };
            if options.without_canary {
                report
                    .warnings
                    .push(format!("`{}` was not tried on real batches", before.name));
                continue;
            }
            let canaries = self.try_beside(&before, after, CANARY_LINES).await?;
            reasons.extend(objections(&canaries, options, readers, report));
            if let Some((count, why)) = canaries.iter().find_map(|canary| canary.unread.as_ref()) {
                let text = format!("`{}`: {count} batches cannot be read again: {why}", before.name);
                if canaries.iter().all(|canary| canary.lines == 0) {
                    reasons.push(format!("{text} (deploy without a trial: --without-canary)"));
                } else {
                    report.warnings.push(text);
                }
            } else if canaries.iter().all(|canary| canary.lines == 0) {
                report
                    .warnings
                    .push(format!("`{}` has no batch yet to try it on", before.name));
            }
            report.canaries.extend(canaries);
        }
        if !options.without_canary {
            let canaries = self.try_gold(old, new).await?;
            reasons.extend(objections(&canaries, options, readers, report));
            report.canaries.extend(canaries);
        }
        Ok(reasons)
    }
}

/// What differs and was not accepted; what was, becomes a warning.
fn objections(
    canaries: &[Canary],
    options: &DeployOptions,
    readers: &Readers,
    report: &mut DeployReport,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for canary in canaries {
        for (name, what) in canary.differences() {
            let product = name.split('/').next().unwrap_or_default();
            if !name.is_empty() && options.accept.iter().any(|a| *a == name || a == product) {
                report.warnings.push(format!("accepted: {what}"));
                continue;
            }
            let column = name.split_once('/').map(|(_, column)| column);
            let read_by = readers.of(&canary.product, column);
            let read_by = match read_by[..] {
                [] => String::new(),
                _ => format!("; read by {}", read_by.join(", ")),
            };
            let remedy = match name.as_str() {
                "" => String::new(),
                name => format!(" (meant? --accept {name})"),
            };
            reasons.push(format!("{what}{read_by}{remedy}"));
        }
    }
    reasons
}
