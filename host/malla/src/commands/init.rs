//! `malla init`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::{mesh, terminal};

pub(crate) fn init(dir: &Path) -> Result<ExitCode> {
    let config = mesh::create(dir, &[])?;
    println!("Made a mesh in {}", dir.display());
    println!();
    println!(
        "  keys/malla.keys       token and sealing keys, mode 0600: back them up, nobody can restore them"
    );
    println!(
        "  policies/             who may do and see what, and how personal data is masked; `malla policy check` reads them"
    );
    println!(
        "  policies/groups.csv   who has which role: {} runs this mesh",
        terminal::user()
    );
    println!("  plugins/              put components here (`malla plugin build` makes them)");
    println!();
    println!("Name each plugin's sources in {}, then:", config.display());
    println!("  malla doctor --config {}", config.display());
    println!("  malla run --config {}", config.display());
    Ok(ExitCode::SUCCESS)
}
