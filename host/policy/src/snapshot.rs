//! The rules compiled: a decision is a few hash lookups, however many rules there are.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::roles::{Roles, Sym};
use crate::rules::{ANY, Parts, is_plain, is_principal};
use crate::{Action, Assignment, Effect, Rule, RuleId};

/// What somebody asks. All are names, none a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// `user:ana`, `service:..`, `plugin:..`, or `role:..` for what a role alone gives.
    pub principal: &'a str,
    /// The domain that the object belongs to.
    pub domain: &'a str,
    /// `ventas.transacciones`, `ventas.transacciones/email`, or a tag such as `pii:email`.
    pub object: &'a str,
    /// What is to be done with it.
    pub action: Action,
    /// What for.
    pub purpose: &'a str,
}

impl Request<'_> {
    /// Whether every part is a name. What is empty, a pattern or nobody's name is never allowed, whatever rules say.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        is_principal(self.principal)
            && is_plain(self.domain)
            && is_plain(self.object)
            && is_plain(self.purpose)
    }
}

/// The answer to a [`Request`], with the first rule that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'p> {
    /// A rule allows it, and none denies it.
    Allow {
        /// The first that allows it.
        rule: &'p Rule,
    },
    /// A rule denies it.
    Deny {
        /// The first that denies it.
        rule: &'p Rule,
    },
    /// No rule speaks of it, so it is not allowed; also what a request gets that is none.
    NoRule,
}

impl<'p> Decision<'p> {
    /// Whether it is allowed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// Whether a rule denies it.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Deny { .. })
    }

    /// The rule that decided.
    #[must_use]
    pub fn rule(&self) -> Option<&'p Rule> {
        match self {
            Self::Allow { rule } | Self::Deny { rule } => Some(rule),
            Self::NoRule => None,
        }
    }

    /// Where the rule that decided is written.
    #[must_use]
    pub fn id(&self) -> Option<&'p RuleId> {
        self.rule().map(|rule| &rule.id)
    }
}

/// `*`, interned.
const STAR: Sym = 0;
/// A name that no rule knows.
const NOBODY: Sym = Sym::MAX;
/// No rule yet. Rules are compared by their places, the first decides.
const NONE: u32 = u32::MAX;
/// Every action.
const EVERY: u8 = u8::MAX;
/// Longest list of rules that is looked through one by one.
const FEW: usize = 16;

type Map<K, V> = HashMap<K, V, RandomState>;

/// Rules and roles, ready to decide.
#[derive(Debug)]
pub(crate) struct Snapshot {
    rules: Box<[Rule]>,
    names: Map<Box<str>, Sym>,
    /// By their symbols.
    texts: Vec<Box<str>>,
    patterns: Patterns,
    /// By subject and pattern.
    buckets: Map<(Sym, Sym), Bucket>,
    roles: Roles,
}

/// Objects of rules by what they can match.
#[derive(Debug, Default)]
struct Patterns {
    count: Sym,
    exact: Map<Box<str>, Sym>,
    /// `table/*`, by the table.
    columns: Map<Box<str>, Sym>,
    /// `schema.*`, by the schema.
    schemas: Map<Box<str>, Sym>,
}

/// What rules about one subject and one pattern have apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    domain: Sym,
    purpose: Sym,
    action: u8,
}

/// Places of the first rules of each effect.
#[derive(Debug, Clone, Copy)]
struct First {
    deny: u32,
    allow: u32,
}

#[derive(Debug)]
enum Bucket {
    Few(Vec<(Key, First)>),
    Many(Map<Key, First>),
}

impl First {
    const NONE: Self = Self {
        deny: NONE,
        allow: NONE,
    };

    fn join(&mut self, other: Self) {
        self.deny = self.deny.min(other.deny);
        self.allow = self.allow.min(other.allow);
    }
}

impl Bucket {
    fn add(&mut self, key: Key, first: First) {
        match self {
            Self::Few(list) => {
                if let Some((_, known)) = list.iter_mut().find(|(known, _)| *known == key) {
                    known.join(first);
                } else if list.len() < FEW {
                    list.push((key, first));
                } else {
                    let mut many: Map<Key, First> = list.drain(..).collect();
                    many.insert(key, first);
                    *self = Self::Many(many);
                }
            }
            Self::Many(map) => map.entry(key).or_insert(First::NONE).join(first),
        }
    }

