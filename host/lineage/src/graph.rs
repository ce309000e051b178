//! Where tables and columns come from and where they go, as far as somebody may know.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::making::{Inflow, Kind, Making, Place, Table, Way};

/// The tables of a mesh, and how each is made.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Of steps and queries: a raw table is the events as they came, and is called like its source.
    makings: Vec<Making>,
}

/// What somebody may know of a table, or of a column of it.
pub type Known<'a> = dyn Fn(&str, Option<&str>) -> bool + 'a;

/// What was asked for, and is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    object: String,
    column: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// The table.
    pub table: String,
    /// The column. `None`: it is about the table.
    pub column: Option<String>,
    /// Of the column.
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Where the events of a source come from.
    pub place: Option<String>,
    /// What makes it. `None`: it is a source, or made of what the asker may not read.
    pub job: Option<String>,
    /// Nothing in the mesh makes it.
    pub is_source: bool,
    /// How the column is hidden before it is stored.
    pub mask: Option<String>,
    /// What flows into it.
    pub comes_from: Vec<Node>,
    /// What decides which rows there are.
    pub rows_by: Vec<Node>,
    /// What it flows into.
    pub goes_to: Vec<Node>,
}

/// A table or column on the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Node {
    /// `None`: one that the asker may not read.
    pub table: Option<String>,
    /// `None`: the table, or one that the asker may not read.
    pub column: Option<String>,
    /// Where the events of a source come from.
    pub place: Option<String>,
    /// In what ways it flows.
    pub ways: Vec<Step>,
    /// It stands further up already, with all that follows.
    pub again: bool,
    /// What follows.
    pub then: Vec<Node>,
}

/// A way in which a column flows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Step {
    /// How.
    pub way: Way,
    /// How it is hidden on the way.
    pub masks: Vec<String>,
    /// No more is known than that the contract lets it flow.
    pub declared: bool,
}

/// A table or column that there is not, or that the asker may not know of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{asked}` that {whom} may read: {remedy}")]
pub struct UnknownTable {
    what: &'static str,
    asked: String,
    whom: String,
    remedy: String,
}

impl Graph {
    /// Of what makes every table.
    #[must_use]
    pub fn new(makings: Vec<Making>) -> Self {
        let is_told = |making: &Making| matches!(making.kind, Kind::Step | Kind::Query);
        Self {
            makings: makings.into_iter().filter(is_told).collect(),
        }
    }

    /// Finds `ventas.transacciones` or `ventas.transacciones.monto`; names may be in double quotes.
    ///
    /// # Errors
    /// There is no such table or column, or `whom` may not know of it.
    pub fn find(&self, asked: &str, whom: &str, known: &Known<'_>) -> Result<Asked, UnknownTable> {
        let name = asked.replace('"', "").replace('/', ".");
        let tables = self.tables();
        let mut seen = tables.values().filter(|table| known(&table.object, None));
        let unknown = |what, remedy| UnknownTable {
            what,
            asked: asked.chars().take(120).flat_map(char::escape_debug).collect(),
            whom: whom.to_owned(),
            remedy,
        };
        for table in seen.clone() {
            let object = &table.object;
            let Some(rest) = name.strip_prefix(object.as_str()) else {
                continue;
            };
            if rest.is_empty() {
                return Ok(Asked {
                    object: object.clone(),
                    column: None,
                });
            }
            let Some(column) = rest.strip_prefix('.') else {
                continue;
            };
            let shown = table.columns.iter().map(|column| column.name.as_str());
            let shown: Vec<&str> = shown.filter(|name| known(object, Some(name))).collect();
            if shown.contains(&column) {
                return Ok(Asked {
                    object: object.clone(),
                    column: Some(column.to_owned()),
                });
            }
            return Err(unknown("column", remedy(column, shown.into_iter(), "column")));
        }
        // Somebody may have written the column too.
        let names = seen.by_ref().map(|table| table.object.as_str());
        Err(unknown("table", remedy(&name, names, "table")))
    }

