//! The text of an Avro schema to what reading by it needs. Specification: Apache Avro 1.12, "Schema Declaration".

use std::collections::HashMap;

use serde_json::{Map, Value};

/// A record schema, with all records that it names.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The first is that of a message.
    records: Vec<Vec<Field>>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(Box<Type>),
    Map(Box<Type>),
    Union(Vec<Type>),
    /// Index of the record, which may hold itself.
    Record(usize),
    /// Two's complement, the highest byte first: in so many bytes, or with their count.
    Decimal {
        size: Option<usize>,
        scale: u32,
    },
    Date,
    Timestamp(Unit),
    /// In 16 bytes; as text it is a text.
    Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Schema {
    /// Reads a schema. An error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let mut parser = Parser::default();
        match parser.ty(&json, "")? {
            Type::Record(0) => {}
            _ => return Err("not the schema of a record".into()),
        }
        Ok(Self {
            records: parser
                .records
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect(),
        })
    }

    /// The fields of a message.
    pub(crate) fn fields(&self) -> &[Field] {
        self.record(0)
    }

    pub(crate) fn record(&self, index: usize) -> &[Field] {
        self.records.get(index).map_or(&[], Vec::as_slice)
    }
}

#[derive(Default)]
struct Parser {
    /// `None`: being read.
    records: Vec<Option<Vec<Field>>>,
    /// By full name.
    named: HashMap<String, Type>,
}

impl Parser {
    fn ty(&mut self, json: &Value, space: &str) -> Result<Type, String> {
        match json {
            Value::String(name) => self.by_name(name, space),
            Value::Array(branches) => {
                let branches: Result<Vec<Type>, String> =
                    branches.iter().map(|branch| self.ty(branch, space)).collect();
                let branches = branches?;
                if branches.is_empty() || branches.iter().any(|branch| matches!(branch, Type::Union(_))) {
                    return Err("a union that is empty, or holds a union".into());
                }
                Ok(Type::Union(branches))
            }
            Value::Object(object) => self.object(object, space),
            _ => Err("a type that is neither a name, a list nor an object".into()),
        }
    }

    fn by_name(&self, name: &str, space: &str) -> Result<Type, String> {
        Ok(match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "int" => Type::Int,
            "long" => Type::Long,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::Text,
            _ => self
                .named
                .get(&full_name(name, space))
                .or_else(|| self.named.get(name))
                .cloned()
                .ok_or_else(|| format!("no type `{}`", name.escape_default()))?,
        })
    }

    fn object(&mut self, object: &Map<String, Value>, space: &str) -> Result<Type, String> {
        let part = |name: &str| object.get(name).ok_or_else(|| format!("a type without `{name}`"));
        let kind = match part("type")? {
            Value::String(kind) => kind.as_str(),
            // `{"type": {"type": "string"}}`
            nested => return self.ty(nested, space),
        };
        match kind {
            "array" => Ok(Type::Array(Box::new(self.ty(part("items")?, space)?))),
            "map" => Ok(Type::Map(Box::new(self.ty(part("values")?, space)?))),
            "record" | "error" => {
                let (name, space) = declared(object, space)?;
                let index = self.records.len();
                self.records.push(None);
                self.declare(name, Type::Record(index))?;
                let mut fields = Vec::new();
                for field in part("fields")?.as_array().into_iter().flatten() {
                    let name = field.get("name").and_then(Value::as_str);
                    let name = name.ok_or("a field without `name`")?.to_owned();
                    let ty = field.get("type").ok_or("a field without `type`")?;
                    let ty = self.ty(ty, &space)?;
                    fields.push(Field { name, ty });
                }
                if let Some(record) = self.records.get_mut(index) {
                    *record = Some(fields);
                }
                Ok(Type::Record(index))
            }
            "enum" => {
                let (name, _) = declared(object, space)?;
                let symbols = part("symbols")?.as_array().into_iter().flatten();
                let symbols = symbols.filter_map(Value::as_str).map(str::to_owned).collect();
                self.declare(name, Type::Enum(symbols))
            }
            "fixed" => {
                let (name, _) = declared(object, space)?;
                let size = part("size")?.as_u64().and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or("a fixed type without a size")?;
                self.declare(name, logical(object, Type::Fixed(size)))
            }
            name => Ok(logical(object, self.by_name(name, space)?)),
        }
    }

    fn declare(&mut self, name: String, ty: Type) -> Result<Type, String> {
        if self.named.contains_key(&name) {
            return Err(format!("type `{}` is there twice", name.escape_default()));
        }
        self.named.insert(name, ty.clone());
        Ok(ty)
    }
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() {
        name.to_owned()
    } else {
        format!("{space}.{name}")
    }
}

/// The full name that a type declares, and the name space within it.
fn declared(object: &Map<String, Value>, space: &str) -> Result<(String, String), String> {
    let name = object
        .get("name")
        .and_then(Value::as_str)
        .ok_or("a named type without `name`")?;
    let space = object.get("namespace").and_then(Value::as_str).unwrap_or(space);
    let full = full_name(name, space);
    let space = full
        .rsplit_once('.')
        .map_or(String::new(), |(space, _)| space.to_owned());
    Ok((full, space))
}

/// What a logical type makes of a type. One that is unknown or does not fit is passed over, as the specification says.
fn logical(object: &Map<String, Value>, ty: Type) -> Type {
    let number = |name: &str| object.get(name).and_then(Value::as_u64);
    let word = object.get("logicalType").and_then(Value::as_str);
    match (word, &ty) {
        (Some("decimal"), Type::Bytes | Type::Fixed(_)) => {
            let scale = u32::try_from(number("scale").unwrap_or(0)).unwrap_or(u32::MAX);
            let fits =
                number("precision").is_some_and(|precision| precision >= u64::from(scale) && precision > 0);
            let size = match ty {
                Type::Fixed(size) => Some(size),
                _ => None,
            };
            if fits { Type::Decimal { size, scale } } else { ty }
        }
        (Some("date"), Type::Int) => Type::Date,
        (Some("timestamp-millis"), Type::Long) => Type::Timestamp(Unit::Millis),
        (Some("timestamp-micros"), Type::Long) => Type::Timestamp(Unit::Micros),
        (Some("timestamp-nanos"), Type::Long) => Type::Timestamp(Unit::Nanos),
        (Some("uuid"), Type::Fixed(16)) => Type::Uuid,
        _ => ty,
    }
}
