//! Lineage: events of OpenLineage for every commit, and `malla lineage`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::broker::Broker;
use crate::collector::Collector;
use crate::openlineage::Schemas;
use crate::support::{Mesh, files, malla, sale, text, wait_until};

const FILE: &str = "[lineage]\ntransport = { type = \"file\", path = \"lineage.jsonl\" }";

fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn told(mesh: &Mesh) -> Vec<Value> {
    events(&mesh.path().join("lineage.jsonl"))
}

/// Commits by which rows came or went, of what runs are told of: by its path and version.
fn commits(lake: &Path) -> BTreeSet<(String, String)> {
    let mut commits = BTreeSet::new();
    for file in files(lake) {
        let name = file.strip_prefix(lake).unwrap().to_str().unwrap().to_owned();
        let Some((table, entry)) = name.split_once("/_delta_log/") else {
            continue;
        };
        if table.contains("/quality/") || table.starts_with("malla/") || !entry.ends_with(".json") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let actions = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        if actions
            .into_iter()
            .any(|action| action.get("add").is_some() || action.get("remove").is_some())
        {
            let version = entry.trim_end_matches(".json").trim_start_matches('0');
            commits.insert((
                table.to_owned(),
                if version.is_empty() { "0" } else { version }.to_owned(),
            ));
        }
    }
    commits
}

/// What was told of by complete runs, each of them once and after its beginning.
fn runs_told(events: &[Value], lake: &Path) -> BTreeSet<(String, String)> {
    let schemas = Schemas::load();
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    let mut ended = BTreeSet::new();
    let mut commits = BTreeSet::new();
    for event in events {
        assert_eq!(schemas.faults(event), Vec::<String>::new(), "{event:#}");
        let run = event["run"]["runId"].as_str().unwrap();
        if event["eventType"] == "START" {
            assert_eq!(begun.insert(run, 1), None, "{run} begins twice");
            continue;
        }
        assert!(begun.contains_key(run), "{run} ends before it begins");
        assert!(ended.insert(run), "{run} ends twice");
        if let Some(output) = event["outputs"].get(0) {
            let path = output["name"].as_str().unwrap();
            let table = path.strip_prefix(&format!("{}/", lake.display())).unwrap();
            let version = output["facets"]["version"]["datasetVersion"].as_str().unwrap();
            assert!(
                commits.insert((table.to_owned(), version.to_owned())),
                "{table} {version} twice"
            );
        }
    }
    assert_eq!(begun.len(), ended.len(), "every run ends");
    commits
}

/// The last complete run of a job.
fn last<'a>(events: &'a [Value], job: &str) -> &'a Value {
    let mut of = events.iter().rev();
    of.find(|event| event["job"]["name"] == job && event["eventType"] == "COMPLETE")
        .unwrap_or_else(|| panic!("no run of {job}"))
}

/// The columns of a facet, a line each: `column: input column WAY, ..`.
fn columns(event: &Value) -> String {
    let facet = &event["outputs"][0]["facets"]["columnLineage"];
    let input = |field: &Value| {
        let ways = field["transformations"].as_array().unwrap().iter().map(|way| {
            let masking = if way["masking"] == true { "*" } else { "" };
            let declared = way["description"]
                .as_str()
                .is_some_and(|said| said.contains("declared"));
            format!(
                "{}{masking}{}",
                way["subtype"].as_str().unwrap(),
                if declared { "?" } else { "" }
            )
        });
        let name = field["name"].as_str().unwrap().rsplit('/').next().unwrap();
        format!(
            "{name}.{} {}",
            field["field"].as_str().unwrap(),
            ways.collect::<Vec<_>>().join("+")
        )
    };
    let inputs = |fields: &Value| {
        let fields: Vec<String> = fields.as_array().unwrap().iter().map(input).collect();
        fields.join(", ")
    };
    let fields = facet["fields"].as_object().unwrap().iter();
    let mut lines: Vec<String> = fields
        .map(|(name, of)| format!("{name}: {}", inputs(&of["inputFields"])))
        .collect();
    lines.push(format!("(rows): {}", inputs(&facet["dataset"])));
    lines.join("\n")
}