    /// What becomes of it, and what it is made of.
    #[must_use]
    pub fn tree(&self, asked: &Asked, known: &Known<'_>) -> Tree {
        let tables = self.tables();
        let table = tables.get(asked.object.as_str());
        let making = self.making(&asked.object);
        let column = asked.column.as_deref();
        let described = table.and_then(|table| {
            table
                .columns
                .iter()
                .find(|found| Some(found.name.as_str()) == column)
        });
        let walk = || Walk {
            graph: self,
            tables: &tables,
            known,
            shown: RefCell::default(),
        };
        let mut path = vec![(asked.object.clone(), asked.column.clone())];
        let rows_by = match (making, column) {
            (Some(making), Some(_)) => walk().nodes(&making.rows, None, &mut path, false),
            _ => Vec::new(),
        };
        Tree {
            table: asked.object.clone(),
            column: asked.column.clone(),
            ty: described.map(|column| column.ty.clone()),
            description: match column {
                Some(_) => described.and_then(|column| column.description.clone()),
                None => table.and_then(|table| table.description.clone()),
            },
            place: table.and_then(|table| place(table)),
            // The name of a step's job has that of its source in it.
            job: making
                .filter(|making| making.inputs.iter().all(|input| known(&input.object, None)))
                .map(|making| making.job.clone()),
            is_source: making.is_none(),
            mask: making.and_then(|making| {
                let of = making
                    .columns
                    .iter()
                    .find(|of| Some(of.column.as_str()) == column);
                of.and_then(|of| of.mask.clone())
            }),
            comes_from: walk().up(&mut path),
            rows_by,
            goes_to: walk().down(&mut path),
        }
    }

    fn making(&self, object: &str) -> Option<&Making> {
        self.makings.iter().find(|making| making.output.object == object)
    }

    fn tables(&self) -> BTreeMap<&str, &Table> {
        let inputs = self.makings.iter().flat_map(|making| &making.inputs);
        let outputs = self.makings.iter().map(|making| &making.output);
        // What is made is described by whoever makes it.
        let both = inputs.chain(outputs);
        both.map(|table| (table.object.as_str(), table)).collect()
    }
}

fn place(table: &Table) -> Option<String> {
    (!matches!(table.place, Place::Lake(_))).then(|| table.place.to_string())
}

fn remedy<'a>(asked: &str, names: impl Iterator<Item = &'a str>, what: &str) -> String {
    let closest = names
        .map(|name| (strsim::damerau_levenshtein(asked, name), name))
        .min();
    match closest {
        Some((distance, name)) if distance * 2 <= name.chars().count() => format!("did you mean `{name}`?"),
        Some((_, name)) => format!("there is `{name}`, for one"),
        None => {
            format!("no {what} is there for them at all; ask the owner of the data for a rule that allows it")
        }
    }
}

type At = (String, Option<String>);

/// In one direction.
struct Walk<'a> {
    graph: &'a Graph,
    tables: &'a BTreeMap<&'a str, &'a Table>,
    known: &'a Known<'a>,
    /// What stands in the tree, and whether anything follows it: shown once, so that a tree is no larger than its graph.
    shown: RefCell<BTreeMap<At, bool>>,
}

