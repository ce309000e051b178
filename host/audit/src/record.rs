//! What is recorded of one decision.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::format::{Body, clip};

/// Most details of one record.
const MAX_DETAILS: usize = 32;

/// What was decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A component was loaded, or refused.
    Load,
    /// A version of a plugin went live, or back.
    Deploy,
    /// Somebody read a table.
    Read,
    /// Rows were committed to a table.
    Write,
    /// A column was masked.
    Mask,
    /// Something was refused.
    Deny,
    /// Policies were read anew.
    Reload,
    /// A subject's data was erased.
    Erase,
    /// A generation of keys began.
    Rotate,
    /// A product is not what its contract promises: readers stay at its last good version.
    Hold,
    /// It is again: readers get the newest version.
    Release,
    /// Rows older than their retention were removed from a table.
    Expire,
    /// Files that a table does not need any more were deleted.
    Vacuum,
}

impl Kind {
    /// As it stands in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Deploy => "deploy",
            Self::Read => "read",
            Self::Write => "write",
            Self::Mask => "mask",
            Self::Deny => "deny",
            Self::Reload => "reload",
            Self::Erase => "erase",
            Self::Rotate => "rotate",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Vacuum => "vacuum",
        }
    }
}

/// How it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Allowed as asked.
    Allow,
    /// Refused.
    Deny,
    /// Allowed, with something hidden: a column masked, rows left out.
    Mask,
    /// Done: nobody had to be asked.
    Done,
    /// Tried, and failed.
    Failed,
}

impl Outcome {
    /// As it stands in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Mask => "mask",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One decision. A text is cut to 2 KiB, and what cannot be printed is escaped: no text can forge a line.
///
/// Put no value of a row into it: the log is kept longer than the data, and read by others.
#[derive(Clone)]
pub struct Record {
    time: Option<i64>,
    kind: Kind,
    principal: String,
    object: String,
    action: String,
    purpose: String,
    outcome: Outcome,
    rule: String,
    policy: String,
    details: BTreeMap<String, String>,
}

impl Record {
    /// A decision on `object` (`ventas.transacciones`, `ventas.transacciones/email`).
    #[must_use]
    pub fn new(kind: Kind, object: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            time: None,
            kind,
            principal: String::new(),
            object: object.into(),
            action: String::new(),
            purpose: String::new(),
            outcome,
            rule: String::new(),
            policy: String::new(),
            details: BTreeMap::new(),
        }
    }

    /// When it was decided, in microseconds since 1970 UTC. Without it, when [`crate::AuditLog::record`] is called.
    #[must_use]
    pub fn with_time(mut self, microseconds: i64) -> Self {
        self.time = Some(microseconds);
        self
    }

    /// Who asked (`user:ana`, `plugin:ventas`).
    #[must_use]
    pub fn with_principal(mut self, principal: impl Into<String>) -> Self {
        self.principal = principal.into();
        self
    }

    /// What was asked for (`read`, `read-raw`, `write`).
    #[must_use]
    pub fn with_action(mut self, action: impl Into<String>) -> Self {
        self.action = action.into();
        self
    }

    /// What for, as the principal says.
    #[must_use]
    pub fn with_purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = purpose.into();
        self
    }

    /// The rule that decided, with its file and line.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = rule.into();
        self
    }

    /// The digest of the policy that was in force.
    #[must_use]
    pub fn with_policy(mut self, digest: impl Into<String>) -> Self {
        self.policy = digest.into();
        self
    }

    /// Something else to know: a table's version, a plugin's digest, a count. A name that is there gets the new text; of
    /// more than 32 names the later ones are left out.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, text: impl ToString) -> Self {
        let name = clip(name.into());
        if self.details.len() < MAX_DETAILS || self.details.contains_key(&name) {
            self.details.insert(name, clip(text.to_string()));
        }
        self
    }

    /// The middle of its line.
    pub(crate) fn render(self) -> Vec<u8> {
        Body {
            time: self.time.unwrap_or_else(now),
            kind: self.kind.as_str(),
            principal: &clip(self.principal),
            object: &clip(self.object),
            action: &clip(self.action),
            purpose: &clip(self.purpose),
            outcome: self.outcome.as_str(),
            rule: &clip(self.rule),
            policy: &clip(self.policy),
            details: &self.details,
        }
        .render()
    }
}

/// Microseconds since 1970 UTC. A clock before that counts as 1970: the order of records is their number, not their time.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or_default()
}

/// Says what it is about, not who: a `Debug` ends in logs.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.kind)
            .field("object", &self.object)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
