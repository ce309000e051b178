//! `cargo xtask throughput`: from a topic to committed tables by `malla run`, on a real broker, beside the same from files.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::broker::{Broker, Folder, Mesh, PARTITIONS, TOPIC};
use crate::{demo, shell};

pub(crate) fn run(events: &str) -> Result<()> {
    demo::build()?;
    let folder = Folder::new("throughput")?;
    let broker = Broker::start()?;
    let topic = drained(&Mesh::of_topic(&folder.join("topic"))?, events)?;
    drop(broker);
    let files = Mesh::of_files(&folder.join("files"), &folder.join("events"))?;
    let files = drained(&files, events)?;
    println!("{events} events");
    println!("from a topic, {PARTITIONS} partitions   {topic:>9.0} events/s");
    println!("from files                   {files:>9.0} events/s");
    println!("ratio                        {:>9.2}", files / topic);
    println!("Beside it: `cargo xtask bench`, whole_path/baseline, is decode + Parquet + commit alone.");
    Ok(())
}

/// Events a second of one run.
fn drained(mesh: &Mesh, events: &str) -> Result<f64> {
    shell::run("malla simulate", &mut mesh.simulate(events))?;
    let output = mesh
        .on("run")
        .args(["--once", "--json", "--product", TOPIC])
        .stderr(Stdio::null())
        .output()
        .context("cannot start malla")?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).context("no report")?;
    let products = report.get("products").and_then(|products| products.as_array());
    let product = products.and_then(|products| {
        products
            .iter()
            .find(|product| product.get("product").and_then(|name| name.as_str()) == Some(TOPIC))
    });
    let number = |name: &str| product?.get(name)?.as_f64();
    if !output.status.success() || number("read") != events.parse().ok() {
        bail!("the run did not read {events} events: {report}");
    }
    number("read")
        .zip(number("seconds"))
        .map(|(read, seconds)| read / seconds)
        .context("no rate")
}
