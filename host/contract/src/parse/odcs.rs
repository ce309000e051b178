//! The fields of the Open Data Contract Standard v3.1.0 (from its JSON schema, which a test compares with these
//! tables), and those of Malla's own properties.

use crate::Format;
use crate::parse::functions::FUNCTION;
pub(crate) use crate::parse::servers::SERVERS;
use crate::parse::shape::{Field, Object, Shape, may, must};

const TAGS: Shape = Shape::Texts;
const CUSTOM: Shape = Shape::Custom { top: false };
const DEFINITIONS: Shape = Shape::List(&Shape::Map(&DEFINITION));

pub(super) const fn object(what: &'static str, fields: &'static [Field]) -> Object {
    Object {
        what,
        fields,
        open: false,
    }
}

pub(crate) static CONTRACT: Object = object(
    "a contract",
    &[
        must("version", Shape::Text),
        must("apiVersion", Shape::Text),
        must("kind", Shape::Words(&["DataContract"])),
        must("id", Shape::Text),
        must("status", Shape::Text),
        may("name", Shape::Text),
        may("tenant", Shape::Text),
        may("tags", TAGS),
        may("servers", Shape::List(&Shape::Server)),
        may("dataProduct", Shape::Text),
        may("description", Shape::Map(&DESCRIPTION)),
        may("domain", Shape::Text),
        may("schema", Shape::List(&Shape::Map(&TABLE))),
        may("support", Shape::List(&Shape::Map(&SUPPORT))),
        may("price", Shape::Map(&PRICE)),
        may("team", Shape::Team),
        may("roles", Shape::List(&Shape::Map(&ROLE))),
        may("slaDefaultElement", Shape::Text),
        may("slaProperties", Shape::List(&Shape::Map(&SLA))),
        may("authoritativeDefinitions", DEFINITIONS),
        may("customProperties", Shape::Custom { top: true }),
        may("contractCreatedTs", Shape::Text),
    ],
);

pub(crate) static DESCRIPTION: Object = Object {
    what: "a description",
    fields: &[
        may("usage", Shape::Text),
        may("purpose", Shape::Text),
        may("limitations", Shape::Text),
        may("authoritativeDefinitions", DEFINITIONS),
        may("customProperties", CUSTOM),
    ],
    open: true,
};

pub(crate) static TABLE: Object = object(
    "a schema object",
    &[
        must("name", Shape::Text),
        may("id", Shape::Id),
        may("logicalType", Shape::Words(&["object"])),
        may("physicalType", Shape::Text),
        may("physicalName", Shape::Text),
        may("description", Shape::Text),
        may("businessName", Shape::Text),
        may("dataGranularityDescription", Shape::Text),
        may("properties", Shape::List(&Shape::Property(&COLUMN))),
        may("relationships", Shape::List(&Shape::Map(&TABLE_RELATIONSHIP))),
        may("quality", Shape::List(&Shape::Quality)),
        may("tags", TAGS),
        may("authoritativeDefinitions", DEFINITIONS),
        may("customProperties", CUSTOM),
    ],
);

macro_rules! column_fields {
    ($name:expr) => {
        &[
            $name,
            may("id", Shape::Id),
            may("logicalType", Shape::Text),
            may("physicalType", Shape::Text),
            may("physicalName", Shape::Text),
            may("description", Shape::Text),
            may("businessName", Shape::Text),
            may("required", Shape::Truth),
            may("unique", Shape::Truth),
            may("primaryKey", Shape::Truth),
            may("primaryKeyPosition", Shape::Integer),
            may("partitioned", Shape::Truth),
            may("partitionKeyPosition", Shape::Integer),
            may("classification", Shape::Text),
            may("tags", TAGS),
            may("logicalTypeOptions", Shape::AnyMap),
            may("encryptedName", Shape::Text),
            may("criticalDataElement", Shape::Truth),
            may("transformSourceObjects", Shape::Texts),
            may("transformLogic", Shape::Text),
            may("transformDescription", Shape::Text),
            may("examples", Shape::List(&Shape::Any)),
            may("relationships", Shape::List(&Shape::Map(&COLUMN_RELATIONSHIP))),
            may("quality", Shape::List(&Shape::Quality)),
            may("authoritativeDefinitions", DEFINITIONS),
            may("customProperties", CUSTOM),
            may("properties", Shape::List(&Shape::Property(&COLUMN))),
            may("items", Shape::Property(&ITEM)),
        ]
    };
}

pub(crate) static COLUMN: Object = object("a column", column_fields!(must("name", Shape::Text)));
pub(crate) static ITEM: Object = object("an item", column_fields!(may("name", Shape::Text)));

macro_rules! options {
    ($what:literal, $bound:expr, $($field:expr),+ $(,)?) => {
        object(
            $what,
            &[
                may("minimum", $bound),
                may("maximum", $bound),
                may("exclusiveMinimum", $bound),
                may("exclusiveMaximum", $bound),
                $($field),+
            ],
        )
    };
}

