//! Text to tree.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::errors::{ContractErrors, is_plain, shown};
use crate::yaml::{Key, MAX_BYTES, Node, Path, PathStep, Scalar, Value};

const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;

/// Reads one document. `None` where nothing could be read; what is wrong is in `errors`.
pub(crate) fn read(text: &str, errors: &mut ContractErrors) -> Option<Node> {
    let whole = |errors: &mut ContractErrors, line: usize, what: &str, remedy: &str| {
        errors.push(line, String::new(), what, remedy);
    };
    if text.len() > MAX_BYTES {
        whole(
            errors,
            1,
            "the text is larger than 1 MiB",
            "a contract describes data, it does not hold any",
        );
        return None;
    }
    // The parser takes NUL for the end of the text, and would not see what stands after it.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            '\r' if chars.peek() == Some(&'\n') => {}
            c if is_plain(c) => {}
            c => {
                let what = format!("the character `{}` is not allowed", c.escape_unicode());
                errors.push(line, String::new(), what, "remove it; line ends are LF or CR LF");
                return None;
            }
        }
    }
    let mut builder = Builder {
        errors,
        open: Vec::new(),
        root: None,
        nodes: 0,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let what = format!("not valid YAML: {}", shown(error.info()));
                whole(
                    errors,
                    error.marker().line(),
                    &what,
                    "mend the text there or just before",
                );
                return None;
            }
        };
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    whole(
                        builder.errors,
                        line,
                        "a second document",
                        "keep one contract in a text, without `---`",
                    );
                    return None;
                }
            }
            event => builder.take(event, line).ok()?,
        }
    }
    let Builder { root, errors, .. } = builder;
    if root.is_none() {
        whole(errors, 1, "the text is empty", "start with `apiVersion: v3.1.0`");
    }
    root
}

/// Reading stopped: the error is pushed already.
struct Stopped;

struct Open {
    line: usize,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        seen: HashSet<String>,
        key: Option<PendingKey>,
    },
}

enum PendingKey {
    Good(Key),
    /// Repeated or not text: its value is read and dropped.
    Bad,
}

struct Builder<'e> {
    errors: &'e mut ContractErrors,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Stopped> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(anchor, tag.is_some(), line);
                let text = text.into_owned();
                if let Some(c) = text.chars().find(|c| !is_plain(*c)) {
                    let what = format!("the character `{}` is not allowed", c.escape_unicode());
                    self.fail(line, what, "remove the escape");
                }
                self.leaf(
                    line,
                    Value::Scalar(Scalar {
                        text,
                        plain: style == ScalarStyle::Plain,
                    }),
                )
            }
            Event::Alias(_) => {
                self.fail(line, "an alias (`*name`)".into(), "write the value out");
                self.leaf(line, Value::Refused)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(anchor, tag.is_some(), line);
                self.open(line, Children::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(anchor, tag.is_some(), line);
                self.open(
                    line,
                    Children::Map {
                        entries: Vec::new(),
                        seen: HashSet::new(),
                        key: None,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { line, children }) = self.open.pop() {
                    let value = match children {
                        Children::List(items) => Value::List(items),
                        Children::Map { entries, .. } => Value::Map(entries),
                    };
                    self.place(Node { line, value });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The path of what is read now.
    fn path(&self) -> String {
        let mut path = Path::default();
        for open in &self.open {
            path = match &open.children {
                Children::List(items) => path.below(PathStep::Index(items.len())),
                Children::Map {
                    key: Some(PendingKey::Good(key)),
                    ..
                } => path.below(PathStep::Key(&key.scalar.text)),
                Children::Map { .. } => path,
            };
        }
        path.written()
    }

    fn fail(&mut self, line: usize, what: String, remedy: &str) {
        let path = self.path();
        self.errors.push(line, path, what, remedy);
    }

    fn refuse(&mut self, anchor: usize, tag: bool, line: usize) {
        if anchor > 0 {
            self.fail(
                line,
                "an anchor (`&name`)".into(),
                "remove it; write the value out where it is used",
            );
        }
        if tag {
            self.fail(
                line,
                "a tag (`!name`)".into(),
                "remove it; quotes make a text of a value",
            );
        }
    }

    fn count(&mut self, line: usize) -> Result<(), Stopped> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            self.fail(
                line,
                format!("more than {MAX_NODES} values"),
                "a contract describes data, it does not hold any",
            );
            return Err(Stopped);
        }
        Ok(())
    }

    fn open(&mut self, line: usize, children: Children) -> Result<(), Stopped> {
        self.count(line)?;
        if self.open.len() >= MAX_DEPTH {
            self.fail(
                line,
                format!("nested deeper than {MAX_DEPTH} levels"),
                "flatten it",
            );
            return Err(Stopped);
        }
        self.open.push(Open { line, children });
        Ok(())
    }

    fn leaf(&mut self, line: usize, value: Value) -> Result<(), Stopped> {
        self.count(line)?;
        self.place(Node { line, value });
        Ok(())
    }

    fn place(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        let mut bad = None;
        match &mut open.children {
            Children::List(items) => items.push(node),
            Children::Map { entries, seen, key } => match key.take() {
                Some(PendingKey::Good(key)) => entries.push((key, node)),
                Some(PendingKey::Bad) => {}
                None => {
                    let line = node.line;
                    *key = Some(match node.value {
                        Value::Scalar(scalar) if seen.insert(scalar.text.clone()) => {
                            PendingKey::Good(Key { line, scalar })
                        }
                        Value::Scalar(scalar) => {
                            let what = format!("`{}` is there twice", shown(&scalar.text));
                            bad = Some((line, what, "keep one of the two"));
                            PendingKey::Bad
                        }
                        _ => {
                            bad = Some((line, "a key that is no text".into(), "write `name: value`"));
                            PendingKey::Bad
                        }
                    });
                }
            },
        }
        if let Some((line, what, remedy)) = bad {
            self.fail(line, what, remedy);
        }
    }
}
