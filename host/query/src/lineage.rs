//! Where the columns of a query come from, by its plan.
//!
//! A column comes directly from the columns that its expression names, and indirectly, with every other, from those that
//! decide which rows there are and how they are grouped. Of what this does not know, everything flows into everything.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::error::Result;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, Subquery};

/// `schema.table` and column.
pub(crate) type Origin = (String, String);

/// Of one node of a plan.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// For each column of its output.
    pub(crate) direct: Vec<BTreeSet<Origin>>,
    pub(crate) indirect: BTreeSet<Origin>,
}

impl Lineage {
    pub(crate) fn of(plan: &LogicalPlan) -> Result<Self> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let table = &scan.table_name;
                let object = format!("{}.{}", table.schema().unwrap_or_default(), table.table());
                let fields = scan.projected_schema.fields().iter();
                Ok(Self {
                    direct: fields
                        .map(|field| BTreeSet::from([(object.clone(), field.name().clone())]))
                        .collect(),
                    indirect: BTreeSet::new(),
                })
            }
            LogicalPlan::Projection(node) => {
                let mut input = Self::of(&node.input)?;
                let schema = node.input.schema();
                let direct = node.expr.iter().map(|expr| input.read(expr, schema));
                input.direct = direct.collect::<Result<_>>()?;
                Ok(input)
            }
            LogicalPlan::Filter(node) => {
                let mut input = Self::of(&node.input)?;
                input.decide(&node.predicate, node.input.schema())?;
                Ok(input)
            }
            LogicalPlan::Aggregate(node) => {
                let mut input = Self::of(&node.input)?;
                let schema = node.input.schema();
                for expr in &node.group_expr {
                    input.decide(expr, schema)?;
                }
                let whole = node.group_expr.iter().chain(&node.aggr_expr);
                let direct: Vec<BTreeSet<Origin>> = whole
                    .map(|expr| input.read(expr, schema))
                    .collect::<Result<_>>()?;
                // Grouping sets have columns of their own.
                if direct.len() != node.schema.fields().len() {
                    return Self::everything(plan);
                }
                input.direct = direct;
                Ok(input)
            }
            LogicalPlan::Window(node) => {
                let mut input = Self::of(&node.input)?;
                let schema = node.input.schema();
                let more = node.window_expr.iter().map(|expr| input.read(expr, schema));
                let more: Vec<BTreeSet<Origin>> = more.collect::<Result<_>>()?;
                input.direct.extend(more);
                Ok(input)
            }
            LogicalPlan::Join(node) => {
                let (left, right) = (Self::of(&node.left)?, Self::of(&node.right)?);
                let left_width = left.direct.len();
                let mut both = Self {
                    direct: left.direct.into_iter().chain(right.direct).collect(),
                    indirect: left.indirect.into_iter().chain(right.indirect).collect(),
                };
                let schema = node.left.schema().join(node.right.schema())?;
                for expr in node
                    .on
                    .iter()
                    .flat_map(|(left, right)| [left, right])
                    .chain(&node.filter)
                {
                    both.decide(expr, &schema)?;
                }
                match node.join_type {
                    JoinType::LeftSemi | JoinType::LeftAnti => both.direct.truncate(left_width),
                    JoinType::RightSemi | JoinType::RightAnti => {
                        both.direct.drain(..left_width);
                    }
                    JoinType::LeftMark | JoinType::RightMark => return Self::everything(plan),
                    JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
                }
                // What was misread is no lineage.
                if both.direct.len() != node.schema.fields().len() {
                    return Self::everything(plan);
                }
                Ok(both)
            }
            LogicalPlan::Sort(node) => {
                let mut input = Self::of(&node.input)?;
                for sort in &node.expr {
                    input.decide(&sort.expr, node.input.schema())?;
                }
                Ok(input)
            }
            LogicalPlan::Distinct(Distinct::On(node)) => {
                let mut input = Self::of(&node.input)?;
                let schema = node.input.schema();
                let sorts = node.sort_expr.iter().flatten().map(|sort| &sort.expr);
                for expr in node.on_expr.iter().chain(sorts) {
                    input.decide(expr, schema)?;
                }
                let direct = node.select_expr.iter().map(|expr| input.read(expr, schema));
                input.direct = direct.collect::<Result<_>>()?;
                Ok(input)
            }
            LogicalPlan::Distinct(Distinct::All(_)) => {
                let mut input = Self::of_input(plan)?;
                let all: Vec<Origin> = input.direct.iter().flatten().cloned().collect();
                input.indirect.extend(all);
                Ok(input)
            }
            LogicalPlan::SubqueryAlias(_) | LogicalPlan::Limit(_) => Self::of_input(plan),
            LogicalPlan::Union(node) => {
                let mut whole = Self::default();
                whole.direct.resize(node.schema.fields().len(), BTreeSet::new());
                for input in &node.inputs {
                    let input = Self::of(input)?;
                    for (mine, more) in whole.direct.iter_mut().zip(input.direct) {
                        mine.extend(more);
                    }
                    whole.indirect.extend(input.indirect);
                }
                Ok(whole)
            }
            _ => Self::everything(plan),
        }
    }

    fn of_input(plan: &LogicalPlan) -> Result<Self> {
        match plan.inputs().as_slice() {
            [input] => Self::of(input),
            _ => Self::everything(plan),
        }
    }

    /// All that a node reads flows into all that it gives.
    fn everything(plan: &LogicalPlan) -> Result<Self> {
        let mut all = BTreeSet::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(_) = node {
                all.extend(Self::of(node)?.direct.into_iter().flatten());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(Self {
            direct: vec![all.clone(); plan.schema().fields().len()],
            indirect: all,
        })
    }

    /// What an expression over this node's output reads.
    fn read(&self, expr: &Expr, schema: &DFSchema) -> Result<BTreeSet<Origin>> {
        let mut read = BTreeSet::new();
        expr.apply(|expr| {
            match expr {
                Expr::Column(column) => read.extend(self.column(column, schema)?),
                Expr::OuterReferenceColumn(..) => read.extend(self.all()),
                Expr::ScalarSubquery(inside) => read.extend(self.subquery(inside)?),
                Expr::InSubquery(inside) => read.extend(self.subquery(&inside.subquery)?),
                Expr::Exists(inside) => read.extend(self.subquery(&inside.subquery)?),
                Expr::SetComparison(inside) => read.extend(self.subquery(&inside.subquery)?),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(read)
    }

    /// What a query inside of an expression reads. One that looks at the rows around it may look at any of their columns.
    fn subquery(&self, inside: &Subquery) -> Result<BTreeSet<Origin>> {
        let mut read = Self::of(&inside.subquery)?.all();
        let mut outer = !inside.outer_ref_columns.is_empty();
        inside.subquery.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    outer |= matches!(expr, Expr::OuterReferenceColumn(..));
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        if outer {
            read.extend(self.all());
        }
        Ok(read)
    }

    fn column(&self, column: &Column, schema: &DFSchema) -> Result<BTreeSet<Origin>> {
        let index = schema.index_of_column(column)?;
        Ok(self.direct.get(index).cloned().unwrap_or_else(|| self.all()))
    }

    /// What an expression reads decides which rows there are.
    fn decide(&mut self, expr: &Expr, schema: &DFSchema) -> Result<()> {
        let read = self.read(expr, schema)?;
        self.indirect.extend(read);
        Ok(())
    }

    fn all(&self) -> BTreeSet<Origin> {
        self.direct
            .iter()
            .flatten()
            .chain(&self.indirect)
            .cloned()
            .collect()
    }
}
