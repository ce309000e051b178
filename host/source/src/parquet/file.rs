//! One Parquet file: its footer checked and cut down to the columns that are read, and its rows, chunk by chunk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use malla_contract::{Column, Format};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowSelection, RowSelectionPolicy, RowSelector,
};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::reader::Length as _;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use super::pages;
use super::window::{MAGIC, MAGIC_ENCRYPTED, TRAILER, Window};
use crate::decode::{rule, why_not};

/// The longest footer that is read. Those of files with thousands of row groups have some MiB.
const MAX_FOOTER: u64 = 32 << 20;
/// The most rows of a row group: a position must be able to pass over one.
pub(super) const MAX_GROUP: u64 = 1 << 30;
/// Rows that are decoded at once: so many, or as many as have about so many bytes.
const CHUNK_ROWS: u64 = 8192;
const CHUNK_BYTES: u64 = 16 << 20;

/// What is read of files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    columns: Arc<[Column]>,
    /// Where a file has them as they should be.
    more: Arc<[Column]>,
    /// Seconds east of UTC of times that do not say so.
    utc_offset: Option<i32>,
}

impl Wanted {
    pub(crate) fn of(columns: &Arc<[Column]>, format: &Format) -> Self {
        Self {
            columns: Arc::clone(columns),
            more: Arc::default(),
            utc_offset: match format {
                Format::Parquet(parquet) => parquet.utc_offset,
                _ => None,
            },
        }
    }

    pub(crate) fn with_more(self, columns: &Arc<[Column]>) -> Self {
        Self {
            more: Arc::clone(columns),
            ..self
        }
    }
}

/// Why a file, or a row group of it, is not read. No value is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) rule: &'static str,
    pub(crate) message: String,
}

impl Bad {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            rule: rule::INVALID_PARQUET,
            message: message.into(),
        }
    }
}

/// A file whose footer is sound.
pub(crate) struct ParquetFile {
    window: Window,
    /// Only of the columns that are read.
    metadata: ArrowReaderMetadata,
    groups: Vec<Group>,
    rows: u64,
    open: Option<Open>,
}

struct Group {
    /// Number of its first row in the file.
    first: u64,
    rows: u64,
    /// Rows of a chunk, once its pages were looked at.
    chunk: Option<u64>,
}

/// A row group that is being read.
struct Open {
    group: usize,
    /// Row of the group with which the next chunk begins.
    next: u64,
    reader: ParquetRecordBatchReader,
}

/// Rows that were decoded at once. Where chunks begin hangs on the file alone.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) first: u64,
    pub(crate) rows: RecordBatch,
}

impl ParquetFile {
    /// An error has how many rows the file has, as far as one can tell: at least one, the file itself.
    pub(crate) fn open(window: Window, wanted: &Wanted) -> Result<Self, (Bad, u64)> {
        let footer = read_footer(&window).map_err(|bad| (bad, 1))?;
        let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or(1);
        Self::with_footer(window, &footer, wanted).map_err(|bad| (bad, rows.max(1)))
    }

