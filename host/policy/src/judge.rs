//! Casbin itself, on the same rules: what the snapshot must agree with.
//!
//! An enforcer walks through all rules for every request, so it judges tests, not traffic. It is built aside and never
//! reloaded; no cached enforcer, whose cache outlives a reload.

use std::collections::HashSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use casbin::function_map::{OperatorFunction, dynamic_to_str};
use casbin::{Adapter, CoreApi, DefaultModel, Enforcer, MemoryAdapter};

use crate::rules::object_matches;
use crate::{Policy, Request, model};

/// Casbin's enforcer for the rules of a policy.
pub struct Judge {
    enforcer: Enforcer,
}

/// Casbin would not.
#[derive(Debug, thiserror::Error)]
#[error("casbin: {0}")]
pub struct JudgeError(String);

impl Judge {
    /// Builds an enforcer of a policy's rules.
    ///
    /// # Errors
    /// Casbin does not take them.
    pub fn new(policy: &Policy) -> Result<Self, JudgeError> {
        // A set: Casbin refuses a line that it has already.
        let mut seen = HashSet::new();
        let rules = policy.rules().iter().map(|rule| {
            [
                &*rule.subject,
                &*rule.domain,
                &*rule.object,
                rule.action_word(),
                &*rule.purpose,
                rule.effect.as_str(),
            ]
            .map(str::to_owned)
            .to_vec()
        });
        let rules: Vec<Vec<String>> = rules.filter(|rule| seen.insert(rule.clone())).collect();
        let mut seen = HashSet::new();
        let links = policy
            .assignments()
            .iter()
            .map(|g| [&*g.member, &*g.role, &*g.domain].map(str::to_owned).to_vec());
        let links: Vec<Vec<String>> = links.filter(|link| seen.insert(link.clone())).collect();
        now(async {
            let model = DefaultModel::from_str(model::MODEL).await?;
            let mut adapter = MemoryAdapter::default();
            adapter.add_policies("p", "p", rules).await?;
            adapter.add_policies("g", "g", links).await?;
            let mut enforcer = Enforcer::new(model, adapter).await?;
            enforcer.add_function(
                "objectMatches",
                OperatorFunction::Arg2(|object, pattern| {
                    object_matches(&dynamic_to_str(&object), &dynamic_to_str(&pattern)).into()
                }),
            );
            // A role in the domain `*` counts in every domain.
            enforcer
                .get_role_manager()
                .write()
                .matching_fn(None, Some(|asked, given| given == "*" || asked == given));
            enforcer.build_role_links()?;
            Ok(enforcer)
        })
        .map(|enforcer| Self { enforcer })
    }

    /// Whether a request is allowed. What is no request is not: Casbin would bind empty strings to an empty policy.
    ///
    /// # Errors
    /// Casbin cannot say.
    pub fn allows(&self, request: &Request<'_>) -> Result<bool, JudgeError> {
        if !request.is_whole() {
            return Ok(false);
        }
        self.unguarded([
            request.principal,
            request.domain,
            request.object,
            request.action.as_str(),
            request.purpose,
        ])
    }

    /// What Casbin alone says of five texts.
    pub(crate) fn unguarded(
        &self,
        [principal, domain, object, action, purpose]: [&str; 5],
    ) -> Result<bool, JudgeError> {
        self.enforcer
            .enforce((principal, domain, object, action, purpose))
            .map_err(|error| JudgeError(error.to_string()))
    }
}

/// The value of a future that never waits: Casbin's do not, with rules in memory.
fn now<T>(future: impl Future<Output = casbin::Result<T>>) -> Result<T, JudgeError> {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value.map_err(|error| JudgeError(error.to_string())),
        Poll::Pending => Err(JudgeError("waits, with rules in memory".to_owned())),
    }
}