/// `logicalTypeOptions` by `logicalType`.
pub(crate) static OPTIONS: [(&[&str], Object); 8] = [
    (
        &["string"],
        object(
            "options of a string",
            &[
                may("minLength", Shape::Integer),
                may("maxLength", Shape::Integer),
                may("pattern", Shape::Text),
                may("format", Shape::Text),
            ],
        ),
    ),
    (
        &["date"],
        options!("options of a date", Shape::Text, may("format", Shape::Text)),
    ),
    (
        &["timestamp", "time"],
        options!(
            "options of a timestamp",
            Shape::Text,
            may("format", Shape::Text),
            may("timezone", Shape::Truth),
            may("defaultTimezone", Shape::Text),
        ),
    ),
    (
        &["integer"],
        options!(
            "options of an integer",
            Shape::Number,
            may("multipleOf", Shape::Number),
            may(
                "format",
                Shape::Words(&[
                    "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128"
                ]),
            ),
        ),
    ),
    (
        &["number"],
        options!(
            "options of a number",
            Shape::Number,
            may("multipleOf", Shape::Number),
            may("format", Shape::Words(&["f32", "f64"])),
        ),
    ),
    (
        &["object"],
        object(
            "options of an object",
            &[
                may("minProperties", Shape::Integer),
                may("maxProperties", Shape::Integer),
                may("required", Shape::Texts),
            ],
        ),
    ),
    (
        &["array"],
        object(
            "options of an array",
            &[
                may("minItems", Shape::Integer),
                may("maxItems", Shape::Integer),
                may("uniqueItems", Shape::Truth),
            ],
        ),
    ),
    (
        &["boolean"],
        Object {
            what: "options of a boolean",
            fields: &[],
            open: true,
        },
    ),
];

pub(crate) const DIMENSIONS: &[&str] = &[
    "accuracy",
    "completeness",
    "conformity",
    "consistency",
    "coverage",
    "timeliness",
    "uniqueness",
];

pub(crate) static QUALITY: Object = object(
    "a quality check",
    &[
        may("id", Shape::Id),
        may("name", Shape::Text),
        may("description", Shape::Text),
        may("type", Shape::Words(&["text", "library", "sql", "custom"])),
        may("dimension", Shape::Words(DIMENSIONS)),
        may("method", Shape::Text),
        may("severity", Shape::Text),
        may("businessImpact", Shape::Text),
        may("schedule", Shape::Text),
        may("scheduler", Shape::Text),
        may("unit", Shape::Text),
        may("tags", TAGS),
        may("authoritativeDefinitions", DEFINITIONS),
        may("customProperties", CUSTOM),
    ],
);

pub(crate) static QUALITY_LIBRARY: Object = object(
    "a quality check of type `library`",
    &[
        must(
            "metric",
            Shape::Words(&[
                "nullValues",
                "missingValues",
                "invalidValues",
                "duplicateValues",
                "rowCount",
            ]),
        ),
        may("rule", Shape::Text),
        may("arguments", Shape::AnyMap),
    ],
);

pub(crate) static QUALITY_SQL: Object =
    object("a quality check of type `sql`", &[must("query", Shape::Text)]);

pub(crate) static QUALITY_CUSTOM: Object = object(
    "a quality check of type `custom`",
    &[
        must("engine", Shape::Text),
        must("implementation", Shape::TextOrMap),
    ],
);

pub(crate) static QUALITY_OPERATORS: Object = object(
    "a comparison",
    &[
        may("mustBe", Shape::Any),
        may("mustNotBe", Shape::Any),
        may("mustBeGreaterThan", Shape::Number),
        may("mustBeGreaterOrEqualTo", Shape::Number),
        may("mustBeLessThan", Shape::Number),
        may("mustBeLessOrEqualTo", Shape::Number),
        may("mustBeBetween", Shape::Between),
        may("mustNotBeBetween", Shape::Between),
    ],
);

pub(crate) static TABLE_RELATIONSHIP: Object = object(
    "a relationship",
    &[
        may("type", Shape::Words(&["foreignKey"])),
        must("from", Shape::TextOrTexts),
        must("to", Shape::TextOrTexts),
        may("customProperties", CUSTOM),
    ],
);

pub(crate) static COLUMN_RELATIONSHIP: Object = object(
    "a relationship of a column",
    &[
        may("type", Shape::Words(&["foreignKey"])),
        must("to", Shape::TextOrTexts),
        may("customProperties", CUSTOM),
    ],
);

pub(crate) static DEFINITION: Object = object(
    "a definition",
    &[
        must("url", Shape::Text),
        must("type", Shape::Text),
        may("id", Shape::Id),
        may("description", Shape::Text),
    ],
);

pub(crate) static CUSTOM_PROPERTY: Object = object(
    "a custom property",
    &[
        must("property", Shape::Text),
        must("value", Shape::Any),
        may("id", Shape::Id),
        may("description", Shape::Text),
    ],
);

pub(crate) static SUPPORT: Object = object(
    "a support channel",
    &[
        must("channel", Shape::Text),
        may("id", Shape::Id),
        may("url", Shape::Text),
        may("description", Shape::Text),
        may("tool", Shape::Text),
        may("scope", Shape::Text),
        may("invitationUrl", Shape::Text),
        may("customProperties", CUSTOM),
    ],
);

