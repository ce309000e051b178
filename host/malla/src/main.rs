//! The `malla` command: wiring, nothing else.

mod cli;
mod commands;
mod components;
mod mesh;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    terminal::start_log();
    match commands::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", terminal::causes(&error));
            ExitCode::FAILURE
        }
    }
}
