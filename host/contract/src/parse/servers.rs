//! Server types of ODCS v3.1.0 and their fields: all are text, but `port` is a whole number.

pub(crate) struct ServerKind {
    /// The word in `type`.
    pub(crate) kind: &'static str,
    pub(crate) must: &'static [&'static str],
    pub(crate) may: &'static [&'static str],
}

const fn server(
    kind: &'static str,
    must: &'static [&'static str],
    may: &'static [&'static str],
) -> ServerKind {
    ServerKind { kind, must, may }
}

pub(crate) static SERVERS: [ServerKind; 34] = [
    server("api", &["location"], &[]),
    server("athena", &["stagingDir", "schema"], &["catalog", "regionName"]),
    server("azure", &["location", "format"], &["delimiter"]),
    server("bigquery", &["project", "dataset"], &[]),
    server("clickhouse", &["host", "port", "database"], &[]),
    server("databricks", &["catalog", "schema"], &["host"]),
    server("denodo", &["host", "port"], &["database"]),
    server("dremio", &["host", "port"], &["schema"]),
    server("duckdb", &["database"], &["schema"]),
    server("glue", &["account", "database"], &["location", "format"]),
    server("cloudsql", &["host", "port", "database", "schema"], &[]),
    server("db2", &["host", "port", "database"], &["schema"]),
    server("hive", &["host", "database"], &["port"]),
    server("impala", &["host", "database"], &["port"]),
    server("informix", &["host", "database"], &["port"]),
    server("zen", &["host", "database"], &["port"]),
    server(
        "custom",
        &[],
        &[
            "account",
            "catalog",
            "database",
            "dataset",
            "delimiter",
            "endpointUrl",
            "format",
            "host",
            "location",
            "path",
            "port",
            "project",
            "region",
            "regionName",
            "schema",
            "serviceName",
            "stagingDir",
            "warehouse",
            "stream",
        ],
    ),
    server("kafka", &["host"], &["format"]),
    server("kinesis", &[], &["region", "format"]),
    server("local", &["path", "format"], &[]),
    server("mysql", &["host", "port", "database"], &[]),
    server("oracle", &["host", "port", "serviceName"], &[]),
    server("postgresql", &["host", "port", "database", "schema"], &[]),
    server("postgres", &["host", "port", "database", "schema"], &[]),
    server("presto", &["host"], &["catalog", "schema"]),
    server("pubsub", &["project"], &[]),
    server(
        "redshift",
        &["database", "schema"],
        &["host", "region", "account"],
    ),
    server("s3", &["location"], &["endpointUrl", "format", "delimiter"]),
    server("sftp", &["location"], &["format", "delimiter"]),
    server(
        "snowflake",
        &["account", "database", "schema"],
        &["host", "port", "warehouse"],
    ),
    server("sqlserver", &["host", "database", "schema"], &["port"]),
    server("synapse", &["host", "port", "database"], &[]),
    server("trino", &["host", "port", "catalog", "schema"], &[]),
    server("vertica", &["host", "port", "database", "schema"], &[]),
];