pub(crate) static PRICE: Object = object(
    "a price",
    &[
        may("id", Shape::Id),
        may("priceAmount", Shape::Number),
        may("priceCurrency", Shape::Text),
        may("priceUnit", Shape::Text),
    ],
);

pub(crate) static TEAM: Object = object(
    "a team",
    &[
        may("id", Shape::Id),
        may("name", Shape::Text),
        may("description", Shape::Text),
        may("members", Shape::List(&Shape::Map(&TEAM_MEMBER))),
        may("tags", TAGS),
        may("authoritativeDefinitions", DEFINITIONS),
        may("customProperties", CUSTOM),
    ],
);

pub(crate) static TEAM_MEMBER: Object = object(
    "a team member",
    &[
        must("username", Shape::Text),
        may("id", Shape::Id),
        may("name", Shape::Text),
        may("description", Shape::Text),
        may("role", Shape::Text),
        may("dateIn", Shape::Text),
        may("dateOut", Shape::Text),
        may("replacedByUsername", Shape::Text),
        may("tags", TAGS),
        may("authoritativeDefinitions", DEFINITIONS),
        may("customProperties", CUSTOM),
    ],
);

pub(crate) static ROLE: Object = object(
    "a role",
    &[
        must("role", Shape::Text),
        may("id", Shape::Id),
        may("description", Shape::Text),
        may("access", Shape::Text),
        may("firstLevelApprovers", Shape::Text),
        may("secondLevelApprovers", Shape::Text),
        may("customProperties", CUSTOM),
    ],
);

pub(crate) static SLA: Object = object(
    "a service level",
    &[
        must("property", Shape::Text),
        must("value", Shape::Scalar),
        may("id", Shape::Id),
        may("valueExt", Shape::Scalar),
        may("unit", Shape::Text),
        may("element", Shape::Text),
        may("driver", Shape::Text),
        may("description", Shape::Text),
        may("scheduler", Shape::Text),
        may("schedule", Shape::Text),
    ],
);

/// What servers of every type have.
pub(crate) static SERVER: Object = object(
    "a server",
    &[
        must("server", Shape::Text),
        must("type", Shape::Text),
        may("id", Shape::Id),
        may("description", Shape::Text),
        may("environment", Shape::Text),
        may("roles", Shape::List(&Shape::Map(&ROLE))),
        may("customProperties", CUSTOM),
    ],
);

/// Malla's own properties, in the `customProperties` of a contract.
pub(crate) static MALLA: [(&str, Shape); 6] = [
    ("mallaSources", Shape::List(&Shape::Map(&MALLA_SOURCE))),
    ("mallaSteps", Shape::List(&Shape::Map(&MALLA_STEP))),
    ("mallaGold", Shape::List(&Shape::Map(&MALLA_GOLD))),
    ("mallaFunctions", Shape::List(&Shape::Map(&FUNCTION))),
    ("mallaLookups", Shape::List(&Shape::Map(&MALLA_LOOKUP))),
    ("mallaPurpose", Shape::Text),
];

pub(crate) static MALLA_SOURCE: Object = object(
    "a source",
    &[
        must("name", Shape::Text),
        must("schema", Shape::Text),
        may("eventTime", Shape::Text),
        may("format", Shape::Words(&Format::WORDS)),
        may("csv", Shape::Map(&MALLA_CSV)),
        may("avro", Shape::Map(&MALLA_AVRO)),
        may("protobuf", Shape::Map(&MALLA_PROTOBUF)),
        may("parquet", Shape::Map(&MALLA_PARQUET)),
    ],
);

static MALLA_CSV: Object = object(
    "the CSV format",
    &[
        may("delimiter", Shape::Text),
        may("quote", Shape::Text),
        may("header", Shape::Truth),
        may("null", Shape::Text),
        may("decimal", Shape::Text),
        may("thousands", Shape::Text),
        may("encoding", Shape::Words(&["utf-8", "latin1", "windows-1252"])),
        may("dateFormat", Shape::Text),
        may("utcOffset", Shape::Text),
    ],
);

static MALLA_AVRO: Object = object("the Avro format", &[may("schema", Shape::Text)]);

static MALLA_PROTOBUF: Object = object(
    "the Protobuf format",
    &[must("message", Shape::Text), must("descriptors", Shape::Text)],
);

static MALLA_PARQUET: Object = object("the Parquet format", &[may("utcOffset", Shape::Text)]);

pub(crate) static MALLA_STEP: Object = object(
    "a step",
    &[
        must("name", Shape::Text),
        must("source", Shape::Text),
        must("product", Shape::Text),
        must("reads", Shape::Texts),
        may("rules", Shape::Texts),
    ],
);

pub(crate) static MALLA_GOLD: Object = object(
    "a gold product",
    &[must("product", Shape::Text), must("sql", Shape::Text)],
);

pub(crate) static MALLA_LOOKUP: Object = object(
    "a lookup",
    &[must("name", Shape::Text), must("entries", Shape::Entries)],
);
