//! Where the columns of a query come from, by its plan.
//!
//! A column comes directly from the columns that its expression names, and indirectly, with every other, from those that
//! decide which rows there are and how they are grouped. Of what this does not know, everything flows into everything.
//! How a column flows is told beside, in the words of OpenLineage; that it flows is what policy goes by.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunctionParams, Sort, WindowFunctionParams};
use datafusion::logical_expr::{Case, Distinct, Expr, LogicalPlan, Subquery, WindowFunctionDefinition};

/// `schema.table` and column.
pub(crate) type Origin = (String, String);

/// Columns, and the ways in which each of them flows.
pub(crate) type Flows = BTreeMap<Origin, BTreeSet<FlowKind>>;

/// How a column flows into another, or into which rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowKind {
    /// Its values, as they are.
    Identity,
    /// Something computed of its values, row by row.
    Transformation,
    /// Something computed of its values in many rows.
    Aggregation,
    /// It decides which rows belong together.
    Join,
    /// It decides which rows become one.
    GroupBy,
    /// It decides which rows there are.
    Filter,
    /// It decides in which order.
    Sort,
    /// It decides what a window function looks at.
    Window,
    /// It decides which of several values is taken.
    Conditional,
}

impl FlowKind {
    /// Whether values flow, and not only what they decide.
    #[must_use]
    pub fn is_direct(self) -> bool {
        self <= Self::Aggregation
    }

    /// How what flowed in this way into an expression's argument flows into the expression.
    fn through(self, role: Self) -> Self {
        if self.is_direct() && (!role.is_direct() || role > self) {
            role
        } else {
            self
        }
    }
}

/// Of one node of a plan.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// For each column of its output.
    pub(crate) direct: Vec<Flows>,
    pub(crate) indirect: Flows,
}