#[test]
fn every_commit_of_a_mesh_is_a_valid_run_once_and_columns_are_right() {
    let mesh = Mesh::of(&["ventas", "logistica", "producto"]);
    mesh.add_sources();
    mesh.add("malla.toml", FILE);
    for domain in ["ventas", "logistica", "producto"] {
        mesh.on("simulate", &["--domain", domain, "--events", "1000"]);
    }
    mesh.run_once();
    let lake = mesh.path().join("lake");
    let first = told(&mesh);
    assert_eq!(runs_told(&first, &lake), commits(&lake));

    let sales = last(&first, "ventas.transacciones.transacciones");
    insta::assert_snapshot!(columns(sales), @r"
    canal: transacciones.canal IDENTITY
    cantidad: transacciones.cantidad IDENTITY
    cliente_id: transacciones.cliente_id IDENTITY
    email: transacciones.email IDENTITY*
    fecha: transacciones.cliente_id TRANSFORMATION?, transacciones.moneda TRANSFORMATION?, transacciones.monto TRANSFORMATION?, transacciones.timestamp TRANSFORMATION?
    moneda: transacciones.moneda IDENTITY
    monto: transacciones.monto IDENTITY
    monto_usd: transacciones.cliente_id TRANSFORMATION?, transacciones.moneda TRANSFORMATION?, transacciones.monto TRANSFORMATION?, transacciones.timestamp TRANSFORMATION?
    producto_id: transacciones.producto_id IDENTITY
    region: transacciones.region IDENTITY
    tarjeta: transacciones.tarjeta IDENTITY*
    timestamp: transacciones.timestamp IDENTITY
    transaccion_id: transacciones.transaccion_id IDENTITY
    (rows): transacciones.cliente_id FILTER?, transacciones.moneda FILTER, transacciones.monto FILTER?, transacciones.timestamp FILTER?, transacciones.transaccion_id FILTER
    ");
    let revenue = last(&first, "ventas.daily-revenue");
    insta::assert_snapshot!(columns(revenue), @r"
    fecha: transacciones.fecha IDENTITY
    ingresos_usd: transacciones.monto_usd AGGREGATION
    producto_id: transacciones.producto_id IDENTITY
    region: transacciones.region IDENTITY
    unidades: transacciones.cantidad AGGREGATION
    ventas: 
    (rows): transacciones.fecha GROUP_BY+WINDOW, transacciones.monto_usd WINDOW, transacciones.producto_id GROUP_BY, transacciones.region GROUP_BY, transacciones.timestamp WINDOW, transacciones.transaccion_id WINDOW
    ");
    let output = &sales["outputs"][0];
    let rows = mesh.count("ventas.transacciones");
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], rows);
    let assertions = output["facets"]["dataQualityAssertions"]["assertions"]
        .as_array()
        .unwrap();
    assert!(
        assertions
            .iter()
            .any(|check| check["assertion"] == "not_null" && check["success"] == true)
    );
    assert_eq!(
        output["facets"]["ownership"]["owners"][0]["name"],
        "team:equipo-ventas"
    );
    let source = mesh.path().join("sources/ventas/transacciones");
    assert_eq!(sales["inputs"][0]["namespace"], "file");
    assert_eq!(sales["inputs"][0]["name"], source.to_str().unwrap());
    // The run of the source that the commit is a part of is told of too.
    let parent = &sales["run"]["facets"]["parent"];
    assert_eq!(parent["job"]["name"], "ventas.transacciones");
    assert_eq!(
        last(&first, "ventas.transacciones")["run"]["runId"],
        parent["run"]["runId"]
    );
    assert!(
        revenue["job"]["facets"]["sql"]["query"]
            .as_str()
            .unwrap()
            .contains("row_number()")
    );
    assert_eq!(
        revenue["inputs"][0]["facets"]["version"]["datasetVersion"],
        output["facets"]["version"]["datasetVersion"]
    );

    // Nothing came: only the runs of sources are new.
    mesh.run_once();
    let second = told(&mesh);
    assert_eq!(runs_told(&second, &lake), commits(&lake));
    assert!(
        second[first.len()..]
            .iter()
            .all(|event| event["outputs"] == serde_json::json!([]))
    );
}

