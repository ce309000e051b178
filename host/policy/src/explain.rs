//! Why somebody sees what they see, as a person would say it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use malla_contract::Contract;

use crate::mesh::{MeshTable, tables};
use crate::rules::ANY;
use crate::text::{listed, shown};
use crate::{
    Action, Assignment, ColumnView, Decision, Effect, MASKS_FILE, MaskAt, MaskRule, NO_PURPOSE, Policy,
    Refused, Request, Rule, TableView,
};

/// Why somebody sees what they see of a table or column. `Display` is the text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The answer in one sentence.
    pub answer: String,
    /// Whether the table may be read.
    pub readable: bool,
    /// The rules that decide about the table, in order, each a sentence.
    pub because: Vec<String>,
    /// Which rows stay; empty: all.
    pub rows: Vec<String>,
    /// For each column in question: its name, what is seen, and why.
    pub columns: Vec<(String, String, String)>,
}

/// A table or column that no contract promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no table or column `{object}` in the contracts: there are {}", listed(known))]
pub struct UnknownObject {
    /// What was asked for.
    pub object: String,
    /// The tables that there are.
    pub known: Vec<String>,
}

/// Explains what a principal sees, for a purpose, of `on`: `schema.table`, or `schema.table.column`, where `/` serves
/// before the column too, and names may be in double quotes. A plugin is told what its steps see of its own source.
///
/// # Errors
/// No contract has such a table or column. Policy authors may know; who asks for data gets [`Denied`](crate::Denied).
pub fn explain(
    policy: &Policy,
    contracts: &[Contract],
    principal: &str,
    purpose: &str,
    on: &str,
) -> Result<Explanation, UnknownObject> {
    let tables = tables(contracts);
    let name = on.replace('"', "").replace('/', ".");
    let found = tables.iter().find_map(|entry| {
        let rest = name.strip_prefix(&entry.object)?;
        match rest.strip_prefix('.') {
            None => rest.is_empty().then_some((entry, None)),
            Some(column) => entry.table.column(column).map(|column| (entry, Some(column))),
        }
    });
    let Some((entry, column)) = found else {
        return Err(UnknownObject {
            object: shown(on),
            known: tables.into_iter().map(|entry| entry.object).collect(),
        });
    };
    let teller = Teller {
        policy,
        principal,
        purpose,
        entry,
    };
    let only = column.map(|column| column.name.as_str());
    if entry.raw && principal.strip_prefix("plugin:") == Some(entry.domain()) {
        return Ok(teller.steps(only));
    }
    Ok(
        match policy.view(
            principal,
            entry.domain(),
            &entry.object,
            &entry.table.columns,
            purpose,
        ) {
            Ok(view) => teller.readable(&view, only),
            Err(refused) => teller.refused(&refused),
        },
    )
}

struct Teller<'a> {
    policy: &'a Policy,
    principal: &'a str,
    purpose: &'a str,
    entry: &'a MeshTable<'a>,
}

