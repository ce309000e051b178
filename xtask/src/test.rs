//! `cargo xtask test`, `cargo xtask chaos`.

use std::time::Instant;

use anyhow::Result;

use crate::shell::{self, Profile, cargo, root};
use crate::{demo, guests};

pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    shell::run("format", cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(
        "clippy",
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]),
    )?;
    shell::run("build", cargo().args(["build", "--workspace"]))?;
    guests::build_all(Profile::Dev)?;
    shell::run(
        "unit, integration and doc tests",
        cargo().args(["test", "--workspace"]),
    )?;
    for domain in guests::DOMAINS {
        let dir = root().join("plugins").join(domain);
        shell::run(
            &format!("native tests of {domain}"),
            cargo().current_dir(dir).arg("test"),
        )?;
    }
    shell::run(
        "API docs",
        cargo()
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "--deny warnings"),
    )?;
    eprintln!("== all of it in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The long form of the test that kills `malla run`: in release, 200,000 events.
pub(crate) fn chaos(kills: &str) -> Result<()> {
    demo::build()?;
    shell::run(
        "chaos",
        cargo()
            .args([
                "test",
                "--package",
                "malla-tests",
                "--",
                "--ignored",
                "--nocapture",
                "killed",
            ])
            .env("MALLA_TEST_KILLS", kills)
            .env("MALLA_TEST_BINARY", Profile::Release.malla()),
    )
}
