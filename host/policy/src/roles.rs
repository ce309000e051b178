//! Who has which roles, closed: a role that has a role has all that the other has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::text::{listed, shown};
use crate::{Assignment, RuleId};

/// Roles given to roles: the most, one after the other. Casbin stops looking after ten links.
const DEEPEST: usize = 8;
/// The most roles of one principal. A decision looks at each of them.
const MOST: usize = 1000;

/// An interned name.
pub(crate) type Sym = u32;

/// The roles of everybody who has one.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    /// By what is given in all domains.
    everywhere: HashMap<Sym, Box<[Sym]>, RandomState>,
    /// Member and domain, where the domain adds something.
    within: HashMap<(Sym, Sym), Box<[Sym]>, RandomState>,
}

impl Roles {
    /// Closes the links (member, role, domain).
    pub(crate) fn new(links: &[(Sym, Sym, Sym)], any: Sym) -> Self {
        let mut of: HashMap<Sym, Vec<(Sym, Sym)>, RandomState> = HashMap::default();
        for (member, role, domain) in links {
            of.entry(*member).or_default().push((*role, *domain));
        }
        let reach = |member: Sym, counts: &dyn Fn(Sym) -> bool| {
            let mut reached = vec![member];
            let mut seen = BTreeSet::from([member]);
            let mut next = 0;
            while let Some(at) = reached.get(next).copied() {
                for (role, domain) in of.get(&at).into_iter().flatten() {
                    if counts(*domain) && seen.insert(*role) {
                        reached.push(*role);
                    }
                }
                next += 1;
            }
            reached.into_boxed_slice()
        };
        let mut roles = Self::default();
        for member in of.keys() {
            let everywhere = reach(*member, &|domain| domain == any);
            let all = reach(*member, &|_| true);
            let links = all.iter().filter_map(|role| of.get(role)).flatten();
            let domains: BTreeSet<Sym> = links.map(|(_, domain)| *domain).filter(|d| *d != any).collect();
            for domain in domains {
                let within = reach(*member, &|d| d == any || d == domain);
                if within.len() > everywhere.len() {
                    roles.within.insert((*member, domain), within);
                }
            }
            roles.everywhere.insert(*member, everywhere);
        }
        roles
    }

    /// A principal and its roles in a domain; empty for who has none.
    pub(crate) fn of(&self, principal: Sym, domain: Sym) -> &[Sym] {
        self.within
            .get(&(principal, domain))
            .or_else(|| self.everywhere.get(&principal))
            .map_or(&[], |roles| roles)
    }
}

/// What is wrong with the roles as a whole: where, what, and what to do.
pub(crate) fn faults(assignments: &[Assignment]) -> Vec<(RuleId, String, String)> {
    let mut of: BTreeMap<&str, Vec<&Assignment>> = BTreeMap::new();
    for assignment in assignments {
        of.entry(&assignment.member).or_default().push(assignment);
    }
    let mut depths = BTreeMap::new();
    let mut faults = Vec::new();
    for start in of.keys() {
        walk(start, &of, &mut depths, &mut faults);
    }
    // A cycle makes every depth above it wrong.
    if !faults.is_empty() {
        return faults;
    }
    // Who is too deep is told once, at the top.
    let roles: BTreeSet<&str> = assignments.iter().map(|g| &*g.role).collect();
    for (member, links) in &of {
        let Some(first) = links.first() else { continue };
        if !roles.contains(member) && depths.get(member).is_some_and(|depth| *depth > DEEPEST) {
            faults.push((
                first.id.clone(),
                format!("the roles of `{}` are more than {DEEPEST} deep", shown(member)),
                "give it the last role itself".to_owned(),
            ));
        }
    }
    if faults.is_empty() {
        for (member, links) in &of {
            let Some(first) = links.first() else { continue };
            if reached(member, &of) > MOST {
                faults.push((
                    first.id.clone(),
                    format!("`{}` has more than {MOST} roles", shown(member)),
                    "put what they may into fewer roles".to_owned(),
                ));
            }
        }
    }
    faults
}

/// Roles that a member reaches, up to one more than are allowed.
fn reached(member: &str, of: &BTreeMap<&str, Vec<&Assignment>>) -> usize {
    let mut seen = BTreeSet::from([member]);
    let mut open = vec![member];
    while let Some(at) = open.pop() {
        for link in of.get(at).into_iter().flatten() {
            if seen.len() <= MOST + 1 && seen.insert(&link.role) {
                open.push(&link.role);
            }
        }
    }
    seen.len() - 1
}

/// Fills in how deep the roles of everybody reachable are, and tells of every way that comes back to itself. With a
/// stack of its own: chains come from files, and may be long.
fn walk<'a>(
    start: &'a str,
    of: &BTreeMap<&'a str, Vec<&'a Assignment>>,
    depths: &mut BTreeMap<&'a str, usize>,
    faults: &mut Vec<(RuleId, String, String)>,
) {
    let mut path: Vec<(&str, usize)> = vec![(start, 0)];
    let mut on_path = BTreeSet::from([start]);
    while let Some((at, next)) = path.last_mut() {
        let member: &'a str = at;
        let link = if depths.contains_key(member) {
            None
        } else {
            of.get(member).and_then(|links| links.get(*next))
        };
        *next += 1;
        if let Some(link) = link {
            let role: &'a str = &link.role;
            if on_path.contains(role) {
                let cycle = path
                    .iter()
                    .map(|(name, _)| *name)
                    .skip_while(|name| *name != role);
                faults.push((
                    link.id.clone(),
                    format!(
                        "roles in a circle: {}",
                        listed(cycle.map(|name| format!("`{}`", shown(name))))
                    ),
                    "remove one of the lines: a role cannot have itself".to_owned(),
                ));
            } else if !depths.contains_key(role) {
                on_path.insert(role);
                path.push((role, 0));
            }
            continue;
        }
        let links = of.get(member).into_iter().flatten();
        let below = links
            .map(|link| 1 + depths.get(&*link.role).copied().unwrap_or(0))
            .max();
        depths.entry(member).or_insert(below.unwrap_or(0));
        on_path.remove(member);
        path.pop();
    }
}
