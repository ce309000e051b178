//! Rows sorted into the folders where they belong.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, UInt32Array};
use arrow_row::{RowConverter, SortField};
use arrow_select::take::take_record_batch;
use deltalake::Path;
use deltalake::datafile::writer::PartitionWriterConfig;
use deltalake::kernel::scalars::ScalarExt;

use crate::shape::Shape;
use crate::{LakeError, TableId, WriterConfig};

/// Rows the encoder takes at a time, between two looks at the file's size.
pub(crate) const SLICE_ROWS: usize = 32 * 1024;

/// File systems allow 255 bytes for a folder's name.
const LONGEST_FOLDER: usize = 200;

/// The rows of one partition, in the order in which they came, without their partition columns.
pub(crate) struct Part {
    pub(crate) config: PartitionWriterConfig,
    pub(crate) batches: Vec<RecordBatch>,
}

/// Sorts rows into partitions: one pass over the partition columns, one `take` a partition and batch.
pub(crate) fn split(
    table: &TableId,
    shape: &Shape,
    config: &WriterConfig,
    batches: &[RecordBatch],
) -> Result<Vec<Part>, LakeError> {
    let mut batches = batches.iter().filter(|batch| batch.num_rows() > 0).peekable();
    if batches.peek().is_none() {
        return Ok(Vec::new());
    }
    let mut splitter = Splitter::new(table, shape, config)?;
    for batch in batches {
        splitter.add(batch)?;
    }
    Ok(splitter.parts)
}

struct Splitter<'a> {
    table: &'a TableId,
    shape: &'a Shape,
    config: &'a WriterConfig,
    /// Places of the partition columns, and of those that stay.
    keys: Vec<usize>,
    rest: Vec<usize>,
    converter: RowConverter,
    places: HashMap<Box<[u8]>, usize>,
    parts: Vec<Part>,
}

impl<'a> Splitter<'a> {
    fn new(table: &'a TableId, shape: &'a Shape, config: &'a WriterConfig) -> Result<Self, LakeError> {
        let keys = shape
            .partition_by
            .iter()
            .map(|name| shape.schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()?;
        let rest = shape
            .file_schema
            .fields()
            .iter()
            .map(|field| shape.schema.index_of(field.name()))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = keys
            .iter()
            .map(|&key| SortField::new(shape.schema.field(key).data_type().clone()))
            .collect();
        Ok(Self {
            table,
            shape,
            config,
            keys,
            rest,
            converter: RowConverter::new(fields)?,
            places: HashMap::new(),
            parts: Vec::new(),
        })
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let rest = batch.project(&self.rest)?;
        // The projection keeps the batch's own schema instance; the writer compares with ours.
        let rest = RecordBatch::try_new(Arc::clone(&self.shape.file_schema), rest.columns().to_vec())?;
        let rows = self.place_rows(batch)?;
        for (place, indices) in rows {
            let whole = indices.len() == batch.num_rows();
            let piece = if whole {
                rest.clone()
            } else {
                take_record_batch(&rest, &UInt32Array::from(indices))?
            };
            if let Some(part) = self.parts.get_mut(place) {
                part.batches.push(piece);
            }
        }
        Ok(())
    }

    /// For each partition that the batch touches, the rows that belong there.
    fn place_rows(&mut self, batch: &RecordBatch) -> Result<Vec<(usize, Vec<u32>)>, LakeError> {
        let count = u32::try_from(batch.num_rows()).map_err(|_| LakeError::Commit {
            table: self.table.clone(),
            reason: "a batch has more than 4 billion rows".into(),
        })?;
        if self.keys.is_empty() {
            if self.parts.is_empty() {
                self.open(batch, 0)?;
            }
            return Ok(vec![(0, (0..count).collect())]);
        }
        let columns: Vec<_> = batch.project(&self.keys)?.columns().to_vec();
        let rows = self.converter.convert_columns(&columns)?;
        let mut touched: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut slots: HashMap<usize, usize> = HashMap::new();
        // Neighbours are often of one partition: look up only where the key changes.
        let mut last: Option<(&[u8], usize)> = None;
        for (row, index) in rows.iter().zip(0..count) {
            let key = row.data();
            let slot = match last {
                Some((known, slot)) if known == key => slot,
                _ => {
                    let place = match self.places.get(key) {
                        Some(place) => *place,
                        None => {
                            let place = self.open(batch, index as usize)?;
                            self.places.insert(key.into(), place);
                            place
                        }
                    };
                    *slots.entry(place).or_insert_with(|| {
                        touched.push((place, Vec::new()));
                        touched.len() - 1
                    })
                }
            };
            last = Some((key, slot));
            if let Some((_, indices)) = touched.get_mut(slot) {
                indices.push(index);
            }
        }
        Ok(touched)
    }

    /// A new partition, with the values that a row has.
    fn open(&mut self, batch: &RecordBatch, row: usize) -> Result<usize, LakeError> {
        let mut values = Vec::with_capacity(self.keys.len());
        for (&key, name) in self.keys.iter().zip(&self.shape.partition_by) {
            let column = batch.column(key);
            let value = ScalarExt::from_array(column.as_ref(), row).ok_or_else(|| LakeError::Spec {
                table: self.table.clone(),
                reason: format!(
                    "column `{name}` is {} and cannot partition a table",
                    column.data_type()
                ),
            })?;
            values.push((name.clone(), value));
        }
        let folder = folder(&values);
        let config = PartitionWriterConfig::try_new(
            Arc::clone(&self.shape.file_schema),
            values.into_iter().collect(),
            Some(self.shape.properties.clone()),
            Some(self.config.target_file_bytes),
            Some(SLICE_ROWS),
            None,
            folder,
        )
        .map_err(LakeError::delta(self.table))?;
        self.parts.push(Part {
            config,
            batches: Vec::new(),
        });
        Ok(self.parts.len() - 1)
    }
}

/// The folder of a partition whose values make too long a name. Readers take partition values from the log; the folder's
/// name is for people.
pub(crate) fn folder<S: ScalarExt>(values: &[(String, S)]) -> Option<Path> {
    values
        .iter()
        .any(|(name, value)| name.len() + value.serialize_encoded().len() > LONGEST_FOLDER)
        .then(|| Path::from("long-partition-values"))
}
