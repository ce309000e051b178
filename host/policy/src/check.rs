//! What is allowed to be written, and is probably not meant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use malla_contract::Contract;

use crate::mesh::{MeshTable, tables};
use crate::rules::{ANY, Parts, ROLE};
use crate::text::shown;
use crate::{
    Action, DOMAINS_FOLDER, Decision, Effect, MASKS_FILE, MaskAt, MaskRule, NO_PURPOSE, Policy, Request,
    Rule, RuleId, Selector,
};

/// Something that loads, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, in the policy folder.
    pub file: String,
    /// From 1. `None`: no line is to blame.
    pub line: Option<usize>,
    /// What is odd, and what to do.
    pub what: String,
}

impl Finding {
    pub(crate) fn of(id: &RuleId, what: String) -> Self {
        Self {
            file: id.file.to_string(),
            line: Some(id.line),
            what,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Looks at a policy together with the contracts of the mesh: rules that another makes superfluous, that match nothing, or
/// that are broader than is wise; masks that are missing where they keep nothing from running; plugins that may not write.
/// What keeps the mesh from running is told by [`misfits`](crate::misfits). In the order of files and lines.
#[must_use]
pub fn check(policy: &Policy, contracts: &[Contract]) -> Vec<Finding> {
    let mesh = Mesh::new(policy, contracts);
    let mut warnings = Vec::new();
    let covering = Covering::new(policy);
    let platform = platform(policy);
    for (place, rule) in policy.rules().iter().enumerate() {
        let warn = |what| Finding::of(&rule.id, what);
        warnings.extend(covering.shadow(place, rule).map(warn));
        warnings.extend(mesh.never(rule).into_iter().map(warn));
        warnings.extend(too_broad(rule, &platform).map(warn));
    }
    for g in policy.assignments() {
        if let Some(what) = mesh.unknown_domain(&g.domain) {
            warnings.push(Finding::of(&g.id, what));
        }
    }
    masks(policy, &mesh, &mut warnings);
    filters(policy, &mesh, &mut warnings);
    writers(policy, &mesh, &mut warnings);
    for rule in policy.declassify() {
        if let Some(what) = mesh.unknown_object(&rule.column) {
            warnings.push(Finding::of(&rule.id, what));
        }
    }
    warnings.sort();
    warnings.dedup();
    warnings
}

/// What there is to speak of.
struct Mesh<'a> {
    tables: Vec<MeshTable<'a>>,
    domains: BTreeSet<&'a str>,
    tags: BTreeSet<String>,
    /// Roles that somebody has who is no role.
    held: BTreeSet<&'a str>,
}

impl<'a> Mesh<'a> {
    fn new(policy: &'a Policy, contracts: &'a [Contract]) -> Self {
        let tables = tables(contracts);
        let columns = tables.iter().flat_map(|entry| &entry.table.columns);
        let tags = columns.flat_map(|column| column.tags.iter().cloned()).collect();
        let mut roles: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut open: Vec<&str> = Vec::new();
        for g in policy.assignments() {
            roles.entry(&g.member).or_default().push(&g.role);
            if !g.member.starts_with(ROLE) {
                open.push(&g.role);
            }
        }
        let mut held = BTreeSet::new();
        while let Some(role) = open.pop() {
            if held.insert(role) {
                open.extend(roles.get(role).into_iter().flatten());
            }
        }
        Self {
            domains: contracts
                .iter()
                .map(|contract| contract.domain.as_str())
                .collect(),
            tables,
            tags,
            held,
        }
    }

    /// Why a rule can match nothing.
    fn never(&self, rule: &Rule) -> Vec<String> {
        // Whatever else it speaks of is unknown for the same reason.
        if let Some(why) = self.unknown_domain(&rule.domain) {
            return vec![why];
        }
        let mut whys = Vec::new();
        if let Some(plugin) = rule.subject.strip_prefix("plugin:")
            && !self.domains.contains(plugin)
        {
            whys.push(format!(
                "never matches: no plugin `{}` is deployed; deploy it, or remove the rule",
                shown(plugin)
            ));
        }
        if rule.subject.starts_with(ROLE) && !self.held.contains(&*rule.subject) {
            whys.push(format!(
                "never matches: nobody has `{}`; give it to somebody in groups.csv, or remove the rule",
                shown(&rule.subject)
            ));
        }
        // What is unknown of a table of an unknown domain is the domain.
        if whys.is_empty() {
            whys.extend(self.unknown_object(&rule.object));
            whys.extend(self.elsewhere(rule));
        }
        whys
    }

    fn unknown_domain(&self, domain: &str) -> Option<String> {
        (domain != ANY && !self.domains.contains(domain)).then(|| {
            format!(
                "never matches: no plugin of the domain `{}` is deployed; correct the name, or deploy it",
                shown(domain)
            )
        })
    }

    /// A table that belongs to another domain than the rule is about.
    fn elsewhere(&self, rule: &Rule) -> Option<String> {
        let schema = schema(&rule.object)?;
        let home = home(schema, &self.domains)?;
        (&*rule.domain != ANY && &*rule.domain != home).then(|| {
            format!(
                "never matches: `{}` belongs to the domain `{home}`, not to `{}`; write `{home}` as the rule's domain",
                shown(&rule.object),
                shown(&rule.domain)
            )
        })
    }

    fn unknown_object(&self, object: &str) -> Option<String> {
        if object == ANY {
            return None;
        }
        let never = |what: String, remedy: &str| Some(format!("never matches: {what}; {remedy}"));
        let Some(schema) = schema(object) else {
            return if self.tags.contains(object) {
                None
            } else {
                never(
                    format!("no column has the tag `{}`", shown(object)),
                    "correct it, or tag the columns in their contracts",
                )
            };
        };
        if home(schema, &self.domains).is_none() {
            return never(
                format!("no domain has a schema `{}`", shown(schema)),
                "correct the name, or deploy the domain's plugin",
            );
        }
        if object.ends_with(".*") {
            return None;
        }
        let (table, column) = match object.split_once('/') {
            Some((table, column)) => (table, Some(column)),
            None => (object, None),
        };
        let Some(entry) = self.tables.iter().find(|entry| entry.object == table) else {
            return never(
                format!("no table `{}` in the contracts", shown(table)),
                "correct the name",
            );
        };
        match column {
            Some(column) if column != ANY && entry.table.column(column).is_none() => never(
                format!("no column `{}` in `{}`", shown(column), shown(table)),
                "correct the name",
            ),
            _ => None,
        }
    }
}

fn schema(object: &str) -> Option<&str> {
    object.strip_suffix(".*").or(Parts::of(object).schema)
}

/// The domain whose schema it is.
fn home<'d>(schema: &str, domains: &BTreeSet<&'d str>) -> Option<&'d str> {
    let bare = schema
        .strip_suffix("_raw")
        .or_else(|| schema.strip_suffix("_quarantine"))
        .or_else(|| schema.strip_suffix("_quality"));
    domains.get(bare.unwrap_or(schema)).copied()
}

