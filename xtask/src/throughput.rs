//! `cargo xtask throughput`: from a topic to committed tables by `malla run`, on a real broker, beside the same from files.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::demo;
use crate::shell::{self, Profile, command};

const PARTITIONS: &str = "4";
const SERVERS: &str = "127.0.0.1:9092";
const TOPIC: &str = "ventas.transacciones";

/// How the broker is got, where there is none.
const BROKER: &str = "no `nisshi` in PATH: cargo install --locked --no-default-features --features dynostore nisshi --version 0.8.1";

pub(crate) fn run(events: &str) -> Result<()> {
    demo::build()?;
    let folder = std::env::temp_dir().join(format!("malla-throughput-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("cannot make a folder")?;
    let measured = measure(&folder, events);
    std::fs::remove_dir_all(&folder).context("cannot remove the folder")?;
    let (topic, files) = measured?;
    println!("{events} events");
    println!("from a topic, {PARTITIONS} partitions   {topic:>9.0} events/s");
    println!("from files                   {files:>9.0} events/s");
    println!("ratio                        {:>9.2}", files / topic);
    println!("Beside it: `cargo xtask bench`, whole_path/baseline, is decode + Parquet + commit alone.");
    Ok(())
}

fn measure(folder: &Path, events: &str) -> Result<(f64, f64)> {
    let of_topic = format!(
        "[sources.ventas.transacciones.kafka]\ntopic = \"{TOPIC}\"\nsettings.\"bootstrap.servers\" = \"{SERVERS}\"\n"
    );
    let broker = Broker::start()?;
    let topic = drained(&folder.join("topic"), &of_topic, events)?;
    drop(broker);
    let place = folder.join("events");
    std::fs::create_dir_all(&place).context("cannot make a folder")?;
    let of_files = format!(
        "[sources.ventas.transacciones]\ndirectory = \"{}\"\n",
        place.display()
    );
    Ok((topic, drained(&folder.join("files"), &of_files, events)?))
}

struct Broker(Child);

impl Broker {
    fn start() -> Result<Self> {
        let started = Command::new("nisshi")
            .args(["broker", "--listener-url", &format!("tcp://{SERVERS}")])
            .args(["--advertised-listener-url", &format!("tcp://{SERVERS}")])
            .args(["--storage-engine", "memory://nisshi/"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let broker = Self(started.context(BROKER)?);
        let begun = Instant::now();
        while std::net::TcpStream::connect(SERVERS).is_err() {
            if begun.elapsed() > Duration::from_secs(20) {
                bail!("the broker does not listen on {SERVERS}: is the port in use?");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let topic = Command::new("nisshi")
            .args(["topic", "create", "--broker", &format!("tcp://{SERVERS}")])
            .args(["--partitions", PARTITIONS, TOPIC])
            .status();
        if !topic.context(BROKER)?.success() {
            bail!("the broker makes no topic");
        }
        Ok(broker)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Events a second of one run over a mesh with the ventas plugin.
fn drained(mesh: &Path, source: &str, events: &str) -> Result<f64> {
    let malla = Profile::Release.malla();
    shell::run("malla init", command(&malla).arg("init").arg(mesh))?;
    let plugin = Profile::Release.folder().join("plugins/ventas.wasm");
    std::fs::copy(plugin, mesh.join("plugins/ventas.wasm")).context("cannot copy the plugin")?;
    let config = mesh.join("malla.toml");
    let mut text = std::fs::read_to_string(&config).context("cannot read malla.toml")?;
    text.push_str(source);
    std::fs::write(&config, text).context("cannot write malla.toml")?;
    let on = |name: &str| {
        let mut command = command(&malla);
        command.arg(name).arg("--config").arg(&config);
        command
    };
    shell::run(
        "malla simulate",
        on("simulate").args(["--source", "transacciones", "--events", events]),
    )?;
    let output = on("run")
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
