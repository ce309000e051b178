//! A broker and meshes for what is measured from a topic.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::{self, Profile, command};

pub(crate) const PARTITIONS: &str = "4";
pub(crate) const TOPIC: &str = "ventas.transacciones";
const SERVERS: &str = "127.0.0.1:9092";

/// How the broker is got, where there is none.
const BROKER: &str = "no `nisshi` in PATH: cargo install --locked --no-default-features --features dynostore nisshi --version 0.8.1";

/// In memory, with one topic.
pub(crate) struct Broker(Child);

impl Broker {
    pub(crate) fn start() -> Result<Self> {
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

/// The ventas plugin, and its sales.
pub(crate) struct Mesh(PathBuf);

impl Mesh {
    /// Whose sales come by the topic.
    pub(crate) fn of_topic(place: &Path) -> Result<Self> {
        let source = format!(
            "[sources.ventas.transacciones.kafka]\ntopic = \"{TOPIC}\"\nsettings.\"bootstrap.servers\" = \"{SERVERS}\"\n"
        );
        Self::with(place, &source)
    }

    /// Whose sales come by files.
    pub(crate) fn of_files(place: &Path, files: &Path) -> Result<Self> {
        std::fs::create_dir_all(files).context("cannot make a folder")?;
        let source = format!(
            "[sources.ventas.transacciones]\ndirectory = \"{}\"\n",
            files.display()
        );
        Self::with(place, &source)
    }

    fn with(place: &Path, source: &str) -> Result<Self> {
        shell::run(
            "malla init",
            command(Profile::Release.malla()).arg("init").arg(place),
        )?;
        let plugin = Profile::Release.folder().join("plugins/ventas.wasm");
        std::fs::copy(plugin, place.join("plugins/ventas.wasm")).context("cannot copy the plugin")?;
        let mesh = Self(place.to_owned());
        mesh.add(source)?;
        Ok(mesh)
    }

    /// Adds lines to `malla.toml`.
    pub(crate) fn add(&self, lines: &str) -> Result<()> {
        let config = self.0.join("malla.toml");
        let mut text = std::fs::read_to_string(&config).context("cannot read malla.toml")?;
        text.push_str(lines);
        std::fs::write(&config, text).context("cannot write malla.toml")
    }

    /// Replaces a piece of `malla.toml`.
    pub(crate) fn edit(&self, from: &str, to: &str) -> Result<()> {
        let config = self.0.join("malla.toml");
        let text = std::fs::read_to_string(&config).context("cannot read malla.toml")?;
        if !text.contains(from) {
            bail!("no `{from}` in malla.toml");
        }
        std::fs::write(&config, text.replace(from, to)).context("cannot write malla.toml")
    }

    /// A command of `malla` on this mesh.
    pub(crate) fn on(&self, name: &str) -> Command {
        let mut command = command(Profile::Release.malla());
        command.arg(name).arg("--config").arg(self.0.join("malla.toml"));
        command
    }

    pub(crate) fn simulate(&self, events: &str) -> Command {
        let mut command = self.on("simulate");
        command.args(["--source", "transacciones", "--events", events]);
        command
    }
}

/// A folder that goes with whoever made it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("malla-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).context("cannot make a folder")?;
        Ok(Self(folder))
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Another run makes another.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