/// Rules by subject and object, to find what covers a rule without comparing all with all.
struct Covering<'p> {
    policy: &'p Policy,
    by: HashMap<(&'p str, &'p str), Vec<(usize, &'p Rule)>>,
}

impl<'p> Covering<'p> {
    fn new(policy: &'p Policy) -> Self {
        let mut by: HashMap<(&str, &str), Vec<(usize, &Rule)>> = HashMap::new();
        for (place, rule) in policy.rules().iter().enumerate() {
            by.entry((&*rule.subject, &*rule.object))
                .or_default()
                .push((place, rule));
        }
        Self { policy, by }
    }

    /// Why a rule changes nothing.
    fn shadow(&self, place: usize, rule: &Rule) -> Option<String> {
        let mut denied = None;
        let mut covered = None;
        for subject in self.subjects(rule) {
            for object in wider(&rule.object) {
                let found = self.by.get(&(subject, object.as_str())).into_iter().flatten();
                for (other_place, other) in found.filter(|(other_place, _)| *other_place != place) {
                    if !covers(other, rule) {
                        continue;
                    }
                    // Of two equal rules the second is superfluous.
                    let equal =
                        covers(rule, other) && other.subject == rule.subject && other.object == rule.object;
                    if other.effect == rule.effect && (!equal || *other_place < place) {
                        covered = covered.or(Some(&other.id));
                    } else if other.effect == Effect::Deny && rule.effect == Effect::Allow {
                        denied = denied.or(Some(&other.id));
                    }
                }
            }
        }
        match (denied, covered) {
            (Some(by), _) => Some(format!(
                "allows nothing: {by} denies all of it; remove one of the two"
            )),
            (None, Some(by)) => Some(format!(
                "changes nothing: {by} says as much or more; remove this one"
            )),
            (None, None) => None,
        }
    }

