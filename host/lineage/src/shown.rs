//! A tree for a terminal, and for graphviz.

use std::collections::BTreeSet;

use crate::graph::{Node, Step, Tree};

/// For a terminal.
#[must_use]
pub fn text(tree: &Tree) -> String {
    let mut out = name(Some(&tree.table), tree.column.as_deref());
    for said in [&tree.ty, &tree.description].into_iter().flatten() {
        out.push_str(&format!("  {said}"));
    }
    out.push('\n');
    if let Some(place) = &tree.place {
        out.push_str(&format!("Events come from {place}\n"));
    }
    if let Some(job) = &tree.job {
        out.push_str(&format!("Made by {job}\n"));
    }
    if let Some(mask) = &tree.mask {
        out.push_str(&format!("Stored masked ({mask})\n"));
    }
    let comes = match (&tree.column, tree.is_source) {
        (_, true) => "",
        (Some(_), false) => "of nothing but how many rows there are, or a constant",
        (None, false) => "of no table",
    };
    section(&mut out, "Comes from", &tree.comes_from, comes);
    section(&mut out, "Its rows are decided by", &tree.rows_by, "");
    section(&mut out, "Goes to", &tree.goes_to, "nothing");
    out
}

fn section(out: &mut String, title: &str, nodes: &[Node], none: &str) {
    if nodes.is_empty() {
        if !none.is_empty() {
            out.push_str(&format!("\n{title}\n└── {none}\n"));
        }
        return;
    }
    out.push_str(&format!("\n{title}\n"));
    branch(out, nodes, "");
}

fn branch(out: &mut String, nodes: &[Node], indent: &str) {
    for (place, node) in nodes.iter().enumerate() {
        let is_last = place + 1 == nodes.len();
        let (fork, more) = if is_last {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        out.push_str(&format!("{indent}{fork}{}\n", line(node)));
        branch(out, &node.then, &format!("{indent}{more}"));
    }
}

fn line(node: &Node) -> String {
    let mut line = label(node);
    if node.table.is_some() && node.column.is_none() && !node.ways.is_empty() {
        line.push_str(": which rows there are");
    }
    let ways: Vec<String> = node.ways.iter().map(way).collect();
    if !ways.is_empty() {
        line.push_str(&format!("  {}", ways.join(", ")));
    }
    if let Some(place) = node.place.as_ref().filter(|_| node.column.is_none()) {
        line.push_str(&format!("  [{place}]"));
    }
    if node.again {
        line.push_str("  (as above)");
    }
    line
}

fn way(step: &Step) -> String {
    let mut said = step.way.words().to_owned();
    if step.declared {
        said.push_str(" (declared)");
    }
    for mask in &step.masks {
        said.push_str(&format!(" (mask {mask})"));
    }
    said
}

fn label(node: &Node) -> String {
    name(node.table.as_deref(), node.column.as_deref())
}

fn name(table: Option<&str>, column: Option<&str>) -> String {
    match (table, column) {
        (None, _) => "a table that you may not read".to_owned(),
        (Some(table), None) => table.to_owned(),
        (Some(table), Some(column)) => format!("{table}.{column}"),
    }
}

/// For graphviz.
#[must_use]
pub fn dot(tree: &Tree) -> String {
    let root = name(Some(&tree.table), tree.column.as_deref());
    let mut lines = BTreeSet::new();
    let mut hidden = 0;
    edges(&root, &tree.comes_from, true, &mut lines, &mut hidden);
    edges(&root, &tree.rows_by, true, &mut lines, &mut hidden);
    edges(&root, &tree.goes_to, false, &mut lines, &mut hidden);
    let mut out = "digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    out.push_str(&format!("  {} [style=bold];\n", quoted(&root)));
    for line in lines {
        out.push_str(&format!("  {line};\n"));
    }
    out.push_str("}\n");
    out
}

fn edges(at: &str, nodes: &[Node], up: bool, lines: &mut BTreeSet<String>, hidden: &mut usize) {
    for node in nodes {
        let mut other = label(node);
        if node.table.is_none() {
            // Two that may not be known are not said to be one.
            *hidden += 1;
            other.push_str(&format!(" ({hidden})"));
        }
        let (from, to) = if up {
            (other.as_str(), at)
        } else {
            (at, other.as_str())
        };
        let ways: Vec<String> = node.ways.iter().map(way).collect();
        let is_indirect = !node.ways.is_empty() && node.ways.iter().all(|step| !step.way.is_direct());
        let style = if is_indirect { ", style=dashed" } else { "" };
        lines.insert(format!(
            "{} -> {} [label={}{style}]",
            quoted(from),
            quoted(to),
            quoted(&ways.join(", "))
        ));
        edges(&other, &node.then, up, lines, hidden);
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::graph;

    fn tree(asked: &str) -> Tree {
        let graph = graph();
        let known = |object: &str, _: Option<&str>| object != "b.totals";
        graph.tree(&graph.find(asked, "user:ana", &known).unwrap(), &known)
    }

    #[test]
    fn a_column_is_a_tree_with_ways_and_masks() {
        insta::assert_snapshot!(text(&tree("a.totals.n")), @r"
        a.totals.n  string
        Made by a.totals

        Comes from
        └── a.sales.usd  aggregated
            └── a_raw.sales.amount  computed (declared)

        Its rows are decided by
        └── a.sales.id  group by

        Goes to
        └── nothing
        ");
        insta::assert_snapshot!(text(&tree("a.sales.email")), @r"
        a.sales.email  string
        Made by a.sales.sales
        Stored masked (token)

        Comes from
        └── a_raw.sales.email  as it is (mask token)

        Its rows are decided by
        └── a_raw.sales.amount  filter

        Goes to
        └── nothing
        ");
        insta::assert_snapshot!(text(&tree("a_raw.sales.amount")), @r"
        a_raw.sales.amount  string
        Events come from kafka://broker:9092/sales

        Goes to
        ├── a.sales: which rows there are  filter
        └── a.sales.usd  computed (declared)
            ├── a.totals.n  aggregated
            └── a table that you may not read
        ");
        insta::assert_snapshot!(text(&tree("a.sales")), @r"
        a.sales
        Made by a.sales.sales

        Comes from
        └── a_raw.sales  [kafka://broker:9092/sales]

        Goes to
        ├── a.totals
        └── a table that you may not read
        ");
    }

    #[test]
    fn graphviz_gets_quoted_names() {
        insta::assert_snapshot!(dot(&tree("a.sales.usd")), @r#"
        digraph lineage {
          rankdir=LR;
          node [shape=box];
          "a.sales.usd" [style=bold];
          "a.sales.usd" -> "a table that you may not read (1)" [label=""];
          "a.sales.usd" -> "a.totals.n" [label="aggregated"];
          "a_raw.sales.amount" -> "a.sales.usd" [label="computed (declared)"];
          "a_raw.sales.amount" -> "a.sales.usd" [label="filter", style=dashed];
        }
        "#);
    }
}
