use insta::assert_snapshot;

use crate::{ColumnType, Contract};

const VENTAS: &str = include_str!("../../../../plugins/ventas/contract.yaml");

/// The smallest contract: an event, a product, the step between.
pub(super) const SMALL: &str = r#"apiVersion: v3.1.0
kind: DataContract
id: envios
version: 1.0.0
status: draft
domain: logistica
schema:
  - name: evento_envio
    properties:
      - { name: envio_id, logicalType: string, required: true }
      - { name: salida, logicalType: timestamp, required: true }
  - name: envios
    properties:
      - { name: envio_id, logicalType: string, required: true }
customProperties:
  - property: mallaSources
    value: [{ name: envios, schema: evento_envio, eventTime: salida }]
  - property: mallaSteps
    value: [{ name: envios, source: envios, product: envios, reads: [envio_id] }]
"#;

/// What is wrong with the small contract when a part of it is replaced.
fn broken(part: &str, by: &str) -> String {
    assert!(SMALL.contains(part), "{part}");
    faults(&SMALL.replacen(part, by, 1))
}

fn faults(text: &str) -> String {
    match Contract::parse(text) {
        Ok(_) => "valid".into(),
        Err(errors) => errors.to_string(),
    }
}

/// The type of a column with these fields, or what is wrong with it.
fn typed(fields: &str) -> String {
    let text = SMALL.replace(
        "envio_id, logicalType: string, required: true",
        &format!("envio_id, {fields}"),
    );
    match Contract::parse(&text) {
        Ok(contract) => contract.products[0].table.columns[0].ty.to_string(),
        Err(errors) => errors
            .iter()
            .next()
            .map(|error| format!("{}: {}", error.what, error.remedy))
            .unwrap(),
    }
}

#[test]
fn ventas_is_valid() {
    let ventas = Contract::parse(VENTAS).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        (ventas.domain.as_str(), ventas.owner.as_deref()),
        ("ventas", Some("equipo-ventas"))
    );
    let source = ventas.source("transacciones").unwrap();
    assert_eq!(
        (source.table.columns.len(), source.event_time.as_deref()),
        (11, Some("timestamp"))
    );
    assert_eq!(source.table.subject().unwrap().name, "cliente_id");
    let product = &ventas.product("transacciones").unwrap().table;
    assert_eq!(product.partition_columns(), ["fecha", "region"]);
    assert_eq!(
        product.column("monto_usd").unwrap().ty,
        ColumnType::Decimal {
            precision: 18,
            scale: 2
        }
    );
    assert!(product.column("email").unwrap().is_personal());
    assert_eq!(
        ventas.step("transacciones").unwrap().reads,
        ["cliente_id", "monto", "moneda", "timestamp"]
    );
    let rates = &ventas.lookups[0];
    assert_eq!(
        (rates.scale, rates.get("USD"), rates.get("COP")),
        (5, Some(100_000), Some(25))
    );
}

#[test]
fn the_small_contract_is_valid() {
    let small = Contract::parse(SMALL).unwrap();
    assert_eq!((small.name.as_str(), small.steps[0].rules.len()), ("envios", 0));
    assert_eq!(
        faults(&format!("\u{FEFF}{}", SMALL.replace('\n', "\r\n"))),
        "valid"
    );
}

