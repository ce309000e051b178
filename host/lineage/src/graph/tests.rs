use super::*;
use crate::making::{Column, ColumnFrom};

fn table(object: &str, place: Place, columns: &[&str]) -> Table {
    let columns = columns.iter().map(|name| Column {
        name: (*name).to_owned(),
        ty: "string".to_owned(),
        description: None,
        classification: "internal".to_owned(),
        tags: Vec::new(),
    });
    Table {
        object: object.to_owned(),
        place,
        description: None,
        owner: None,
        columns: columns.collect(),
    }
}

fn inflow(object: &str, column: &str, way: Way) -> Inflow {
    Inflow {
        object: object.to_owned(),
        column: column.to_owned(),
        way,
        mask: None,
        declared: way == Way::Transformation,
    }
}

/// A source, a product of it with a masked e-mail, and sums of that in two domains.
pub(crate) fn graph() -> Graph {
    let topic = Place::Kafka {
        server: "broker:9092".to_owned(),
        topic: "sales".to_owned(),
    };
    let source = table("a_raw.sales", topic, &["id", "email", "amount"]);
    let sales = table(
        "a.sales",
        Place::Lake("a/curated/sales".to_owned()),
        &["id", "email", "usd"],
    );
    let making = |job: &str, kind, output: Table, input: &Table, columns: Vec<ColumnFrom>, rows| Making {
        job: job.to_owned(),
        of: None,
        kind,
        description: None,
        owner: None,
        contract: "1.0.0".to_owned(),
        sql: None,
        output,
        inputs: vec![input.clone()],
        columns,
        rows,
        checks: BTreeMap::new(),
    };
    let from = |column: &str, mask: Option<&str>, from: Vec<Inflow>| ColumnFrom {
        column: column.to_owned(),
        mask: mask.map(str::to_owned),
        from,
    };
    let step = vec![
        from("id", None, vec![inflow("a_raw.sales", "id", Way::Identity)]),
        from(
            "email",
            Some("token"),
            vec![inflow("a_raw.sales", "email", Way::Identity)],
        ),
        from(
            "usd",
            None,
            vec![inflow("a_raw.sales", "amount", Way::Transformation)],
        ),
    ];
    let decides = vec![inflow("a_raw.sales", "amount", Way::Filter)];
    let sum = |of: &str| {
        let output = table(
            &format!("{of}.totals"),
            Place::Lake(format!("{of}/gold/totals")),
            &["n"],
        );
        let columns = vec![from("n", None, vec![inflow("a.sales", "usd", Way::Aggregation)])];
        let rows = vec![inflow("a.sales", "id", Way::GroupBy)];
        making(
            &format!("{of}.totals"),
            Kind::Query,
            output,
            &sales,
            columns,
            rows,
        )
    };
    Graph::new(vec![
        making("a.sales.sales", Kind::Step, sales.clone(), &source, step, decides),
        sum("a"),
        sum("b"),
    ])
}

#[test]
fn what_may_not_be_read_is_not_named() {
    let graph = graph();
    let known = |object: &str, column: Option<&str>| object != "b.totals" && column != Some("amount");
    let asked = graph.find("a.sales.usd", "user:ana", &known).unwrap();
    let tree = serde_json::to_string(&graph.tree(&asked, &known)).unwrap();
    assert!(!tree.contains("b.totals") && !tree.contains("amount"), "{tree}");
    assert!(tree.contains("a.totals"));
    let tables = graph.tree(&graph.find("a.sales", "user:ana", &known).unwrap(), &known);
    assert_eq!(
        tables.goes_to.iter().filter(|node| node.table.is_none()).count(),
        1
    );
    // The same answer as for what is not there.
    for asked in ["b.totals", "b.nothing", "a.sales.amount"] {
        let error = graph.find(asked, "user:ana", &known).unwrap_err().to_string();
        assert!(error.starts_with("there is no "), "{error}");
        assert!(!error.replace(asked, "").contains("b.totals"), "{error}");
    }
}

#[test]
fn what_is_not_there_names_the_closest() {
    let graph = graph();
    let fails = |asked: &str| {
        graph
            .find(asked, "user:ana", &|_, _| true)
            .unwrap_err()
            .to_string()
    };
    same(
        &fails("a.salse"),
        "there is no table `a.salse` that user:ana may read: did you mean `a.sales`?",
    );
    same(
        &fails("a.sales.emial"),
        "there is no column `a.sales.emial` that user:ana may read: did you mean `email`?",
    );
}

fn same(found: &str, wanted: &str) {
    assert_eq!(found, wanted);
}
