//! What a component says of itself, without running any of it.

use std::fmt;

use malla_contract::{Contract, Step, Table, extract};

use crate::build::digest;
use crate::component::{calls, has_functions};
use crate::error::ToolchainError;

/// A component as it is before anybody runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The contract inside.
    pub contract: Contract,
    /// What it may call of its host, interfaces of mere types left out. The sandbox refuses anything but
    /// `malla:plugin/log`. The names are the component's own: show them escaped.
    pub imports: Vec<String>,
    /// SHA-256 of the component, in hexadecimal digits.
    pub digest: String,
    /// Bytes of the component.
    pub size: usize,
}

/// Reads a component. No guest code runs, and nothing is compiled.
///
/// # Errors
/// When the bytes are no component, or hold no contract, or a wrong one, or one whose functions are not there.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ToolchainError> {
    let contract = Contract::parse(&extract(bytes)?).map_err(ToolchainError::Embedded)?;
    has_functions(bytes, &contract)?;
    Ok(Inspection {
        contract,
        imports: calls(bytes)?,
        digest: digest(bytes),
        size: bytes.len(),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            contract,
            imports,
            digest,
            size,
        } = self;
        writeln!(f, "{} {}, {}", contract.domain, contract.version, contract.status)?;
        for (what, text) in [("about", &contract.description), ("owner", &contract.owner)] {
            if let Some(text) = text {
                writeln!(f, "  {what:<8} {}", plain(text))?;
            }
        }
        writeln!(f, "  {:<8} {} KiB", "size", size.div_ceil(1024))?;
        writeln!(f, "  {:<8} {digest}", "sha256")?;
        let imports: Vec<String> = imports
            .iter()
            .map(|name| name.escape_debug().to_string())
            .collect();
        writeln!(f, "  {:<8} {}", "imports", or_none(&imports))?;
        for step in &contract.steps {
            self.step(f, step)?;
        }
        for function in &contract.functions {
            writeln!(f, "\nfunction {function}")?;
            if let Some(text) = &function.description {
                writeln!(f, "  {:<8} {}", "about", plain(text))?;
            }
        }
        for product in &contract.products {
            let table = &product.table;
            let partitions = table.partition_columns().join(", ");
            let partitions = if partitions.is_empty() {
                String::new()
            } else {
                format!(", partitioned by {partitions}")
            };
            writeln!(f, "\nproduct {}.{}{partitions}", contract.domain, product.name)?;
            columns(f, table)?;
        }
        Ok(())
    }
}

impl Inspection {
    fn step(&self, f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
        writeln!(
            f,
            "\nstep {}: source {} to product {}",
            step.name, step.source, step.product
        )?;
        writeln!(f, "  {:<8} {}", "reads", or_none(&step.reads))?;
        if let Some(source) = self.contract.source(&step.source) {
            let columns = source.table.columns.iter().map(|column| &column.name);
            let unseen: Vec<String> = columns
                .filter(|name| !step.reads.contains(name))
                .cloned()
                .collect();
            writeln!(f, "  {:<8} {}", "unseen", or_none(&unseen))?;
        }
        writeln!(f, "  {:<8} {}", "rules", or_none(&step.rules))
    }
}

fn columns(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    let width = table
        .columns
        .iter()
        .map(|column| column.name.len())
        .max()
        .unwrap_or_default();
    for column in &table.columns {
        let required = if column.required { "required" } else { "" };
        let tags: Vec<String> = column.tags.iter().map(|tag| plain(tag)).collect();
        let line = format!(
            "  {:<width$}  {:<14}  {required:<8}  {:<12}  {}",
            column.name,
            column.ty.to_string(),
            column.classification.as_str(),
            tags.join(" ")
        );
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}

/// A text from outside on one line, without control characters.
fn plain(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().filter(|c| !c.is_control()).collect()
}