    fn with_footer(window: Window, footer: &ParquetMetaData, wanted: &Wanted) -> Result<Self, Bad> {
        let schema = footer.file_metadata().schema_descr();
        let mut leaves = Vec::new();
        let mut types = Vec::new();
        let mut fields = Vec::new();
        let find = |column: &Column| -> Result<Option<(usize, TypePtr, Field)>, Bad> {
            let Some(leaf) = leaf_of(schema, column)? else {
                return Ok(None);
            };
            let (ty, field) = readable(schema.get_column_root(leaf), column, wanted.utc_offset)?;
            Ok(Some((leaf, ty, field)))
        };
        let own = wanted.columns.iter().map(&find);
        let more = wanted.more.iter().map(|column| Ok(find(column).ok().flatten()));
        for found in own.chain(more) {
            if let Some((leaf, ty, field)) = found? {
                leaves.push(leaf);
                types.push(ty);
                fields.push(field);
            }
        }
        if leaves.is_empty() {
            return Err(Bad {
                rule: rule::MISSING_COLUMN,
                message: "it has none of the contract's columns".to_owned(),
            });
        }
        let mut groups = Vec::with_capacity(footer.num_row_groups());
        let mut rows = 0_u64;
        for (index, group) in footer.row_groups().iter().enumerate() {
            let count = u64::try_from(group.num_rows())
                .ok()
                .filter(|count| *count <= MAX_GROUP)
                .ok_or_else(|| {
                    Bad::new(format!(
                        "row group {} has more rows than {MAX_GROUP}, or fewer than none",
                        index + 1
                    ))
                })?;
            for leaf in &leaves {
                let chunk = group.columns().get(*leaf);
                let reason = chunk.map_or(Some("is not in its footer".to_owned()), |chunk| {
                    misplaced(chunk, window.len())
                });
                if let Some(reason) = reason {
                    let name = schema.get_column_root(*leaf).name();
                    return Err(Bad::new(format!("`{name}` of row group {} {reason}", index + 1)));
                }
            }
            groups.push(Group {
                first: rows,
                rows: count,
                chunk: None,
            });
            rows = rows.saturating_add(count);
        }
        if i64::try_from(rows) != Ok(footer.file_metadata().num_rows()) {
            return Err(Bad::new(
                "its footer says another number of rows for the file than for its row groups",
            ));
        }
        let metadata = cut_down(footer, &leaves, types, fields).map_err(|_| footer_is_broken())?;
        Ok(Self {
            window,
            metadata,
            groups,
            rows,
            open: None,
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether the file is another than when it was opened.
    pub(crate) fn has_changed(&mut self) -> bool {
        if !self.window.was_touched() {
            return false;
        }
        let Ok(now) = self.window.again() else {
            return true;
        };
        let is_same = match (now.fingerprint(), self.window.fingerprint()) {
            (Ok(now), Ok(before)) => now == before,
            _ => false,
        };
        if is_same {
            self.window = now;
        }
        !is_same
    }

    /// The chunk with a row of the file, which it has. An error concerns all from that row to the end of its row group, which is
    /// given with it.
    pub(crate) fn chunk(&mut self, row: u64) -> Result<Chunk, (Bad, u64)> {
        let index = self
            .groups
            .partition_point(|group| group.first.saturating_add(group.rows) <= row);
        let Some(group) = self.groups.get(index) else {
            return Err((Bad::new("there is no such row"), self.rows));
        };
        let (first, rows) = (group.first, group.rows);
        let end = first.saturating_add(rows);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.chunk_of(index, row.saturating_sub(first))
        }));
        match outcome {
            Ok(Some(mut chunk)) => {
                chunk.first = chunk.first.saturating_add(first);
                Ok(chunk)
            }
            Ok(None) | Err(_) => {
                self.open = None;
                let message = format!(
                    "rows {} to {end}, the rest of row group {}, cannot be read: their pages are damaged",
                    row + 1,
                    index + 1
                );
                Err((Bad::new(message), end))
            }
        }
    }

    /// The chunk with a row of a row group, as that numbers them.
    fn chunk_of(&mut self, index: usize, row: u64) -> Option<Chunk> {
        let size = self.chunk_size(index)?;
        let rows = self.groups.get(index)?.rows;
        let first = row - row % size;
        let wanted = size.min(rows.checked_sub(first)?);
        let wanted = usize::try_from(wanted).ok()?;
        let open = match self.open.take() {
            Some(open) if open.group == index && open.next == first => self.open.insert(open),
            _ => {
                let selection = RowSelection::from(vec![
                    RowSelector::skip(usize::try_from(first).ok()?),
                    RowSelector::select(usize::try_from(rows - first).ok()?),
                ]);
                let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(
                    self.window.clone(),
                    self.metadata.clone(),
                )
                .with_row_groups(vec![index])
                .with_batch_size(usize::try_from(size).ok()?)
                .with_row_selection(selection)
                .with_row_selection_policy(RowSelectionPolicy::Selectors)
                .build()
                .ok()?;
                self.open.insert(Open {
                    group: index,
                    next: first,
                    reader,
                })
            }
        };
        let rows = open
            .reader
            .next()?
            .ok()
            .filter(|rows| rows.num_rows() == wanted)?;
        open.next = first + size;
        Some(Chunk { first, rows })
    }

