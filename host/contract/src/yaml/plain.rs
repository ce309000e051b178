//! YAML that is no contract: settings that other tools write.

use super::{Node, Value, read};
use crate::errors::ContractErrors;

/// A value of a text in YAML. What kind of scalar it is, is for the reader to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    /// A text, number or truth value as it is written; empty for null.
    Scalar(String),
    /// Values in their order.
    List(Vec<Yaml>),
    /// Keys, each once, and their values in the order of the text.
    Map(Vec<(String, Yaml)>),
}

/// Reads one document, within the bounds of a contract's text.
///
/// # Errors
/// It is no YAML, or more than it shows: anchors, tags, repeated keys.
pub fn yaml(text: &str) -> Result<Yaml, ContractErrors> {
    let mut errors = ContractErrors::default();
    let node = read(text, &mut errors);
    errors.or(node.map(of))
}

/// Its depth is bounded by the reader, and so is the recursion.
fn of(node: Node) -> Yaml {
    match node.value {
        Value::Scalar(scalar) => Yaml::Scalar(scalar.text),
        Value::List(items) => Yaml::List(items.into_iter().map(of).collect()),
        Value::Map(entries) => {
            let entries = entries.into_iter();
            Yaml::Map(entries.map(|(key, node)| (key.scalar.text, of(node))).collect())
        }
        Value::Refused => Yaml::Scalar(String::new()),
    }
}
