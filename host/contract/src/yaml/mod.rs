//! YAML text to a tree that knows its lines.
//!
//! The text comes from outside: its size, depth and number of nodes are bounded, and what could make it mean more
//! than it shows (anchors, aliases, merge keys, tags, several documents, repeated keys) is refused. Built on
//! parser events and without recursion, so that no text can exhaust the stack.

mod kind;
mod plain;
mod read;

use std::rc::Rc;

use crate::errors::{ContractErrors, shown};

pub(crate) use kind::Kind;
pub use plain::{Yaml, yaml};
pub(crate) use read::read;

/// Longest text of a contract, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// Keys are unique.
    Map(Vec<(Key, Node)>),
    /// Something that was refused, and said so: silent from here on.
    Refused,
}

#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    /// Written without quotes, so that YAML may take it for a number, a truth value, ...
    pub(crate) plain: bool,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) line: usize,
    pub(crate) scalar: Scalar,
}

impl Node {
    /// Counts the lines of a node from further up. Its depth is bounded by the reader, and so is the recursion.
    pub(crate) fn move_down(&mut self, lines: usize) {
        self.line = self.line.saturating_add(lines);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.move_down(lines)),
            Value::Map(entries) => {
                for (key, node) in entries {
                    key.line = key.line.saturating_add(lines);
                    node.move_down(lines);
                }
            }
            Value::Scalar(_) | Value::Refused => {}
        }
    }
}

/// Where a node stands: a chain of keys and places, shared by all that stand below.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path<'a>(Option<Rc<Segment<'a>>>);

#[derive(Debug)]
struct Segment<'a> {
    above: Path<'a>,
    step: PathStep<'a>,
}

#[derive(Debug, Clone, Copy)]
enum PathStep<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    fn below(&self, step: PathStep<'a>) -> Self {
        Self(Some(Rc::new(Segment {
            above: self.clone(),
            step,
        })))
    }

    fn written(&self) -> String {
        let mut steps = Vec::new();
        let mut path = self;
        while let Some(segment) = &path.0 {
            steps.push(segment.step);
            path = &segment.above;
        }
        let mut text = String::new();
        for step in steps.into_iter().rev() {
            match step {
                PathStep::Index(index) => text.push_str(&format!("[{index}]")),
                PathStep::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(&shown(key));
                }
            }
        }
        text
    }
}

/// A node and its place.
#[derive(Debug, Clone)]
pub(crate) struct At<'a> {
    pub(crate) node: &'a Node,
    path: Path<'a>,
}

impl<'a> At<'a> {
    pub(crate) fn top(node: &'a Node) -> Self {
        Self {
            node,
            path: Path::default(),
        }
    }

    /// Another node at the same place: what a text holds.
    pub(crate) fn holding<'b>(&self, node: &'b Node) -> At<'b>
    where
        'a: 'b,
    {
        At {
            node,
            path: self.path.clone(),
        }
    }

    /// The entries of a map; nothing for other nodes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a Key, At<'a>)> + use<'a> {
        let path = self.path.clone();
        let entries = match &self.node.value {
            Value::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(move |(key, node)| {
            (
                key,
                At {
                    node,
                    path: path.below(PathStep::Key(&key.scalar.text)),
                },
            )
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<At<'a>> {
        self.entries()
            .find(|(key, _)| key.scalar.text == name)
            .map(|(_, at)| at)
    }

    /// The items of a list, as many as a contract may have there; more are a problem.
    pub(crate) fn items_up_to(
        &self,
        most: usize,
        errors: &mut ContractErrors,
    ) -> impl Iterator<Item = At<'a>> + use<'a> {
        if self.items().nth(most).is_some() {
            self.error(
                errors,
                format!("more than {most} items"),
                "split the contract, or leave some out",
            );
        }
        self.items().take(most)
    }

    /// The items of a list; nothing for other nodes.
    pub(crate) fn items(&self) -> impl Iterator<Item = At<'a>> + use<'a> {
        let path = self.path.clone();
        let items = match &self.node.value {
            Value::List(items) => items.as_slice(),
            _ => &[],
        };
        items.iter().enumerate().map(move |(i, node)| At {
            node,
            path: path.below(PathStep::Index(i)),
        })
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.kind() == Kind::Text => Some(&scalar.text),
            _ => None,
        }
    }

    pub(crate) fn truth(&self) -> Option<bool> {
        match &self.node.value {
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Truth(truth) => Some(truth),
                _ => None,
            },
            _ => None,
        }
    }

    /// The integer, if it is one written in decimal that fits.
    pub(crate) fn integer(&self) -> Option<i64> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.kind() == Kind::Integer => scalar.text.parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn error(
        &self,
        errors: &mut ContractErrors,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.error_at(self.node.line, errors, what, remedy);
    }

    pub(crate) fn error_at(
        &self,
        line: usize,
        errors: &mut ContractErrors,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        errors.push(line, self.path.written(), what, remedy);
    }
}