#[test]
fn a_collector_that_is_down_then_slow_and_failing_gets_every_event_once() {
    let mesh = Mesh::ventas();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    mesh.add(
        "malla.toml",
        &format!(
            "[lineage]\ntransport = {{ type = \"http\", url = \"http://{address}\", compression = \"gzip\" }}"
        ),
    );
    mesh.put(&sale("a"));
    let run = || {
        let mut command = Command::new(malla());
        let command = command.args(["run", "--once", "--config"]).arg(mesh.config());
        let output = command
            .env("OPENLINEAGE_API_KEY", "secreto")
            .env("RUST_LOG", "debug")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert!(!text(&output).contains("secreto"));
        text(&output)
    };
    let said = run();
    assert!(
        said.contains("Lineage cannot be told: it waits and is tried again."),
        "{said}"
    );
    let lake = mesh.path().join("lake");
    let before = commits(&lake);
    assert!(before.len() >= 3, "data does not wait for it: {before:?}");

    let collector = Collector::start(address, "secreto", vec![500, 201, 429, 400]);
    mesh.put(&sale("b"));
    // The end of a run does not wait for a collector that fails; the next run goes on there.
    for _ in 0..4 {
        run();
    }
    let took = collector.took.lock().unwrap().clone();
    let refused = events(&mesh.path().join("state/lineage/refused/events.jsonl"));
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["why"], "it answers 400");
    // What was refused is told of nowhere else: it is put where it was to be seen that nothing else is missing.
    let mut all = took;
    let place = all
        .iter()
        .position(|event| event["run"]["runId"] == refused[0]["event"]["run"]["runId"]);
    match place {
        Some(place) if refused[0]["event"]["eventType"] == "START" => {
            all.insert(place, refused[0]["event"].clone())
        }
        Some(place) => all.insert(place + 1, refused[0]["event"].clone()),
        None => panic!("the other event of its run"),
    }
    let after = commits(&lake);
    assert!(after.len() > before.len());
    assert_eq!(runs_told(&all, &lake), after);
    assert_eq!(
        *collector.tries.lock().unwrap(),
        all.len() + 2,
        "two failed and one was refused"
    );
}

#[test]
fn killed_at_random_moments_every_commit_is_told_of_once() {
    let mesh = Mesh::ventas();
    mesh.add("malla.toml", FILE);
    mesh.simulate(6000, 7);
    mesh.edit("malla.toml", "rows = 65536", "rows = 300");
    mesh.edit("malla.toml", "rows = 500000", "rows = 900");
    for pause in [150, 400, 700, 250, 900, 550] {
        mesh.run_killed_after(Duration::from_millis(pause));
    }
    mesh.run_once();
    mesh.every_event_once(6000);
    let lake = mesh.path().join("lake");
    let commits = commits(&lake);
    assert!(commits.len() > 10, "{commits:?}");
    assert_eq!(runs_told(&told(&mesh), &lake), commits);
}

#[test]
fn a_product_that_fails_is_told_of_with_its_error_and_no_value() {
    let mesh = Mesh::ventas();
    mesh.add("malla.toml", FILE);
    mesh.contract(&[("count(*) AS ventas,", "1 / (count(*) - count(*)) AS ventas,")]);
    mesh.put(&sale("a"));
    mesh.fails(&["run"], &["--once"]);
    let told = told(&mesh);
    let lake = mesh.path().join("lake");
    runs_told(&told, &lake);
    let failed: Vec<&Value> = told.iter().filter(|event| event["eventType"] == "FAIL").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["job"]["name"], "ventas.daily-revenue");
    let message = failed[0]["run"]["facets"]["errorMessage"]["message"]
        .as_str()
        .unwrap();
    assert!(
        message.contains("ventas.daily-revenue") && !message.contains("ana.a@"),
        "{message}"
    );
    let all = std::fs::read_to_string(mesh.path().join("lineage.jsonl")).unwrap();
    assert!(!all.contains("ana.a@example.com") && !all.contains("4111111111111111"));
}

