//! `cargo xtask demo`.

use std::time::Instant;

use anyhow::Result;

use crate::shell::{self, Profile, cargo, command};
use crate::{guests, machine};

pub(crate) fn build() -> Result<()> {
    let started = Instant::now();
    machine::libraries()?;
    shell::run(
        "cargo build --release (the first time takes minutes)",
        cargo().args(["build", "--release", "--package", "malla"]),
    )?;
    guests::build_plugins(Profile::Release)?;
    eprintln!("== built in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    build()?;
    shell::run(
        "malla demo",
        command(Profile::Release.malla()).arg("demo").args(arguments),
    )
}