impl Walk<'_> {
    /// What flows into the last of a path.
    fn up(&self, path: &mut Vec<At>) -> Vec<Node> {
        let Some((object, column)) = path.last().cloned() else {
            return Vec::new();
        };
        let Some(making) = self.graph.making(&object) else {
            return Vec::new();
        };
        match column {
            Some(column) => {
                let of = making.columns.iter().find(|of| of.column == column);
                of.map_or_else(Vec::new, |of| {
                    self.nodes(&of.from, of.mask.as_deref(), path, true)
                })
            }
            None => {
                let inputs = making.inputs.iter().map(|input| (input.object.clone(), None));
                self.all(inputs.map(|at| (at, Vec::new())).collect(), path, true, true)
            }
        }
    }

    /// What the last of a path flows into.
    fn down(&self, path: &mut Vec<At>) -> Vec<Node> {
        let Some((object, column)) = path.last().cloned() else {
            return Vec::new();
        };
        let mut found: BTreeMap<At, Vec<Step>> = BTreeMap::new();
        for making in &self.graph.makings {
            let output = &making.output.object;
            let Some(column) = &column else {
                if making.inputs.iter().any(|input| input.object == object) {
                    found.entry((output.clone(), None)).or_default();
                }
                continue;
            };
            let is = |inflow: &&Inflow| inflow.object == object && inflow.column == *column;
            for of in &making.columns {
                for inflow in of.from.iter().filter(is) {
                    let at = (output.clone(), Some(of.column.clone()));
                    found
                        .entry(at)
                        .or_default()
                        .push(step(inflow, of.mask.as_deref()));
                }
            }
            for inflow in making.rows.iter().filter(is) {
                found
                    .entry((output.clone(), None))
                    .or_default()
                    .push(step(inflow, None));
            }
        }
        // A table whose rows a column decides is made of it, and not the tables behind it.
        self.all(found, path, false, column.is_none())
    }

    fn nodes(&self, inflows: &[Inflow], stored: Option<&str>, path: &mut Vec<At>, deep: bool) -> Vec<Node> {
        let mut found: BTreeMap<At, Vec<Step>> = BTreeMap::new();
        for inflow in inflows {
            let at = (inflow.object.clone(), Some(inflow.column.clone()));
            found.entry(at).or_default().push(step(inflow, stored));
        }
        if deep {
            return self.all(found, path, true, true);
        }
        in_order(found.into_iter().map(|(at, ways)| self.node(&at, ways)).collect())
    }

    fn all(
        &self,
        found: BTreeMap<At, Vec<Step>>,
        path: &mut Vec<At>,
        up: bool,
        tables_too: bool,
    ) -> Vec<Node> {
        let mut nodes = BTreeSet::new();
        for (at, ways) in found {
            let mut node = self.node(&at, ways);
            let goes_on = node.table.is_some() && (at.1.is_some() == node.column.is_some());
            if goes_on && (at.1.is_some() || tables_too) {
                let shown = self.shown.borrow().get(&at).copied();
                if let Some(follows) = shown {
                    node.again = follows;
                } else if path.contains(&at) {
                    node.again = true;
                } else {
                    self.shown.borrow_mut().insert(at.clone(), true);
                    path.push(at.clone());
                    node.then = if up { self.up(path) } else { self.down(path) };
                    path.pop();
                    self.shown.borrow_mut().insert(at, !node.then.is_empty());
                }
            }
            nodes.insert(node);
        }
        in_order(nodes)
    }

    fn node(&self, (object, column): &At, mut ways: Vec<Step>) -> Node {
        ways.sort();
        ways.dedup();
        let hidden = Node {
            table: None,
            column: None,
            place: None,
            ways: Vec::new(),
            again: false,
            then: Vec::new(),
        };
        if !(self.known)(object, None) {
            return hidden;
        }
        let table = self.tables.get(object.as_str());
        let shown = column
            .as_deref()
            .filter(|column| (self.known)(object, Some(column)));
        Node {
            table: Some(object.clone()),
            column: match (column, shown) {
                (Some(_), None) => None,
                (_, shown) => shown.map(str::to_owned),
            },
            place: table.and_then(|table| place(table)),
            // Of a column that may not be known, no more than that there is one.
            ways: if column.is_some() && shown.is_none() {
                Vec::new()
            } else {
                ways
            },
            ..hidden
        }
    }
}

/// Those that may not be known come last, and are one.
fn in_order(nodes: BTreeSet<Node>) -> Vec<Node> {
    let (hidden, shown): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(|node| node.table.is_none());
    shown.into_iter().chain(hidden).collect()
}

fn step(inflow: &Inflow, stored: Option<&str>) -> Step {
    let stored = stored.filter(|_| inflow.way.is_direct());
    let masks = inflow.mask.as_deref().into_iter().chain(stored);
    Step {
        way: inflow.way,
        masks: masks.map(str::to_owned).collect(),
        declared: inflow.declared,
    }
}

#[cfg(test)]
pub(crate) mod tests;