impl Teller<'_> {
    fn decide(&self, object: &str, action: Action) -> Decision<'_> {
        self.policy.decide(&Request {
            principal: self.principal,
            domain: self.entry.domain(),
            object,
            action,
            purpose: self.purpose,
        })
    }

    fn refused(&self, refused: &Refused) -> Explanation {
        let Self {
            principal,
            purpose,
            entry,
            ..
        } = self;
        let because = match refused {
            Refused::MissingMask(missing) => vec![missing.to_string()],
            Refused::Denied(_) => match self.decide(&entry.object, Action::Read).rule() {
                Some(rule) => self.why(rule),
                None => {
                    let mut because = vec![format!(
                        "No rule lets {principal} read it, or any of its columns, for `{purpose}`."
                    )];
                    because.push(self.roles());
                    because
                }
            },
        };
        Explanation {
            answer: format!("{principal} may not read {} for `{purpose}`.", entry.object),
            readable: false,
            because,
            rows: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// What the steps of a plugin see of its source: they read for the purpose of their contract.
    fn steps(&self, only: Option<&str>) -> Explanation {
        let Self { principal, entry, .. } = self;
        let purpose = entry.contract.purpose.as_deref().unwrap_or(NO_PURPOSE);
        let columns = entry.table.columns.iter();
        let columns = columns.filter(|column| only.is_none_or(|only| column.name == only));
        let columns = columns.map(|column| {
            let rule = self
                .policy
                .plugin_rule(entry.domain(), &entry.object, column, purpose);
            let (seen, why) = match rule {
                _ if !column.needs_mask() => ("plain", String::new()),
                Some(rule) => ("raw", self.why(rule).join(" ")),
                None => (
                    "tokens",
                    format!("{principal} may not see the values for `{purpose}`"),
                ),
            };
            (column.name.clone(), seen.to_owned(), why)
        });
        Explanation {
            answer: format!("Steps of {principal} may read {} for `{purpose}`.", entry.object),
            readable: true,
            because: vec![format!(
                "`{purpose}` is the purpose that the contract of {} names; only columns in a step's `reads` enter it.",
                entry.domain()
            )],
            rows: Vec::new(),
            columns: columns.collect(),
        }
    }

    fn readable(&self, view: &TableView<'_>, only: Option<&str>) -> Explanation {
        let columns = self.entry.table.columns.iter().zip(&view.columns);
        let columns = columns.filter(|(column, _)| only.is_none_or(|only| column.name == only));
        let columns: Vec<(String, String, String)> = columns
            .map(|(column, view)| {
                let (seen, why) = self.column(view);
                (column.name.clone(), seen, why)
            })
            .collect();
        let answer = match columns.as_slice() {
            [(column, seen, _)] if only.is_some() => format!(
                "{} may read {} for `{}`, and its column {column} is {seen}.",
                self.principal, self.entry.object, self.purpose
            ),
            _ => format!(
                "{} may read {} for `{}`.",
                self.principal, self.entry.object, self.purpose
            ),
        };
        let rows = view.row_filters.iter().map(|filter| {
            let reason = filter.reason.as_deref().map(|reason| format!(": {reason}"));
            format!(
                "only where {filter} ({}){}",
                filter.id,
                reason.unwrap_or_default()
            )
        });
        Explanation {
            answer,
            readable: true,
            because: self.why(view.rule),
            rows: rows.collect(),
            columns,
        }
    }

    fn column(&self, view: &ColumnView<'_>) -> (String, String) {
        match view {
            ColumnView::Plain => ("plain".to_owned(), String::new()),
            ColumnView::Masked { rule } => (masked(rule), mask_reason(rule)),
            ColumnView::Raw { why, mask } => {
                let mut text = self.why(why).join(" ");
                if mask.at == MaskAt::Write && !self.entry.sealed {
                    text.push_str(&format!(
                        " But what is stored is masked already: {}.",
                        mask_reason(mask)
                    ));
                }
                ("raw".to_owned(), text)
            }
            ColumnView::Hidden { rule: Some(rule) } => ("hidden".to_owned(), self.why(rule).join(" ")),
            ColumnView::Hidden { rule: None } => ("hidden".to_owned(), "no rule lets it be read".to_owned()),
        }
    }

    /// How the principal comes to a rule, and the rule.
    fn why(&self, rule: &Rule) -> Vec<String> {
        let chain = chain(self.policy, self.principal, self.entry.domain(), &rule.subject);
        let mut because: Vec<String> = chain.iter().map(|link| having(link)).collect();
        because.push(sentence(rule));
        because
    }

    fn roles(&self) -> String {
        let domain = self.entry.domain();
        let mut roles: Vec<&str> = self.policy.roles(self.principal, domain).collect();
        roles.sort_unstable();
        if roles.is_empty() {
            format!("{} has no role in {domain}.", self.principal)
        } else {
            format!("{} has {} in {domain}.", self.principal, listed(roles))
        }
    }
}

/// The shortest way from a principal to one of its roles. Empty: the principal itself, or anybody.
fn chain<'p>(policy: &'p Policy, principal: &str, domain: &str, role: &str) -> Vec<&'p Assignment> {
    let mut of: BTreeMap<&str, Vec<&'p Assignment>> = BTreeMap::new();
    let links = policy.assignments().iter();
    for link in links.filter(|link| &*link.domain == ANY || &*link.domain == domain) {
        of.entry(&link.member).or_default().push(link);
    }
    let mut came: BTreeMap<&str, &'p Assignment> = BTreeMap::new();
    let mut open: VecDeque<&str> = VecDeque::from([principal]);
    while let Some(member) = open.pop_front() {
        for link in of.get(member).into_iter().flatten() {
            if &*link.role != principal && !came.contains_key(&*link.role) {
                came.insert(&link.role, link);
                open.push_back(&link.role);
            }
        }
    }
    let mut chain = Vec::new();
    let mut at = role;
    while let Some(link) = came.get(at) {
        chain.push(*link);
        at = &link.member;
    }
    chain.reverse();
    chain
}