    /// Looks at the pages of a row group, and says how many rows of it are read at once.
    fn chunk_size(&mut self, index: usize) -> Option<u64> {
        let window = &self.window;
        let group = self.groups.get_mut(index)?;
        if group.chunk.is_none() {
            let mut bytes = 0_u64;
            let metadata = self.metadata.metadata();
            for column in metadata.row_groups().get(index)?.columns() {
                bytes = bytes.saturating_add(pages::check(window, column, group.rows)?);
            }
            let fits = group.rows.saturating_mul(CHUNK_BYTES) / bytes.max(1);
            group.chunk = Some(fits.clamp(1, CHUNK_ROWS));
        }
        group.chunk
    }
}

impl std::fmt::Debug for ParquetFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetFile")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

fn read_footer(window: &Window) -> Result<ParquetMetaData, Bad> {
    let len = window.len();
    let word = |at| window.read(at, 4).ok();
    let (Some(head), Some(tail)) = (word(0), len.checked_sub(4).and_then(word)) else {
        return Err(Bad::new("it is too short for a Parquet file"));
    };
    if tail == MAGIC_ENCRYPTED || head == MAGIC_ENCRYPTED {
        return Err(Bad::new(
            "it is encrypted: have it written without encryption; columns that need a mask are sealed here",
        ));
    }
    if head != MAGIC {
        return Err(Bad::new("it does not begin as a Parquet file"));
    }
    if tail != MAGIC {
        return Err(Bad::new(
            "it does not end as a Parquet file: it is cut off, or was written under its last name; have it written under another, \
             such as x.parquet.part, and renamed when it is whole",
        ));
    }
    let length = len
        .checked_sub(TRAILER)
        .and_then(|at| window.read(at, 4).ok())
        .and_then(|length| length.as_ref().try_into().ok().map(u32::from_le_bytes))
        .map(u64::from);
    let length = length.filter(|length| *length <= len.saturating_sub(TRAILER + 4));
    let Some(length) = length else {
        return Err(Bad::new("its footer is longer than the file"));
    };
    if length > MAX_FOOTER {
        return Err(Bad::new(format!(
            "its footer has {length} bytes; at most {MAX_FOOTER} are read"
        )));
    }
    let bytes = window
        .read(len - TRAILER - length, length)
        .map_err(|_| Bad::new("its footer cannot be read"))?;
    catch_unwind(|| ParquetMetaDataReader::decode_metadata(&bytes))
        .ok()
        .and_then(Result::ok)
        .ok_or_else(footer_is_broken)
}

fn footer_is_broken() -> Bad {
    Bad::new("its footer is damaged, or is of a kind that is not known")
}

/// The leaf that is a column of the contract. Columns within others are none.
fn leaf_of(schema: &SchemaDescriptor, column: &Column) -> Result<Option<usize>, Bad> {
    let named = |leaf: &usize| schema.get_column_root(*leaf).name() == column.name;
    let mut found = (0..schema.num_columns()).filter(named);
    let (first, other) = (found.next(), found.next());
    let wrong = |rule, what: &str| Bad {
        rule,
        message: format!("column `{}` {what}", column.name),
    };
    match (first, other) {
        (None, _) if column.required => {
            Err(wrong(rule::MISSING_COLUMN, "is required, and the file has none"))
        }
        (None, _) => Ok(None),
        (Some(leaf), _) if schema.get_column_root(leaf).is_group() => Err(wrong(
            rule::WRONG_TYPE,
            "holds other columns in the file: nested columns are not read",
        )),
        (Some(leaf), _) if schema.column(leaf).max_rep_level() > 0 => Err(wrong(
            rule::WRONG_TYPE,
            "is a list in the file: nested columns are not read",
        )),
        (Some(_), Some(_)) => Err(wrong(rule::INVALID_PARQUET, "is in the file twice")),
        (Some(leaf), None) => Ok(Some(leaf)),
    }
}

