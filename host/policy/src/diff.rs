//! What a change of policy changes for people: not lines, but who gains or loses what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use malla_contract::Contract;
use malla_contract::PersonalKind;

use crate::mesh::{MeshTable, tables};
use crate::rules::{ANY, is_plain, is_principal};
use crate::text::listed;
use crate::{Action, ColumnView, MaskRule, Policy, Refused, Request};

/// Stands for whoever no rule names.
const ANYBODY: &str = "user:anybody else";
/// Stands for every purpose that no rule names.
const OTHER: &str = "any other purpose";

/// What one or several principals gain or lose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// What it is about: a table, or a table's column. Empty: the mesh.
    pub object: String,
    /// What becomes of it.
    pub what: String,
    /// Who, as rules name them; `anybody else` stands for all whom no rule names.
    pub who: BTreeSet<String>,
    /// For which purposes. Empty: for any.
    pub purposes: BTreeSet<String>,
}

/// Everything that changes between two policies, by object. `Display` is the text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff(pub Vec<Change>);

/// Compares two policies over the tables of the contracts, for every principal and role that either names.
#[must_use]
pub fn diff(old: &Policy, new: &Policy, contracts: &[Contract]) -> Diff {
    let tables = tables(contracts);
    let mut who = named(old, new);
    who.extend(
        contracts
            .iter()
            .map(|contract| format!("plugin:{}", contract.domain)),
    );
    who.insert(ANYBODY.to_owned());
    let mut purposes = purposes(old, new);
    purposes.extend(contracts.iter().filter_map(|contract| contract.purpose.clone()));
    purposes.insert(OTHER.to_owned());
    // What changes, for whom: for which purposes.
    let mut found: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
    for principal in &who {
        for purpose in &purposes {
            let asked = Asked { principal, purpose };
            for entry in &tables {
                for (object, what) in asked.changes(old, new, entry) {
                    found
                        .entry((object, what, principal.clone()))
                        .or_default()
                        .insert(purpose.clone());
                }
            }
        }
    }
    let mut grouped: BTreeMap<(String, String, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    for ((object, what, principal), found) in found {
        let found = if found.len() == purposes.len() {
            BTreeSet::new()
        } else {
            found
        };
        grouped
            .entry((object, what, found))
            .or_default()
            .insert(said(&principal));
    }
    let mut changes: Vec<Change> = grouped
        .into_iter()
        .map(|((object, what, purposes), who)| Change {
            object,
            what,
            who,
            purposes,
        })
        .collect();
    changes.extend(of_the_mesh(old, new));
    changes.sort();
    Diff(changes)
}

struct Asked<'a> {
    principal: &'a str,
    purpose: &'a str,
}

impl Asked<'_> {
    fn changes(&self, old: &Policy, new: &Policy, entry: &MeshTable<'_>) -> Vec<(String, String)> {
        let mut changes = Vec::new();
        self.actions(old, new, entry, &mut changes);
        self.plugin(old, new, entry, &mut changes);
        let (before, after) = (self.seen(old, entry), self.seen(new, entry));
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => changes.push((entry.object.clone(), format!("gain it: {after}"))),
            (Some(before), None) => changes.push((entry.object.clone(), format!("lose it: {before}"))),
            (Some(before), Some(after)) => before.changes(&after, entry, &mut changes),
        }
        changes
    }

    fn may(&self, policy: &Policy, entry: &MeshTable<'_>, action: Action) -> bool {
        let request = Request {
            principal: self.principal,
            domain: entry.domain(),
            object: &entry.object,
            action,
            purpose: self.purpose,
        };
        policy.decide(&request).is_allowed()
    }

    fn actions(
        &self,
        old: &Policy,
        new: &Policy,
        entry: &MeshTable<'_>,
        changes: &mut Vec<(String, String)>,
    ) {
        for action in [Action::Write, Action::Deploy, Action::Erase, Action::Administer] {
            let what = match (self.may(old, entry, action), self.may(new, entry, action)) {
                (false, true) => format!("may now {action}"),
                (true, false) => format!("may no longer {action}"),
                _ => continue,
            };
            changes.push((entry.object.clone(), what));
        }
    }

    /// What the domain's own plugin sees of its source.
    fn plugin(&self, old: &Policy, new: &Policy, entry: &MeshTable<'_>, changes: &mut Vec<(String, String)>) {
        let own = self.principal.strip_prefix("plugin:") == Some(entry.domain());
        if !own || !entry.raw {
            return;
        }
        for column in entry.table.columns.iter().filter(|column| column.needs_mask()) {
            let sees =
                |policy: &Policy| policy.plugin_sees(entry.domain(), &entry.object, column, self.purpose);
            let what = match (sees(old), sees(new)) {
                (false, true) => "see it raw in the sandbox, were given tokens",
                (true, false) => "are given tokens in the sandbox, saw it raw",
                _ => continue,
            };
            changes.push((format!("{}/{}", entry.object, column.name), what.to_owned()));
        }
    }

    fn seen(&self, policy: &Policy, entry: &MeshTable<'_>) -> Option<Seen> {
        let columns = &entry.table.columns;
        match policy.view(
            self.principal,
            entry.domain(),
            &entry.object,
            columns,
            self.purpose,
        ) {
            Ok(view) => Some(Seen {
                columns: view.columns.iter().map(Look::of).collect(),
                rows: view.row_filters.iter().map(ToString::to_string).collect(),
            }),
            Err(Refused::Denied(_)) => None,
            // No row of such a table is given to anybody.
            Err(Refused::MissingMask(_)) => None,
        }
    }
}

/// What somebody sees of a table.
struct Seen {
    columns: Vec<Look>,
    rows: BTreeSet<String>,
}