fn having(link: &Assignment) -> String {
    let place = if &*link.domain == ANY {
        String::new()
    } else {
        format!(" in {}", link.domain)
    };
    format!("{} has {}{place} ({}).", link.member, link.role, link.id)
}

/// A rule as a sentence.
pub(crate) fn sentence(rule: &Rule) -> String {
    let who = if &*rule.subject == ANY {
        "anybody"
    } else {
        &*rule.subject
    };
    let who = match (rule.effect, &*rule.subject) {
        (Effect::Deny, ANY) => "nobody",
        _ => who,
    };
    let may = match rule.effect {
        Effect::Deny if who != "nobody" => "may not",
        _ => "may",
    };
    let act = match rule.action {
        None => "do anything with",
        Some(Action::Read) => "read",
        Some(Action::ReadRaw) => "see the values behind the masks of",
        Some(Action::Write) => "write",
        Some(Action::Deploy) => "deploy",
        Some(Action::Erase) => "erase from",
        Some(Action::Administer) => "administer",
    };
    let object = &*rule.object;
    let what = if object == ANY {
        "everything".to_owned()
    } else if let Some(table) = object.strip_suffix("/*") {
        format!("every column of {table}")
    } else if object.contains(['.', '/']) {
        object.to_owned()
    } else {
        format!("columns tagged {object}")
    };
    // A table's name says its domain.
    let place = if &*rule.domain == ANY || object.contains(['.', '/']) {
        String::new()
    } else {
        format!(" in {}", rule.domain)
    };
    let purpose = if &*rule.purpose == ANY {
        "for any purpose".to_owned()
    } else {
        format!("for `{}`", rule.purpose)
    };
    format!("{who} {may} {act} {what}{place} {purpose} ({}).", rule.id)
}

fn masked(rule: &MaskRule) -> String {
    format!("masked ({})", rule.mask)
}

fn mask_reason(rule: &MaskRule) -> String {
    let when = match rule.at {
        MaskAt::Write => "before it is stored",
        MaskAt::Read => "for each reader",
    };
    format!(
        "{} is `{}`, {when} ({MASKS_FILE}:{})",
        rule.selector, rule.mask, rule.line
    )
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.answer)?;
        for because in &self.because {
            writeln!(f, "  {because}")?;
        }
        if self.readable {
            match self.rows.as_slice() {
                [] => writeln!(f, "Rows: all.")?,
                rows => {
                    writeln!(f, "Rows:")?;
                    for row in rows {
                        writeln!(f, "  {row}")?;
                    }
                }
            }
            writeln!(f, "Columns:")?;
            let width = |of: fn(&(String, String, String)) -> &String| {
                self.columns
                    .iter()
                    .map(|column| of(column).chars().count())
                    .max()
                    .unwrap_or(0)
            };
            let (names, seens) = (width(|column| &column.0), width(|column| &column.1));
            for (name, seen, why) in &self.columns {
                let line = format!("  {name:names$}  {seen:seens$}  {why}");
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }
}