/// How a column is read: its type, of which texts lose their annotation since each is looked at here, and the type in Arrow.
fn readable(root: &Type, column: &Column, utc_offset: Option<i32>) -> Result<(TypePtr, Field), Bad> {
    let wrong = |message| Bad {
        rule: rule::WRONG_TYPE,
        message,
    };
    let unknown = || wrong(format!("column `{}` is of a type that is not read", column.name));
    let info = root.get_basic_info();
    let repetition = if root.is_optional() {
        Repetition::OPTIONAL
    } else {
        Repetition::REQUIRED
    };
    let is_text = root.get_physical_type() == Physical::BYTE_ARRAY
        && match (info.logical_type_ref(), info.converted_type()) {
            (Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _) => true,
            (None, converted) => matches!(
                converted,
                ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON
            ),
            _ => false,
        };
    if is_text {
        let ty = Type::primitive_type_builder(root.name(), Physical::BYTE_ARRAY)
            .with_repetition(repetition)
            .build()
            .map_err(|_| unknown())?;
        let field = Field::new(root.name(), DataType::BinaryView, root.is_optional());
        return match why_not(&DataType::BinaryView, column, utc_offset) {
            None => Ok((Arc::new(ty), field)),
            Some(reason) => Err(wrong(reason)),
        };
    }
    let ty: TypePtr = Arc::new(root.clone());
    let inferred = if root.get_physical_type() == Physical::INT96 {
        // In nanoseconds it would end in the year 2262.
        Some(DataType::Timestamp(TimeUnit::Microsecond, None))
    } else {
        catch_unwind(AssertUnwindSafe(|| arrow_type(&ty))).ok().flatten()
    };
    let inferred = inferred.ok_or_else(unknown)?;
    let is_uuid = matches!(info.logical_type_ref(), Some(LogicalType::Uuid));
    if matches!(inferred, DataType::FixedSizeBinary(_)) && !is_uuid {
        return Err(unknown());
    }
    match why_not(&inferred, column, utc_offset) {
        None => Ok((ty, Field::new(root.name(), inferred, root.is_optional()))),
        Some(reason) => Err(wrong(reason)),
    }
}

/// What the parquet crate makes of a column.
fn arrow_type(column: &TypePtr) -> Option<DataType> {
    let schema = schema_of(vec![Arc::clone(column)]).ok()?;
    let schema = parquet_to_arrow_schema(&schema, None).ok()?;
    schema.fields().first().map(|field| field.data_type().clone())
}

fn schema_of(columns: Vec<TypePtr>) -> Result<SchemaDescriptor, ParquetError> {
    let root = Type::group_type_builder("schema").with_fields(columns).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// Why a column's bytes cannot be where its footer says.
fn misplaced(chunk: &ColumnChunkMetaData, len: u64) -> Option<String> {
    if chunk.file_path().is_some() {
        return Some("is in another file".to_owned());
    }
    if matches!(chunk.compression(), Compression::LZO) {
        return Some("is compressed by LZO, which is not read: use zstd or snappy".to_owned());
    }
    let start = chunk
        .dictionary_page_offset()
        .unwrap_or_else(|| chunk.data_page_offset());
    let place = u64::try_from(start)
        .ok()
        .zip(u64::try_from(chunk.compressed_size()).ok());
    let end = place.and_then(|(start, size)| start.checked_add(size));
    let is_within = end.is_some_and(|end| end <= len) && chunk.data_page_offset() >= 0;
    (!is_within).then(|| "is not within the file: the footer lies, or the file is cut off".to_owned())
}

/// The footer with the columns that are read, and no others.
fn cut_down(
    footer: &ParquetMetaData,
    leaves: &[usize],
    types: Vec<TypePtr>,
    fields: Vec<Field>,
) -> Result<ArrowReaderMetadata, ParquetError> {
    let schema = Arc::new(schema_of(types)?);
    let groups = footer
        .row_groups()
        .iter()
        .map(|group| {
            let columns = leaves
                .iter()
                .filter_map(|leaf| group.columns().get(*leaf).cloned());
            RowGroupMetaData::builder(Arc::clone(&schema))
                .set_num_rows(group.num_rows())
                .set_total_byte_size(group.total_byte_size())
                .set_column_metadata(columns.collect())
                .build()
        })
        .collect::<Result<Vec<_>, _>>()?;
    let all = footer.file_metadata();
    let file = FileMetaData::new(all.version(), all.num_rows(), None, None, schema, None);
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(Fields::from(fields))));
    catch_unwind(AssertUnwindSafe(|| {
        ArrowReaderMetadata::try_new(Arc::new(ParquetMetaData::new(file, groups)), options)
    }))
    .unwrap_or_else(|_| Err(ParquetError::General("a footer that cannot be".to_owned())))
}
