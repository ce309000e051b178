//! The commands of this repository: `cargo xtask demo`, `cargo xtask test`, and the rest of [`HELP`].

mod bench;
mod broker;
mod conformance;
mod demo;
mod guests;
mod machine;
mod shell;
mod soak;
mod test;
mod throughput;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  demo [-- ARGS]    build Malla and its plugins in release, run `malla demo ARGS`
  test              format, clippy, unit, integration and doc tests
  doc               API docs without warnings
  guests            build the Wasm components that tests and the demo use
  bench             measure what docs/performance.md claims, as ratios
  throughput [EVENTS]
                    measure `malla run` from a topic of EVENTS (default 3000000) on a real broker, and from files
  soak [MINUTES] [--reading-only]
                    measure the memory of a host that follows a topic for MINUTES (default 10), with or without
                    gold products and judging
  conformance       read the demo's tables and contracts with other people's tools (PyPI)
  chaos [KILLS]     kill `malla run` KILLS times (default 50) during one run of 200,000 events; then kill and freeze three
                    hosts of a group during 500,000, with a store that fails and a plugin that is swapped; count
  growth            measure what a commit and opening a table cost as its log grows to 1,000 commits
  fuzz-sql [SECONDS]
                    ask random SQL for SECONDS (default 600), and look for values that policy hides

Every command says what it installs, and why, before it does.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.skip_while(|argument| argument == "--").collect();
    let outcome = match command.as_deref() {
        Some("demo") => demo::run(&rest),
        Some("test") => test::run(),
        Some("doc") => test::doc(),
        Some("guests") => guests::build_all(shell::Profile::Dev).map(drop),
        Some("bench") => bench::run(),
        Some("throughput") => throughput::run(rest.first().map_or("3000000", String::as_str)),
        Some("soak") => soak::run(&rest),
        Some("conformance") => conformance::run(),
        Some("chaos") => test::chaos(rest.first().map_or("50", String::as_str)),
        Some("growth") => test::growth(),
        Some("fuzz-sql") => test::fuzz_sql(rest.first().map_or("600", String::as_str)),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some(other) => {
            eprintln!("unknown command `{other}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