    /// The rule's subject, whom it has as roles in the rule's domain, and anybody.
    fn subjects(&self, rule: &'p Rule) -> Vec<&'p str> {
        let mut subjects = vec![&*rule.subject];
        if &*rule.subject != ANY {
            subjects.extend(self.policy.roles(&rule.subject, &rule.domain));
            subjects.push(ANY);
        }
        subjects
    }
}

/// Whether a rule speaks of all that another speaks of, subjects and objects apart.
fn covers(wide: &Rule, narrow: &Rule) -> bool {
    let any = |wide: &str, narrow: &str| wide == ANY || wide == narrow;
    any(&wide.domain, &narrow.domain)
        && any(&wide.purpose, &narrow.purpose)
        && (wide.action.is_none() || wide.action == narrow.action)
}

/// The objects of rules that match all that one matches, itself first.
fn wider(object: &str) -> Vec<String> {
    let mut wider = vec![object.to_owned()];
    let parts = Parts::of(object);
    if let Some(table) = parts.table_of_column {
        wider.push(format!("{table}/*"));
    }
    if let Some(schema) = parts.schema {
        wider.push(format!("{schema}.*"));
    }
    wider.push(ANY.to_owned());
    wider.dedup();
    wider
}

/// Roles that run the mesh: their work is about everything.
fn platform(policy: &Policy) -> BTreeSet<&str> {
    let rules = policy.rules().iter();
    let runs = |rule: &&Rule| {
        rule.action == Some(Action::Administer)
            && rule.effect == Effect::Allow
            && rule.subject.starts_with(ROLE)
    };
    rules.filter(runs).map(|rule| &*rule.subject).collect()
}

fn too_broad(rule: &Rule, platform: &BTreeSet<&str>) -> Option<String> {
    if rule.effect == Effect::Deny {
        return None;
    }
    let said = |text: &str| Some(format!("too broad: {text}"));
    if &*rule.subject == ANY && matches!(rule.action, None | Some(Action::ReadRaw)) {
        return said("anybody sees values behind masks; name who needs them");
    }
    if rule.action.is_none() {
        return said("every action, those to come too; write a rule for each that is needed");
    }
    if &*rule.subject == ANY {
        match rule.action {
            Some(Action::Read) if !rule.object.ends_with(".*") && &*rule.object != ANY => {}
            Some(Action::Read) => return said("anybody reads every table; name who, or which tables"),
            _ => return said("anybody, strangers too; name who needs it"),
        }
    }
    if &*rule.object != ANY {
        return None;
    }
    match rule.action {
        Some(Action::ReadRaw) => said("every value behind a mask; name the columns or tags that are needed"),
        // Who erases people, or puts plugins into service, does so everywhere.
        Some(Action::Deploy | Action::Erase | Action::Administer) => None,
        _ if platform.contains(&*rule.subject) => None,
        _ => said("every table of every schema; name what is needed"),
    }
}

fn masks(policy: &Policy, mesh: &Mesh<'_>, warnings: &mut Vec<Finding>) {
    let warn = |rule: &MaskRule, what: String| Finding {
        file: MASKS_FILE.to_owned(),
        line: Some(rule.line),
        what,
    };
    for rule in policy.masks() {
        if let Selector::Tag(tag) = &rule.selector
            && rule.at == MaskAt::Read
            && tag.starts_with("pii:")
        {
            warnings.push(warn(
                rule,
                format!(
                    "`{}` is stored plain, for anybody who can read the lake's files; remove at = \"read\" unless \
                     somebody needs the values",
                    shown(tag)
                ),
            ));
        }
    }
    // What is sealed needs a mask to be read, and none to be written. Others are no warning: see `misfits`.
    for entry in mesh.tables.iter().filter(|entry| entry.sealed) {
        for column in &entry.table.columns {
            if let Err(missing) = policy.mask(&entry.object, column) {
                warnings.push(Finding {
                    file: MASKS_FILE.to_owned(),
                    line: None,
                    what: missing.to_string(),
                });
            }
        }
    }
}

/// Plugins that may not write what their contracts say they write.
fn writers(policy: &Policy, mesh: &Mesh<'_>, warnings: &mut Vec<Finding>) {
    for entry in mesh.tables.iter().filter(|entry| entry.of_plugin) {
        let domain = entry.domain();
        let principal = format!("plugin:{domain}");
        let decision = policy.decide(&Request {
            principal: &principal,
            domain,
            object: &entry.object,
            action: Action::Write,
            purpose: entry.contract.purpose.as_deref().unwrap_or(NO_PURPOSE),
        });
        let object = &entry.object;
        match decision {
            Decision::Allow { .. } => {}
            Decision::Deny { rule } => warnings.push(Finding::of(
                &rule.id,
                format!("keeps `{principal}` from writing `{object}`: what feeds it does not run; remove it unless that is meant"),
            )),
            Decision::NoRule => warnings.push(Finding {
                file: format!("{DOMAINS_FOLDER}/{domain}.csv"),
                line: None,
                what: format!(
                    "no rule lets `{principal}` write `{object}`: what feeds it does not run; add p, {principal}, {domain}, \
                     {}.*, write, *, allow",
                    object.split('.').next().unwrap_or_default()
                ),
            }),
        }
    }
}

fn filters(policy: &Policy, mesh: &Mesh<'_>, warnings: &mut Vec<Finding>) {
    for filter in policy.row_filters() {
        let unknown = mesh.unknown_object(&filter.table);
        warnings.extend(unknown.map(|what| Finding::of(&filter.id, what)));
        for role in filter.whom.iter().chain(&filter.except) {
            if role.starts_with(ROLE) && !mesh.held.contains(role.as_str()) {
                warnings.push(Finding::of(
                    &filter.id,
                    format!(
                        "nobody has `{}`; give it to somebody in groups.csv, or correct the name",
                        shown(role)
                    ),
                ));
            }
        }
    }
}
