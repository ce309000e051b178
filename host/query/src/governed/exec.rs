//! The node of a plan behind which nothing raw is to be had: it drops the rows and hides the columns that policy says.
//!
//! It is a barrier. To the planner it is a leaf, so nothing is moved below it: what a query asks is computed on what the
//! node gives out. Otherwise an error, such as a division by zero in a condition, would tell of rows and values that the
//! principal may not see. Nor does EXPLAIN look below it, where the names of files tell partition values.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::filter::filter_record_batch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{Stream, StreamExt};
use malla_contract::ColumnType;
use malla_privacy::{Masker, Opener, TokenTranslator};

/// How a column of the input comes out.
#[derive(Clone)]
pub(crate) enum Show {
    /// As it is stored.
    Plain,
    /// Hidden.
    Masked(Masker),
    /// Tokens that were made when they were written: those of older keys become current ones, so that they join; what is
    /// no token becomes one.
    Tokens {
        translator: Box<TokenTranslator>,
        masker: Masker,
    },
    /// Nothing, whatever is stored.
    Null,
    /// Sealed in the table: opened, and then hidden unless the principal may see the raw value.
    Opened {
        /// Opens values of this table.
        opener: Box<Opener>,
        /// The name that it was sealed under.
        name: String,
        /// What it was before it was sealed.
        ty: ColumnType,
        /// Bytes as they came, shown as text.
        bytes: bool,
        then: Option<Masker>,
    },
}

/// One column that comes out.
#[derive(Clone)]
pub(crate) struct Output {
    /// Place in the input of the node.
    pub(crate) index: usize,
    /// Type that comes out.
    pub(crate) ty: DataType,
    pub(crate) show: Show,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct GovernedExec {
    input: Arc<dyn ExecutionPlan>,
    /// True for the rows that the principal may see. Computed on stored values, before anything is hidden.
    rows: Option<Arc<dyn PhysicalExpr>>,
    outputs: Vec<Output>,
    /// What EXPLAIN tells.
    rules: Arc<str>,
    properties: Arc<PlanProperties>,
}

impl GovernedExec {
    pub(crate) fn new(
        input: Arc<dyn ExecutionPlan>,
        rows: Option<Arc<dyn PhysicalExpr>>,
        outputs: Vec<Output>,
        schema: SchemaRef,
        rules: Arc<str>,
    ) -> Self {
        let from = input.properties();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            datafusion::physical_expr::Partitioning::UnknownPartitioning(from.partitioning.partition_count()),
            from.emission_type,
            from.boundedness,
        ));
        Self {
            input,
            rows,
            outputs,
            rules,
            properties,
        }
    }

    fn schema_ref(&self) -> SchemaRef {
        Arc::clone(self.properties.eq_properties.schema())
    }
}

impl fmt::Debug for GovernedExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GovernedExec")
            .field("input", &self.input)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for GovernedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GovernedExec: {}", self.rules)
    }
}

impl ExecutionPlan for GovernedExec {
    fn name(&self) -> &'static str {
        "GovernedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Governed {
            input: self.input.execute(partition, context)?,
            rows: self.rows.clone(),
            outputs: self.outputs.clone(),
            schema: self.schema_ref(),
        }))
    }
}

/// The rows of one partition.
struct Governed {
    input: SendableRecordBatchStream,
    rows: Option<Arc<dyn PhysicalExpr>>,
    outputs: Vec<Output>,
    schema: SchemaRef,
}

impl Governed {
    fn govern(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let batch = match &self.rows {
            Some(rows) => {
                let seen = rows.evaluate(&batch)?.into_array(batch.num_rows())?;
                filter_record_batch(&batch, seen.as_boolean())?
            }
            None => batch,
        };
        let columns = self
            .outputs
            .iter_mut()
            .map(|output| output.show(&batch))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.schema),
            columns,
            &options,
        )?)
    }
}

impl Output {
    fn show(&mut self, batch: &RecordBatch) -> Result<ArrayRef> {
        let column = batch.columns().get(self.index).ok_or_else(not_shown)?;
        match &mut self.show {
            Show::Plain => Ok(Arc::clone(column)),
            Show::Masked(masker) => hide(masker, column),
            Show::Tokens { translator, masker } => {
                let tokens = fitted(masker, column)?;
                hide(masker, &translator.apply(&tokens).map_err(|_| not_shown())?)
            }
            Show::Null => Ok(new_null_array(&self.ty, column.len())),
            Show::Opened {
                opener,
                name,
                ty,
                bytes,
                then,
            } => {
                let sealed = arrow_cast::cast(column, &DataType::Binary).map_err(|_| not_shown())?;
                let sealed = sealed.as_binary();
                let opened = if *bytes {
                    open_lines(opener, name, sealed)?
                } else {
                    opener.open_column(name, sealed, *ty).map_err(|_| not_shown())?
                };
                match then {
                    Some(masker) => hide(masker, &opened),
                    None => Ok(opened),
                }
            }
        }
    }
}

/// Lines as they came. What is not UTF-8 in them becomes the replacement character.
fn open_lines(opener: &mut Opener, name: &str, sealed: &BinaryArray) -> Result<ArrayRef> {
    let lines = sealed
        .iter()
        .map(|line| line.map(|line| opener.open_bytes(name, line)).transpose())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| not_shown())?;
    let texts = lines
        .iter()
        .map(|line| line.as_ref().map(|line| String::from_utf8_lossy(line)));
    Ok(Arc::new(StringArray::from_iter(texts)))
}

fn hide(masker: &Masker, column: &ArrayRef) -> Result<ArrayRef> {
    let (hidden, _) = masker.apply(&fitted(masker, column)?).map_err(|_| not_shown())?;
    Ok(hidden)
}

/// How the engine packs values is its own affair; masks know the types of contracts.
fn fitted(masker: &Masker, column: &ArrayRef) -> Result<ArrayRef> {
    if column.data_type() == masker.data_type() {
        return Ok(Arc::clone(column));
    }
    arrow_cast::cast(column, masker.data_type()).map_err(|_| not_shown())
}

/// Fails closed, and says nothing of the value.
fn not_shown() -> DataFusionError {
    DataFusionError::External(Box::new(NotShown))
}

/// A column could not be opened or hidden.
#[derive(Debug, thiserror::Error)]
#[error("a column could not be opened or hidden as policy demands")]
pub(crate) struct NotShown;

impl Stream for Governed {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.input
            .poll_next_unpin(context)
            .map(|next| next.map(|batch| batch.and_then(|batch| self.govern(batch))))
    }
}

impl RecordBatchStream for Governed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