/// How a column looks to somebody.
#[derive(PartialEq, Eq)]
enum Look {
    Hidden,
    Plain,
    Raw,
    Masked(String),
}

impl Look {
    fn of(view: &ColumnView<'_>) -> Self {
        match view {
            ColumnView::Hidden { .. } => Self::Hidden,
            ColumnView::Plain => Self::Plain,
            ColumnView::Raw { .. } => Self::Raw,
            ColumnView::Masked { rule } => Self::Masked(mask(rule)),
        }
    }
}

fn mask(rule: &MaskRule) -> String {
    let mut text = format!("masked with {}", rule.mask);
    if rule.mask == malla_contract::MaskKind::Token {
        text.push_str(&format!(", to join as {}", rule.join_group));
    }
    if rule.at == crate::MaskAt::Read {
        text.push_str(", stored plain");
    }
    text
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hidden => f.write_str("hidden"),
            Self::Plain => f.write_str("plain"),
            Self::Raw => f.write_str("raw"),
            Self::Masked(with) => f.write_str(with),
        }
    }
}

impl Seen {
    fn changes(&self, after: &Self, entry: &MeshTable<'_>, changes: &mut Vec<(String, String)>) {
        let columns = entry
            .table
            .columns
            .iter()
            .zip(self.columns.iter().zip(&after.columns));
        for (column, (before, after)) in columns.filter(|(_, (before, after))| before != after) {
            let object = format!("{}/{}", entry.object, column.name);
            let what = match (before, after) {
                (Look::Hidden, after) => format!("gain it, {after}"),
                (before, Look::Hidden) => format!("lose it, was {before}"),
                (before, after) => format!("see it {after}, was {before}"),
            };
            changes.push((object, what));
        }
        for row in after.rows.difference(&self.rows) {
            changes.push((entry.object.clone(), format!("see only rows where {row}")));
        }
        for row in self.rows.difference(&after.rows) {
            changes.push((
                entry.object.clone(),
                format!("no longer see only rows where {row}"),
            ));
        }
    }
}

/// `10 columns plain, 2 masked, 1 hidden; rows where region is Norte`.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |kind: fn(&Look) -> bool| self.columns.iter().filter(|look| kind(look)).count();
        let counts = [
            (count(|look| *look == Look::Plain), "plain"),
            (count(|look| matches!(look, Look::Masked(_))), "masked"),
            (count(|look| *look == Look::Raw), "raw"),
            (count(|look| *look == Look::Hidden), "hidden"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        write!(
            f,
            "columns: {}",
            listed(counts.map(|(count, word)| format!("{count} {word}")))
        )?;
        if !self.rows.is_empty() {
            write!(f, "; only rows where {}", listed(&self.rows))?;
        }
        Ok(())
    }
}

/// Every principal and role that rules, roles or row filters name.
fn named(old: &Policy, new: &Policy) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for policy in [old, new] {
        let subjects = policy.rules().iter().map(|rule| &*rule.subject);
        let roles = policy.assignments().iter().flat_map(|g| [&*g.member, &*g.role]);
        let filters = policy.row_filters().iter();
        let filtered = filters
            .flat_map(|filter| filter.whom.iter().chain(&filter.except))
            .map(String::as_str);
        let all = subjects.chain(roles).chain(filtered);
        named.extend(all.filter(|name| is_principal(name)).map(str::to_owned));
    }
    named
}

fn purposes(old: &Policy, new: &Policy) -> BTreeSet<String> {
    let rules = old.rules().iter().chain(new.rules());
    let named = rules
        .map(|rule| &*rule.purpose)
        .filter(|purpose| *purpose != ANY && is_plain(purpose));
    named.map(str::to_owned).collect()
}

/// What is not about one reader.
fn of_the_mesh(old: &Policy, new: &Policy) -> Vec<Change> {
    let change = |object: String, what: String| Change {
        object,
        what,
        who: BTreeSet::new(),
        purposes: BTreeSet::new(),
    };
    let mut changes = Vec::new();
    for kind in PersonalKind::ALL {
        let (before, after) = (old.undeclared(kind), new.undeclared(kind));
        if before != after {
            changes.push(change(
                format!("undeclared {kind}"),
                format!("{after}, was {before}"),
            ));
        }
    }
    let rules = |policy: &Policy| -> BTreeMap<String, String> {
        let rules = policy.declassify().iter();
        rules
            .map(|rule| {
                let drops = if rule.drops.is_empty() {
                    String::new()
                } else {
                    format!(" without {}", listed(&rule.drops))
                };
                (
                    rule.column.clone(),
                    format!("{}{drops}, until {}", rule.to, rule.expires),
                )
            })
            .collect()
    };
    let (before, after) = (rules(old), rules(new));
    for column in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let what = match (before.get(column), after.get(column)) {
            (None, Some(after)) => format!("may be declared {after}"),
            (Some(before), None) => format!("may no longer be declared {before}"),
            (Some(before), Some(after)) if before != after => {
                format!("may be declared {after}, was {before}")
            }
            _ => continue,
        };
        changes.push(change(column.clone(), what));
    }
    changes
}

fn said(principal: &str) -> String {
    if principal == ANYBODY {
        "anybody else".to_owned()
    } else {
        principal.to_owned()
    }
}

impl Diff {
    /// Whether nothing changes for anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "Nothing changes for anybody.");
        }
        let mut last = None;
        for change in &self.0 {
            if last != Some(&change.object) {
                writeln!(f, "{}", change.object)?;
                last = Some(&change.object);
            }
            f.write_str("  ")?;
            if !change.who.is_empty() {
                write!(f, "{}: ", listed(&change.who))?;
            }
            f.write_str(&change.what)?;
            if !change.purposes.is_empty() {
                write!(f, " (for {})", listed(&change.purposes))?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}