impl Lineage {
    pub(crate) fn of(plan: &LogicalPlan) -> Result<Self> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let table = &scan.table_name;
                let object = format!("{}.{}", table.schema().unwrap_or_default(), table.table());
                let fields = scan.projected_schema.fields().iter();
                let of = |name: &String| {
                    (
                        (object.clone(), name.clone()),
                        BTreeSet::from([FlowKind::Identity]),
                    )
                };
                Ok(Self {
                    direct: fields.map(|field| Flows::from([of(field.name())])).collect(),
                    indirect: Flows::new(),
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
                input.decide(&node.predicate, node.input.schema(), FlowKind::Filter)?;
                Ok(input)
            }
            LogicalPlan::Aggregate(node) => {
                let mut input = Self::of(&node.input)?;
                let schema = node.input.schema();
                for expr in &node.group_expr {
                    input.decide(expr, schema, FlowKind::GroupBy)?;
                }
                let whole = node.group_expr.iter().chain(&node.aggr_expr);
                let direct: Vec<Flows> = whole
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
                let more: Vec<Flows> = more.collect::<Result<_>>()?;
                input.direct.extend(more);
                Ok(input)
            }
            LogicalPlan::Join(node) => {
                let (left, right) = (Self::of(&node.left)?, Self::of(&node.right)?);
                let left_width = left.direct.len();
                let mut both = Self {
                    direct: left.direct.into_iter().chain(right.direct).collect(),
                    indirect: left.indirect,
                };
                merge(&mut both.indirect, right.indirect);
                let schema = node.left.schema().join(node.right.schema())?;
                for expr in node
                    .on
                    .iter()
                    .flat_map(|(left, right)| [left, right])
                    .chain(&node.filter)
                {
                    both.decide(expr, &schema, FlowKind::Join)?;
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
                    input.decide(&sort.expr, node.input.schema(), FlowKind::Sort)?;
                }
                Ok(input)
            }
            LogicalPlan::Distinct(Distinct::On(node)) => {
                let mut input = Self::of(&node.input)?;
                let schema = node.input.schema();
                for expr in &node.on_expr {
                    input.decide(expr, schema, FlowKind::GroupBy)?;
                }
                for sort in node.sort_expr.iter().flatten() {
                    input.decide(&sort.expr, schema, FlowKind::Sort)?;
                }
                let direct = node.select_expr.iter().map(|expr| input.read(expr, schema));
                input.direct = direct.collect::<Result<_>>()?;
                Ok(input)
            }
            LogicalPlan::Distinct(Distinct::All(_)) => {
                let mut input = Self::of_input(plan)?;
                for flows in input.direct.clone() {
                    flow(&mut input.indirect, flows, FlowKind::GroupBy);
                }
                Ok(input)
            }
            LogicalPlan::SubqueryAlias(_) | LogicalPlan::Limit(_) => Self::of_input(plan),
            LogicalPlan::Union(node) => {
                let mut whole = Self::default();
                whole.direct.resize(node.schema.fields().len(), Flows::new());
                for input in &node.inputs {
                    let input = Self::of(input)?;
                    for (mine, more) in whole.direct.iter_mut().zip(input.direct) {
                        merge(mine, more);
                    }
                    merge(&mut whole.indirect, input.indirect);
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
        let mut all = Flows::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(_) = node {
                for flows in Self::of(node)?.direct {
                    merge(&mut all, flows);
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let (mut direct, mut indirect) = (Flows::new(), Flows::new());
        flow(&mut direct, all.clone(), FlowKind::Transformation);
        flow(&mut indirect, all, FlowKind::Filter);
        Ok(Self {
            direct: vec![direct; plan.schema().fields().len()],
            indirect,
        })
    }

    /// What an expression over this node's output reads.
    fn read(&self, expr: &Expr, schema: &DFSchema) -> Result<Flows> {
        let mut inner = expr;
        while let Expr::Alias(alias) = inner {
            inner = &alias.expr;
        }
        let role = match inner {
            Expr::Column(_) => FlowKind::Identity,
            _ => FlowKind::Transformation,
        };
        let mut read = Flows::new();
        self.gather(inner, schema, role, &mut read)?;
        Ok(read)
    }

    /// Adds what an expression reads, all of it, as far as `role` lets it flow.
    fn gather(&self, expr: &Expr, schema: &DFSchema, role: FlowKind, read: &mut Flows) -> Result<()> {
        // INVARIANT: every column that stands anywhere in the expression is read. A part that is skipped was gathered by itself.
        expr.apply(|expr| {
            match expr {
                Expr::Column(column) => flow(read, self.column(column, schema)?, role),
                Expr::OuterReferenceColumn(..) => flow(read, self.all(), role),
                Expr::ScalarSubquery(inside) => flow(read, self.subquery(inside)?, role),
                Expr::InSubquery(inside) => flow(read, self.subquery(&inside.subquery)?, role),
                Expr::Exists(inside) => flow(read, self.subquery(&inside.subquery)?, role),
                Expr::SetComparison(inside) => flow(read, self.subquery(&inside.subquery)?, role),
                Expr::Case(case) => {
                    self.gather_case(case, schema, role, read)?;
                    return Ok(TreeNodeRecursion::Jump);
                }
                Expr::AggregateFunction(call) => {
                    let AggregateFunctionParams {
                        args,
                        filter,
                        order_by,
                        ..
                    } = &call.params;
                    self.gather_all(args, schema, role.max_direct(FlowKind::Aggregation), read)?;
                    self.gather_all(filter.as_deref(), schema, FlowKind::Conditional, read)?;
                    self.gather_all(sorted(order_by), schema, FlowKind::Sort, read)?;
                    return Ok(TreeNodeRecursion::Jump);
                }
                Expr::WindowFunction(call) => {
                    let WindowFunctionParams {
                        args,
                        partition_by,
                        order_by,
                        filter,
                        ..
                    } = &call.params;
                    let of_args = match &call.fun {
                        WindowFunctionDefinition::AggregateUDF(_) => FlowKind::Aggregation,
                        WindowFunctionDefinition::WindowUDF(_) => FlowKind::Transformation,
                    };
                    self.gather_all(args, schema, role.max_direct(of_args), read)?;
                    let around = partition_by
                        .iter()
                        .chain(sorted(order_by))
                        .chain(filter.as_deref());
                    self.gather_all(around, schema, FlowKind::Window, read)?;
                    return Ok(TreeNodeRecursion::Jump);
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }

    fn gather_case(&self, case: &Case, schema: &DFSchema, role: FlowKind, read: &mut Flows) -> Result<()> {
        let decides = case.when_then_expr.iter().map(|(when, _)| when).chain(&case.expr);
        let gives = case
            .when_then_expr
            .iter()
            .map(|(_, then)| then)
            .chain(&case.else_expr);
        // In a condition everything decides.
        let deciding = if role.is_direct() {
            FlowKind::Conditional
        } else {
            role
        };
        self.gather_all(decides.map(AsRef::as_ref), schema, deciding, read)?;
        self.gather_all(gives.map(AsRef::as_ref), schema, role, read)
    }

    fn gather_all<'e>(
        &self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        schema: &DFSchema,
        role: FlowKind,
        read: &mut Flows,
    ) -> Result<()> {
        exprs
            .into_iter()
            .try_for_each(|expr| self.gather(expr, schema, role, read))
    }

    /// What a query inside of an expression reads. One that looks at the rows around it may look at any of their columns.
    fn subquery(&self, inside: &Subquery) -> Result<Flows> {
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
            merge(&mut read, self.all());
        }
        Ok(read)
    }

    fn column(&self, column: &Column, schema: &DFSchema) -> Result<Flows> {
        let index = schema.index_of_column(column)?;
        Ok(self.direct.get(index).cloned().unwrap_or_else(|| self.all()))
    }

    /// What an expression reads decides which rows there are.
    fn decide(&mut self, expr: &Expr, schema: &DFSchema, how: FlowKind) -> Result<()> {
        let mut read = Flows::new();
        self.gather(expr, schema, how, &mut read)?;
        merge(&mut self.indirect, read);
        Ok(())
    }

    fn all(&self) -> Flows {
        let mut all = self.indirect.clone();
        for flows in &self.direct {
            merge(&mut all, flows.clone());
        }
        all
    }
}

impl FlowKind {
    /// The role of an argument inside of something that has a role itself.
    fn max_direct(self, inner: Self) -> Self {
        if self.is_direct() { self.max(inner) } else { self }
    }
}

fn sorted(sorts: &[Sort]) -> impl Iterator<Item = &Expr> {
    sorts.iter().map(|sort| &sort.expr)
}

fn merge(into: &mut Flows, more: Flows) {
    for (origin, kinds) in more {
        into.entry(origin).or_default().extend(kinds);
    }
}

fn flow(into: &mut Flows, more: Flows, role: FlowKind) {
    for (origin, kinds) in more {
        let kinds = kinds.into_iter().map(|kind| kind.through(role));
        into.entry(origin).or_default().extend(kinds);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};
    use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
    use datafusion::datasource::empty::EmptyTable;

    use super::*;
    use crate::session::{CATALOG, session};

    /// `output: column how, ..` a line, then `rows: ..`.
    async fn lineage(sql: &str) -> String {
        let context = session(1 << 24, None).unwrap();
        let schema = Arc::new(MemorySchemaProvider::new());
        for (name, columns) in [("t", ["a", "b", "c"]), ("u", ["a", "x", "y"])] {
            let fields = columns.map(|name| Field::new(name, DataType::Int64, true));
            let table = EmptyTable::new(Arc::new(Schema::new(fields.to_vec())));
            schema.register_table(name.to_owned(), Arc::new(table)).unwrap();
        }
        let catalog = Arc::new(MemoryCatalogProvider::new());
        catalog.register_schema("d", schema).unwrap();
        context.register_catalog(CATALOG, catalog);
        let plan = context.state().create_logical_plan(sql).await.unwrap();
        let lineage = Lineage::of(&plan).unwrap();
        let told = |flows: &Flows| {
            let flows = flows.iter().map(|((object, column), kinds)| {
                let kinds: Vec<String> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
                format!("{object}.{column} {}", kinds.join("+"))
            });
            flows.collect::<Vec<_>>().join(", ")
        };
        let fields = plan.schema().fields().iter().zip(&lineage.direct);
        let mut lines: Vec<String> = fields
            .map(|(field, flows)| format!("{}: {}", field.name(), told(flows)))
            .collect();
        lines.push(format!("rows: {}", told(&lineage.indirect)));
        lines.join("\n")
    }

    #[tokio::test]
    async fn the_kind_of_each_flow_is_told() {
        insta::assert_snapshot!(lineage(
            "SELECT t.a, t.b + 1 AS s, sum(u.x) AS n, count(*) AS z, \
             CASE WHEN t.b > 0 THEN t.a ELSE t.b END AS k \
             FROM d.t t JOIN d.u u ON t.a = u.a WHERE t.c > 1 GROUP BY t.a, t.b HAVING min(u.y) > 2 ORDER BY n"
        ).await, @r"
        a: d.t.a Identity
        s: d.t.b Transformation
        n: d.u.x Aggregation
        z: 
        k: d.t.a Transformation, d.t.b Transformation+Conditional
        rows: d.t.a Join+GroupBy, d.t.b GroupBy, d.t.c Filter, d.u.a Join, d.u.x Sort, d.u.y Filter
        ");
        insta::assert_snapshot!(lineage(
            "WITH w AS (SELECT *, row_number() OVER (PARTITION BY a ORDER BY b) AS v FROM d.t) \
             SELECT a, v, sum(c) FILTER (WHERE b > 1) AS s FROM w WHERE v = 1 GROUP BY a, v"
        ).await, @r"
        a: d.t.a Identity
        v: d.t.a Window, d.t.b Window
        s: d.t.b Conditional, d.t.c Aggregation
        rows: d.t.a GroupBy+Window, d.t.b Window
        ");
        insta::assert_snapshot!(lineage(
            "SELECT DISTINCT a, (SELECT max(x) FROM d.u) AS m FROM d.t UNION ALL SELECT b, c FROM d.t"
        ).await, @r"
        a: d.t.a Identity, d.t.b Identity
        m: d.t.c Identity, d.u.x Aggregation
        rows: d.t.a GroupBy, d.u.x GroupBy
        ");
    }
}