#[test]
fn types() {
    let cases = [
        "logicalType: string",
        "logicalType: integer",
        "logicalType: integer, physicalType: int",
        "logicalType: number",
        "logicalType: number, physicalType: 'DECIMAL(38, 38)'",
        "physicalType: 'decimal(5)'",
        "physicalType: bigint",
        "logicalType: date",
        "logicalType: boolean",
        "physicalType: timestamp",
        "logicalType: sting",
        "logicalType: object",
        "logicalType: time",
        "logicalType: integer, physicalType: double",
        "physicalType: varchar(20)",
        "physicalType: 'decimal(39,2)'",
        "physicalType: 'decimal(0,0)'",
        "physicalType: 'decimal(4,5)'",
        "physicalType: 'decimal(99999999999999999999,5)'",
        "physicalType: decimal",
        "physicalType: blob",
        "description: none",
    ];
    let table: Vec<String> = cases
        .iter()
        .map(|case| format!("{case} => {}", typed(case)))
        .collect();
    assert_snapshot!(table.join("\n"), @r"
    logicalType: string => string
    logicalType: integer => bigint
    logicalType: integer, physicalType: int => int
    logicalType: number => double
    logicalType: number, physicalType: 'DECIMAL(38, 38)' => decimal(38,38)
    physicalType: 'decimal(5)' => decimal(5,0)
    physicalType: bigint => bigint
    logicalType: date => date
    logicalType: boolean => boolean
    physicalType: timestamp => timestamp
    logicalType: sting => unknown logical type `sting`: did you mean `string`? (one of `string`, `boolean`, `integer`, `number`, `date`, `timestamp`)
    logicalType: object => logical type `object` is not supported: keep nested values as JSON text in a `string`
    logicalType: time => logical type `time` is not supported: use `timestamp`, or `integer` since midnight
    logicalType: integer, physicalType: double => `double` is no integer, which `logicalType` says it is: write `int` or `bigint` here, or mend `logicalType`
    physicalType: varchar(20) => unknown physical type `varchar(20)`: use `string`
    physicalType: 'decimal(39,2)' => `decimal(39,2)` is no decimal type: use 1 to 38 digits
    physicalType: 'decimal(0,0)' => `decimal(0,0)` is no decimal type: use 1 to 38 digits
    physicalType: 'decimal(4,5)' => `decimal(4,5)` is no decimal type: let the digits after the point be at most all its digits
    physicalType: 'decimal(99999999999999999999,5)' => `decimal(99999999999999999999,5)` is no decimal type: use 1 to 38 digits
    physicalType: decimal => `decimal` is no decimal type: write digits and digits after the point, such as `decimal(18,2)`
    physicalType: blob => unknown physical type `blob`: use one of `string`, `boolean`, `int`, `bigint`, `double`, `decimal(18,2)`, `date`, `timestamp`
    description: none => a column without a type: add `logicalType`: one of `string`, `boolean`, `integer`, `number`, `date`, `timestamp`
    ");
}

#[test]
fn all_problems_at_once() {
    let text = r#"
apiVersion: v3.0.2
kind: DataContrat
id: 7
version: 1.0
status:
doman: ventas
schema:
  - name: Evento
    logicalType: object
    tags: ["pii:email"]
    propertis: []
    properties:
      - { name: id, logicaltype: string }
      - { name: id, logicalType: string, primaryKey: true, tags: ["pii:emial", subjects], classification: secret }
      - { name: _offset, logicalType: string, required: yes }
      - { name: Cliente, logicalType: string, tags: [subject] }
      - { name: monto, physicalType: double, partitioned: true, tags: [subject] }
      - { name: email, logicalType: string, partitioned: true, partitionKeyPosition: 0, tags: ["pii:email"] }
      - { logicalType: string, logicalTypeOptions: { maxlength: 3 } }
    quality:
      - { metric: nullValues }
      - { type: sql, mustBe: 0 }
servers:
  - { server: s, type: kafka, port: 9092 }
customProperties:
  - property: mallaSorces
    value: []
  - { property: team_color, value: blue }
"#;
    assert_snapshot!(faults(text), @r"
    line 2: a contract needs `domain`: add it: the first part of every table name
    line 2: apiVersion: unsupported version `v3.0.2` of the standard: write `v3.1.0`
    line 3: kind: unknown value `DataContrat`: did you mean `DataContract`?
    line 4: id: is the number `7`: put it in quotes to make it a text
    line 5: version: is the number `1.0`: put it in quotes to make it a text
    line 6: status: is empty: write a text, or remove the field
    line 7: doman: unknown field in a contract: did you mean `domain`?
    line 9: schema[0].name: `Evento` does not start with a letter from `a` to `z`: use `a` to `z`, `0` to `9`, `_`, and `-` between words, starting with a letter
    line 9: schema[0].name: no step makes product `Evento`: add one to `mallaSteps`, or SQL to `mallaGold`; if it is what arrives, name it in `mallaSources`
    line 11: schema[0].tags[0]: tag `pii:email` has no meaning here: put it on columns
    line 12: schema[0].propertis: unknown field in a schema object: did you mean `properties`?
    line 14: schema[0].properties[0]: a column without a type: add `logicalType`: one of `string`, `boolean`, `integer`, `number`, `date`, `timestamp`
    line 14: schema[0].properties[0].logicaltype: unknown field in a column: did you mean `logicalType`?
    line 15: schema[0].properties[1].classification: unknown classification `secret`: use one of `public`, `internal`, `confidential`, `restricted`
    line 15: schema[0].properties[1].name: column `id` is there twice: rename one of the two
    line 15: schema[0].properties[1].primaryKey: a primary key column that may be null: add `required: true`
    line 15: schema[0].properties[1].tags[0]: unknown tag `pii:emial`: did you mean `pii:email`?
    line 15: schema[0].properties[1].tags[1]: unknown tag `subjects`: did you mean `subject`?
    line 16: schema[0].properties[2].name: `_offset` starts with `_`: such names are the host's: start with a letter
    line 16: schema[0].properties[2].required: is `yes`, which YAML readers disagree about: write true or false
    line 17: schema[0].properties[3].name: `Cliente` does not start with a letter from `a` to `z`: use `a` to `z`, `0` to `9` and `_`, starting with a letter
    line 18: schema[0].properties[4]: a partition column without a place: add `partitionKeyPosition`, from 1
    line 18: schema[0].properties[4]: a second column tagged `subject`, after `Cliente`: a row is about one person: keep the tag on one column
    line 18: schema[0].properties[4].partitioned: a partition column of type `double`: partition by a string, date, integer or boolean column
    line 19: schema[0].properties[5].partitionKeyPosition: `0` is no place among partition columns: count from 1
    line 19: schema[0].properties[5].partitioned: a partition column with sensitive values, which would stand in the names of folders: partition by another column
    line 20: schema[0].properties[6]: a column needs `name`: add it
    line 20: schema[0].properties[6].logicalTypeOptions.maxlength: unknown field in options of a string: did you mean `maxLength`?
    line 22: schema[0].quality[0]: a check needs one comparison, has 0: use one of `mustBe`, `mustNotBe`, `mustBeGreaterThan`, `mustBeGreaterOrEqualTo`, `mustBeLessThan`, `mustBeLessOrEqualTo`, `mustBeBetween`, `mustNotBeBetween`
    line 23: schema[0].quality[1]: a quality check needs `query`: add it
    line 25: servers[0]: a server of type `kafka` needs `host`: add it
    line 25: servers[0].port: unknown field in a server of type `kafka`: remove it, or keep it under `customProperties`
    line 27: customProperties[0].property: unknown property `mallaSorces`: did you mean `mallaSources`?
    ");
}

#[test]
fn sources_steps_and_lookups() {
    let text = SMALL.split("customProperties").next().unwrap().to_owned()
        + r#"customProperties:
  - property: mallaSources
    value:
      - { name: envios, schema: evento_envios }
      - { name: envios, schema: evento_envio, eventTime: envio_id }
      - { name: pedidos, schema: evento_envio, eventTime: salidas }
      - { name: otros, schema: evento_envio, eventime: salida }
  - property: mallaSteps
    value:
      - { name: a, source: envioz, product: evento_envio, reads: [] }
      - { name: b, source: pedidos, product: envios, reads: [envio_id, envio_id, peso], rules: [Malo, x, x] }
      - { name: b-c, source: pedidos, product: envios }
      - { name: d, source: pedidos, product: envios, reads: [1] }
  - property: mallaLookups
    value:
      - name: tasas
        entries: { USD: 1.5, NO: "1", EUR: "1,08", MXN: "1e3", A: "1.", B: "-.5", C: "-0.5", D: ["1"] }
      - { name: largo, entries: { A: "1", B: "0.00000000000000000000000000000000000001", C: "12" } }
      - { name: vacio, entries: {} }
  - { property: mallaSources, value: [] }
"#;
    assert_snapshot!(faults(&text), @r#"
    line 18: customProperties[0].value[0].schema: no schema object `evento_envios`: did you mean `evento_envio`?
    line 19: customProperties[0].value[1].name: `envios` is there twice: rename one of the two
    line 20: customProperties[0].value[2].eventTime: no column `salidas` in `evento_envio`: did you mean `salida`?
    line 21: customProperties[0].value[3].eventime: unknown field in a source: did you mean `eventTime`?
    line 24: customProperties[1].value[0].product: no product `evento_envio`: products are `envios`
    line 24: customProperties[1].value[0].source: no source `envioz`: did you mean `envios`?
    line 25: customProperties[1].value[1].reads[1]: `envio_id` is there twice: keep one of the two
    line 25: customProperties[1].value[1].reads[2]: no column `peso` in `evento_envio`: its columns are `envio_id`, `salida`
    line 25: customProperties[1].value[1].rules[0]: `Malo` does not start with a letter from `a` to `z`: use `a` to `z`, `0` to `9` and `_`, starting with a letter
    line 25: customProperties[1].value[1].rules[2]: `x` is there twice: keep one of the two
    line 26: customProperties[1].value[2]: a step needs `reads`: add it
    line 26: customProperties[1].value[2].name: `b-c` is not fit for a name: use `a` to `z`, `0` to `9` and `_`, starting with a letter
    line 26: customProperties[1].value[2].product: product `envios` already comes from step `b`: let one step make it, or make it two products
    line 27: customProperties[1].value[3].product: product `envios` already comes from step `b`: let one step make it, or make it two products
    line 27: customProperties[1].value[3].reads[0]: is the number `1`: put it in quotes to make it a text
    line 31: customProperties[2].value[0].entries.A: `1.` is no decimal number: write digits and perhaps a point, such as "0.058"
    line 31: customProperties[2].value[0].entries.B: `-.5` is no decimal number: write digits and perhaps a point, such as "0.058"
    line 31: customProperties[2].value[0].entries.D: is a list: write a text
    line 31: customProperties[2].value[0].entries.EUR: `1,08` is no decimal number: write digits and perhaps a point, such as "0.058"
    line 31: customProperties[2].value[0].entries.MXN: `1e3` is no decimal number: write digits and perhaps a point, such as "0.058"
    line 31: customProperties[2].value[0].entries.NO: YAML readers disagree about this key: put it in quotes
    line 31: customProperties[2].value[0].entries.USD: is the number `1.5`: put it in quotes, so that it stays exact
    line 32: customProperties[2].value[1].entries.A: has more than 38 digits with 38 after the point: shorten it, or the entry with the most digits after the point
    line 32: customProperties[2].value[1].entries.C: has more than 38 digits with 38 after the point: shorten it, or the entry with the most digits after the point
    line 33: customProperties[2].value[2].entries: a lookup without entries: add one, or remove the lookup
    line 34: customProperties[3].property: `mallaSources` is there twice: make one list of the two
    "#);
}

#[test]
fn the_purpose_is_a_word() {
    let purpose = |text: &str| {
        let text = format!("{SMALL}  - {{ property: mallaPurpose, value: {text} }}\n");
        match Contract::parse(&text) {
            Ok(contract) => contract.purpose.unwrap(),
            Err(errors) => errors.to_string(),
        }
    };
    assert_eq!(Contract::parse(SMALL).unwrap().purpose, None);
    assert_eq!(purpose("prevencion-de-fraude"), "prevencion-de-fraude");
    assert_snapshot!(
        ["\"\"", "Fraude", "a b", "\"*\"", "[fraude]", "4"].map(purpose).join("\n"), @r##"
line 20: customProperties[2].value: `` is empty: give it a name
line 20: customProperties[2].value: `Fraude` does not start with a letter from `a` to `z`: use `a` to `z`, `0` to `9`, `_`, and `-` between words, starting with a letter
line 20: customProperties[2].value: `a b` is not fit for a name: use `a` to `z`, `0` to `9`, `_`, and `-` between words, starting with a letter
line 20: customProperties[2].value: `*` does not start with a letter from `a` to `z`: use `a` to `z`, `0` to `9`, `_`, and `-` between words, starting with a letter
line 20: customProperties[2].value: is a list: write a text
line 20: customProperties[2].value: is the number `4`: put it in quotes to make it a text
"##);
}

#[test]
fn a_product_without_a_step() {
    assert_snapshot!(broken("customProperties:", "  - name: daily-\n    properties: []\ncustomProperties:"), @r"
    line 15: schema[2].name: `daily-` is not fit for a name: use `a` to `z`, `0` to `9`, `_`, and `-` between words, starting with a letter
    line 15: schema[2].name: no step makes product `daily-`: add one to `mallaSteps`, or SQL to `mallaGold`; if it is what arrives, name it in `mallaSources`
    line 16: schema[2].properties: a table without columns: add a property
    ");
    let product =
        "  - name: daily-revenue\n    properties: [{ name: a, logicalType: string }]\ncustomProperties:";
    assert_snapshot!(broken("customProperties:", product), @"line 15: schema[2].name: no step makes product `daily-revenue`: add one to `mallaSteps`, or SQL to `mallaGold`; if it is what arrives, name it in `mallaSources`");
}

#[test]
fn event_time_must_always_be_there() {
    assert_snapshot!(broken("salida, logicalType: timestamp, required: true", "salida, logicalType: timestamp"), @"line 17: customProperties[0].value[0].eventTime: `salida` may be null: add `required: true` to that column");
}

#[test]
fn partitions() {
    let broken = |fields: &str| {
        let column = format!("required: true, {fields} }}\ncustomProperties:");
        broken("required: true }\ncustomProperties:", &column)
    };
    assert_snapshot!(broken("partitioned: true, partitionKeyPosition: 1"), @"line 14: schema[1].properties: every column is a partition column: leave one that is not: it holds the data");
    assert_snapshot!(broken("partitionKeyPosition: 1"), @"line 14: schema[1].properties[0].partitionKeyPosition: a place among the partition columns without being one: add `partitioned: true`");
    assert_snapshot!(broken("partitioned: true, partitionKeyPosition: 1 }\n      - { name: b, logicalType: date, partitioned: true, partitionKeyPosition: 1 }\n      - { name: c, logicalType: number"), @"line 15: schema[1].properties[1].partitionKeyPosition: place 1 is that of `envio_id`: give each its own");
}

#[test]
fn yaml_that_means_more_than_it_shows() {
    assert_snapshot!(faults("a: &x 1\nb: *x\n<<: { c: 1 }\n"), @r"
    line 1: a contract needs `apiVersion`: add it
    line 1: a contract needs `domain`: add it: the first part of every table name
    line 1: a contract needs `id`: add it
    line 1: a contract needs `kind`: add it
    line 1: a contract needs `schema`: add it: a list with one object for each table
    line 1: a contract needs `status`: add it
    line 1: a contract needs `version`: add it
    line 1: a: an anchor (`&name`): remove it; write the value out where it is used
    line 1: a: unknown field in a contract: remove it, or keep it under `customProperties`
    line 2: b: an alias (`*name`): write the value out
    line 2: b: unknown field in a contract: remove it, or keep it under `customProperties`
    line 3: <<: unknown field in a contract: remove it, or keep it under `customProperties`
    ");
    assert_snapshot!(broken("draft", "!!str draft"), @"line 5: status: a tag (`!name`): remove it; quotes make a text of a value");
    assert_snapshot!(broken("draft", "draft\nstatus: active"), @"line 6: `status` is there twice: keep one of the two");
    assert_snapshot!(broken("draft", "draft\n? [a]\n: b"), @"line 6: a key that is no text: write `name: value`");
    assert_snapshot!(faults(&format!("{SMALL}---\na: b\n")), @"line 20: a second document: keep one contract in a text, without `---`");
    assert_snapshot!(broken("draft", "\"dra\\eft\""), @"line 5: status: the character `\\u{1b}` is not allowed: remove the escape");
    assert_snapshot!(broken("draft", "draft\nname: a\u{0}b"), @"line 6: the character `\\u{0}` is not allowed: remove it; line ends are LF or CR LF");
    assert_snapshot!(broken("draft", "draft # \u{202e}"), @"line 5: the character `\\u{202e}` is not allowed: remove it; line ends are LF or CR LF");
    assert_snapshot!(broken("draft", "[draft"), @"line 6: not valid YAML: illegal placement of ':' indicator: mend the text there or just before");
    assert_snapshot!(broken("draft", "2024-01-01"), @"line 5: status: is `2024-01-01`, which YAML readers disagree about: put it in quotes to make it a text");
    assert_snapshot!(faults(""), @"line 1: the text is empty: start with `apiVersion: v3.1.0`");
    assert_snapshot!(faults("- a"), @"line 1: is a list: write a map (`name: value` lines)");
}

#[test]
fn size_is_bounded() {
    let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    assert_snapshot!(faults(&deep), @"line 1: a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested deeper than 32 levels: flatten it");
    assert_snapshot!(faults(&"x".repeat(1 << 21)), @"line 1: the text is larger than 1 MiB: a contract describes data, it does not hold any");
    assert!(faults(&format!("a: [{}]", "1,".repeat(200_000))).contains("more than 100000 values"));
    let wide = format!(
        "required: true }}\n{}customProperties:",
        "      - { name: a }\n".repeat(1001)
    );
    assert!(broken("required: true }\ncustomProperties:", &wide).contains("more than 1000 items"));
    let unknown: String = (0..500).map(|i| format!("x{i}: 1\n")).collect();
    assert_eq!(faults(&unknown).lines().last(), Some("... and more"));
}
