//! `cargo xtask conformance`: the demo's tables and the contracts, read with other people's tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell::{self, Profile, command, root, target};
use crate::{demo, guests};

/// `deltalake`, `polars`, `pyarrow`: independent readers of the tables. `datacontract-cli`, `jsonschema`: of contracts.
const PACKAGES: [&str; 6] = [
    "deltalake",
    "polars",
    "pyarrow",
    "datacontract-cli",
    "jsonschema",
    "pyyaml",
];

pub(crate) fn run() -> Result<()> {
    demo::build()?;
    let python = environment()?;
    let work = target().join("conformance");
    if work.exists() {
        std::fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    }
    std::fs::create_dir_all(&work)?;
    let mesh = work.join("demo");
    shell::run(
        "malla demo",
        command(Profile::Release.malla())
            .args(["demo", "--once", "--events", "100000", "--dir"])
            .arg(&mesh),
    )?;
    maintained(&mesh)?;
    shell::run(
        "tables, by deltalake and polars",
        command(&python).arg("xtask/conformance/tables.py").arg(&mesh),
    )?;

    shell::run(
        "malla plugin new",
        command(Profile::Release.malla())
            .current_dir(&work)
            .args(["plugin", "new", "prueba"]),
    )?;
    let mut contracts = vec![work.join("prueba/contract.yaml")];
    for domain in guests::domains()? {
        contracts.push(root().join("plugins").join(domain).join("contract.yaml"));
    }
    shell::run(
        "contracts, by the ODCS schema",
        command(&python)
            .arg("xtask/conformance/contracts.py")
            .arg("host/contract/schema/odcs-json-schema-v3.1.0.json")
            .args(&contracts),
    )?;
    for contract in contracts {
        let lint = python.with_file_name("datacontract");
        shell::run(
            &format!("datacontract lint {}", contract.display()),
            command(lint)
                .args(["lint", "--json-schema"])
                .arg(root().join("host/contract/schema/odcs-json-schema-v3.1.0.json"))
                .arg(contract),
        )?;
    }
    Ok(())
}

/// More events, so that there are small files, and these put together.
fn maintained(mesh: &Path) -> Result<()> {
    let config = mesh.join("malla.toml");
    let text = std::fs::read_to_string(&config)?;
    let few = text.replace("# min_files = 8 ", "min_files = 2 # ");
    anyhow::ensure!(few != text, "{} has no `# min_files = 8`", config.display());
    std::fs::write(&config, few)?;
    for command in [
        &["simulate", "--events", "20000"][..],
        &["run", "--once"],
        &["maintain"],
    ] {
        shell::run(
            &format!("malla {}", command.join(" ")),
            shell::command(Profile::Release.malla())
                .args(command)
                .arg("--config")
                .arg(&config),
        )?;
    }
    Ok(())
}

/// The Python of a virtual environment below `target`, with the packages.
fn environment() -> Result<PathBuf> {
    let venv = target().join("conformance-venv");
    let python = venv.join("bin/python");
    if !venv.join("ready").exists() {
        eprintln!(
            "Making a Python environment in {} with {} (PyPI).",
            venv.display(),
            PACKAGES.join(", ")
        );
        shell::run(
            "python3 -m venv",
            command("python3").args(["-m", "venv"]).arg(&venv),
        )?;
        shell::run(
            "pip install",
            command(&python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(PACKAGES),
        )?;
        std::fs::write(venv.join("ready"), "")?;
    }
    Ok(python)
}