#[test]
fn two_hosts_of_one_lake_each_tell_of_their_own_commits() {
    let mesh = Mesh::ventas();
    let other = std::fs::read_to_string(mesh.config()).unwrap();
    let other = other.replace("state = \"state\"", "state = \"state-b\"");
    let other = other + "\n[lineage]\ntransport = { type = \"file\", path = \"lineage-b.jsonl\" }\n";
    std::fs::write(mesh.path().join("b.toml"), other).unwrap();
    mesh.add("malla.toml", FILE);
    mesh.put(&sale("a"));
    let run = |config: &str, job: &str| {
        let config = mesh.path().join(config);
        mesh.ok(&["run", "--product", job, "--config", config.to_str().unwrap()])
    };
    run("malla.toml", "ventas.transacciones");
    run("b.toml", "ventas.daily-revenue");
    run("malla.toml", "ventas.daily-revenue");
    let lake = mesh.path().join("lake");
    let (a, b) = (told(&mesh), events(&mesh.path().join("lineage-b.jsonl")));
    let (of_a, of_b) = (runs_told(&a, &lake), runs_told(&b, &lake));
    assert_eq!(
        of_b.iter().map(|(table, _)| table.as_str()).collect::<Vec<_>>(),
        ["ventas/gold/daily-revenue"]
    );
    assert!(of_a.is_disjoint(&of_b));
    assert_eq!(
        of_a.union(&of_b).cloned().collect::<BTreeSet<_>>(),
        commits(&lake)
    );
}

#[test]
fn a_topic_gets_every_event() {
    let broker = Broker::start("linaje", 1);
    let mesh = Mesh::ventas();
    mesh.add(
        "malla.toml",
        &format!(
            "[lineage.transport]\ntype = \"kafka\"\ntopic = \"{}\"\nproperties = {{ \"bootstrap.servers\" = \"{}\" }}",
            broker.topic,
            broker.servers()
        ),
    );
    mesh.put(&sale("a"));
    mesh.run_once();
    let told = broker.read(&broker.topic);
    let told: Vec<Value> = told
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let lake = mesh.path().join("lake");
    assert_eq!(runs_told(&told, &lake), commits(&lake));
}

#[test]
fn a_lake_that_is_made_anew_is_told_of_from_its_beginning() {
    let mesh = Mesh::ventas();
    mesh.add("malla.toml", FILE);
    mesh.put(&sale("a"));
    mesh.run_once();
    let before = told(&mesh).len();
    std::fs::remove_dir_all(mesh.path().join("lake")).unwrap();
    std::fs::remove_dir_all(mesh.path().join("state/sources")).unwrap();
    mesh.run_once();
    let lake = mesh.path().join("lake");
    let all = told(&mesh);
    assert_eq!(runs_told(&all[before..], &lake), commits(&lake));
    let ids = |events: &[Value]| -> BTreeSet<String> {
        let ids = events.iter().map(|event| event["run"]["runId"].to_string());
        ids.collect()
    };
    assert!(ids(&all[..before]).is_disjoint(&ids(&all[before..])));
}

#[test]
fn a_host_that_runs_tells_of_commits_as_they_come() {
    let mesh = Mesh::ventas();
    mesh.add("malla.toml", FILE);
    let admin = mesh.admin();
    mesh.put(&sale("a"));
    let host = crate::support::Running::start(&mesh);
    wait_until("the commits are told of", || {
        told(&mesh)
            .iter()
            .any(|event| event["job"]["name"] == "ventas.daily-revenue")
    });
    wait_until("events are counted", || {
        let counted = crate::support::metrics(admin);
        let sent = counted
            .lines()
            .find_map(|line| line.strip_prefix("malla_lineage_events_sent_total "));
        sent.is_some_and(|sent| sent.parse::<u64>().unwrap() >= 6)
    });
    host.stop();
    let lake = mesh.path().join("lake");
    assert_eq!(runs_told(&told(&mesh), &lake), commits(&lake));
}