    fn find(&self, asked: Key, found: &mut First) {
        match self {
            Self::Few(list) => {
                for (key, first) in list {
                    let matches = (key.domain == asked.domain || key.domain == STAR)
                        && (key.action == asked.action || key.action == EVERY)
                        && (key.purpose == asked.purpose || key.purpose == STAR);
                    if matches {
                        found.join(*first);
                    }
                }
            }
            Self::Many(map) => {
                for domain in [asked.domain, STAR] {
                    for purpose in [asked.purpose, STAR] {
                        for action in [asked.action, EVERY] {
                            let key = Key {
                                domain,
                                purpose,
                                action,
                            };
                            if let Some(first) = map.get(&key) {
                                found.join(*first);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Patterns {
    fn intern(&mut self, pattern: &str) -> Sym {
        if pattern == ANY {
            return STAR;
        }
        let (map, key) = if let Some(schema) = pattern.strip_suffix(".*") {
            (&mut self.schemas, schema)
        } else if let Some(table) = pattern.strip_suffix("/*") {
            (&mut self.columns, table)
        } else {
            (&mut self.exact, pattern)
        };
        if let Some(known) = map.get(key) {
            return *known;
        }
        self.count += 1;
        map.insert(key.into(), self.count);
        self.count
    }

    /// The patterns that match an object.
    fn matching(&self, object: &str) -> impl Iterator<Item = Sym> + Clone {
        let parts = Parts::of(object);
        let exact = self.exact.get(object).copied();
        let columns = parts
            .table_of_column
            .and_then(|table| self.columns.get(table).copied());
        let schema = parts.schema.and_then(|schema| self.schemas.get(schema).copied());
        [Some(STAR), exact, columns, schema].into_iter().flatten()
    }
}

impl Snapshot {
    /// Compiles rules, whose order says which is first, and roles.
    pub(crate) fn new(rules: Vec<Rule>, assignments: &[Assignment]) -> Self {
        let mut names: Map<Box<str>, Sym> = HashMap::default();
        names.insert(ANY.into(), STAR);
        let mut texts: Vec<Box<str>> = vec![ANY.into()];
        let mut intern = |name: &str| {
            if let Some(known) = names.get(name) {
                return *known;
            }
            let next = Sym::try_from(names.len()).unwrap_or(NOBODY);
            names.insert(name.into(), next);
            texts.push(name.into());
            next
        };
        let mut patterns = Patterns::default();
        let mut buckets: Map<(Sym, Sym), Bucket> = HashMap::default();
        for (place, rule) in (0..NONE).zip(&rules) {
            let first = match rule.effect {
                Effect::Allow => First {
                    allow: place,
                    ..First::NONE
                },
                Effect::Deny => First {
                    deny: place,
                    ..First::NONE
                },
            };
            let key = Key {
                domain: intern(&rule.domain),
                purpose: intern(&rule.purpose),
                action: rule.action.map_or(EVERY, |action| action as u8),
            };
            buckets
                .entry((intern(&rule.subject), patterns.intern(&rule.object)))
                .or_insert_with(|| Bucket::Few(Vec::new()))
                .add(key, first);
        }
        let links: Vec<(Sym, Sym, Sym)> = assignments
            .iter()
            .map(|g| (intern(&g.member), intern(&g.role), intern(&g.domain)))
            .collect();
        Self {
            roles: Roles::new(&links, STAR),
            rules: rules.into_boxed_slice(),
            names,
            texts,
            patterns,
            buckets,
        }
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    fn sym(&self, name: &str) -> Sym {
        self.names.get(name).copied().unwrap_or(NOBODY)
    }

    pub(crate) fn decide(&self, request: &Request<'_>) -> Decision<'_> {
        if !request.is_whole() {
            return Decision::NoRule;
        }
        let domain = self.sym(request.domain);
        let principal = self.sym(request.principal);
        let key = Key {
            domain,
            purpose: self.sym(request.purpose),
            action: request.action as u8,
        };
        let patterns = self.patterns.matching(request.object);
        let roles = self.roles.of(principal, domain);
        let mut found = First::NONE;
        // Who has a role is the first of its own list.
        let alone = roles.is_empty().then_some(&principal);
        for subject in roles.iter().chain(alone).chain([&STAR]) {
            for pattern in patterns.clone() {
                if let Some(bucket) = self.buckets.get(&(*subject, pattern)) {
                    bucket.find(key, &mut found);
                }
            }
        }
        if let Some(rule) = self.rule(found.deny) {
            Decision::Deny { rule }
        } else if let Some(rule) = self.rule(found.allow) {
            Decision::Allow { rule }
        } else {
            Decision::NoRule
        }
    }

    /// Whether a principal is somebody, or has it as a role in a domain.
    pub(crate) fn is(&self, principal: &str, domain: &str, whom: &str) -> bool {
        if principal == whom {
            return true;
        }
        let whom = self.sym(whom);
        whom != NOBODY
            && self
                .roles
                .of(self.sym(principal), self.sym(domain))
                .contains(&whom)
    }

    /// The roles of a principal in a domain (`*`: in every one), without itself.
    pub(crate) fn roles(&self, principal: &str, domain: &str) -> impl Iterator<Item = &str> {
        let roles = self
            .roles
            .of(self.sym(principal), self.sym(domain))
            .iter()
            .skip(1);
        roles.filter_map(|role| self.texts.get(usize::try_from(*role).ok()?).map(|text| &**text))
    }

    fn rule(&self, place: u32) -> Option<&Rule> {
        self.rules.get(usize::try_from(place).ok()?)
    }
}
