//! `malla init`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::{components, mesh, terminal};

pub(crate) fn init(dir: &Path) -> Result<ExitCode> {
    // Whoever put components there first gets their sources named, and the rules that come with their domains.
    let found = components::inside(&dir.join("plugins"))?;
    let sources = components::sources(&found);
    let config = mesh::create(dir, &sources)?;
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
    for (domain, source) in &sources {
        println!("  sources/{domain}/{source}  what {domain} reads; another place is an edit of malla.toml");
    }
    if sources.is_empty() {
        println!("Name each plugin's sources in {}, then:", config.display());
    } else {
        println!("\nNext:");
    }
    println!("  malla doctor --config {}", config.display());
    println!("  malla run --config {}", config.display());
    Ok(ExitCode::SUCCESS)
}
