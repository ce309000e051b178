//! `cargo xtask test` and its long relatives.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::shell::{self, Profile, cargo, root, target};
use crate::{demo, guests, machine};

pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    machine::libraries()?;
    machine::servers()?;
    shell::run("format", cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(
        "build and clippy",
        linted().args(["build", "--workspace", "--all-targets"]),
    )?;
    guests::build_all(Profile::Dev)?;
    shell::run(
        "unit, integration and doc tests",
        linted().args(["test", "--workspace"]),
    )?;
    for domain in guests::domains()? {
        let dir = root().join("plugins").join(&domain);
        shell::run(
            &format!("native tests of {domain}"),
            cargo()
                .current_dir(dir)
                // One for all of them: most of what they depend on is the same.
                .env("CARGO_TARGET_DIR", target().join("native"))
                .arg("test"),
        )?;
    }
    eprintln!("== all of it in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// API docs, where a warning is an error. Apart from the tests, because rustdoc has every dependency checked anew, which
/// takes longer than the tests' own build of the workspace.
pub(crate) fn doc() -> Result<()> {
    shell::run(
        "API docs",
        cargo()
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "--deny warnings"),
    )
}

/// Cargo with clippy in the compiler's place, which compiles as it does: what is linted is what is tested, and nothing is
/// compiled or checked twice.
fn linted() -> Command {
    let mut cargo = cargo();
    cargo
        .env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver")
        .env("CLIPPY_ARGS", "--deny__CLIPPY_HACKERY__warnings");
    cargo
}

/// The long form of the test that kills `malla run`: in release, 200,000 events.
pub(crate) fn chaos(kills: &str) -> Result<()> {
    demo::build()?;
    shell::run(
        "chaos",
        cargo()
            .args([
                "test",
                "--workspace",
                "--test",
                "it",
                "--",
                "--ignored",
                "--nocapture",
                "killed",
            ])
            .env("MALLA_TEST_KILLS", kills)
            .env("MALLA_TEST_BINARY", Profile::Release.malla()),
    )
}

/// What tables cost as their logs grow.
pub(crate) fn growth() -> Result<()> {
    demo::build()?;
    shell::run(
        "growth",
        cargo()
            .args(["test", "--workspace", "--lib", "--test", "it", "--"])
            .args(["--ignored", "--nocapture", "growth_of"])
            .env("MALLA_TEST_BINARY", Profile::Release.malla()),
    )
}

/// The long form of the test that asks random SQL of a lake full of secrets.
pub(crate) fn fuzz_sql(seconds: &str) -> Result<()> {
    shell::run(
        "SQL fuzzer",
        cargo()
            .args([
                "test",
                "--workspace",
                "--lib",
                "--",
                "--ignored",
                "--nocapture",
                "random_queries_find_no_secret_for_long",
            ])
            .env("MALLA_FUZZ_SECONDS", seconds),
    )
}
