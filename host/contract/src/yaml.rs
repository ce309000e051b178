//! YAML text to a tree that knows its lines.
//!
//! The text comes from outside: its size, depth and number of nodes are bounded, and what could make it mean more
//! than it shows (anchors, aliases, merge keys, tags, several documents, repeated keys) is refused. Built on
//! parser events and without recursion, so that no text can exhaust the stack.

use std::collections::HashSet;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::errors::{ContractErrors, is_plain, shown};

/// Longest text of a contract, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;

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

/// What YAML takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Null,
    Truth(bool),
    Integer,
    Number,
    /// Text to YAML 1.2, something else to the readers of YAML 1.1 that many tools still have.
    Disputed,
}

impl Scalar {
    pub(crate) fn kind(&self) -> Kind {
        if self.plain {
            plain_kind(&self.text)
        } else {
            Kind::Text
        }
    }
}

fn plain_kind(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Truth(true),
        "false" | "False" | "FALSE" => return Kind::Truth(false),
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF" | "="
        | "<<" => {
            return Kind::Disputed;
        }
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if digits(unsigned) {
        return Kind::Integer;
    }
    if let Some(octal) = text.strip_prefix("0o") {
        let all = !octal.is_empty() && octal.bytes().all(|b| matches!(b, b'0'..=b'7'));
        return if all { Kind::Integer } else { Kind::Text };
    }
    if let Some(hex) = text.strip_prefix("0x") {
        let all = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        return if all { Kind::Integer } else { Kind::Text };
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Kind::Number;
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Kind::Text;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    if exponent_fits && mantissa_fits {
        return Kind::Number;
    }
    // Dates, times of the day in base 60, digits grouped by underscores.
    let old = unsigned
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'_' | b':' | b'.'))
        || is_date(text);
    if old && unsigned.starts_with(|c: char| c.is_ascii_digit()) && !is_version(unsigned) {
        Kind::Disputed
    } else {
        Kind::Text
    }
}

fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut next = |longest: usize| {
        parts
            .next()
            .map(|part| part.bytes().take_while(u8::is_ascii_digit).take(longest).count())
            .unwrap_or(0)
    };
    next(4) == 4 && next(2) > 0 && next(2) > 0
}

fn is_version(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
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
