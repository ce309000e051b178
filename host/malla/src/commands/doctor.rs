//! `malla doctor`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use malla_pipeline::{Config, Mesh, SourceConfig};
use malla_source::{KafkaWriter, SftpSource};

struct Check {
    what: &'static str,
    outcome: Result<String, String>,
}

pub(crate) fn doctor(config: &Path) -> Result<ExitCode> {
    let mut checks = vec![Check {
        what: "Wasm toolchain",
        outcome: malla_toolchain::wasm_toolchain()
            .map(|t| t.to_string())
            .map_err(|e| e.to_string()),
    }];
    checks.extend(mesh(config));
    let mut healthy = true;
    for Check { what, outcome } in &checks {
        match outcome {
            Ok(found) => println!("ok       {what:<16} {found}"),
            Err(missing) => {
                healthy = false;
                println!(
                    "missing  {what:<16} {}",
                    missing.replace('\n', "\n                          ")
                );
            }
        }
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn mesh(path: &Path) -> Vec<Check> {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            return vec![Check {
                what: "mesh",
                outcome: Err(error.to_string()),
            }];
        }
    };
    let mut checks = vec![Check {
        what: "mesh",
        outcome: Ok(path.display().to_string()),
    }];
    let sources = config.sources.values().flat_map(|sources| sources.values());
    checks.extend(sources.map(|source| {
        let outcome = match source {
            SourceConfig::Directory(directory) if directory.is_dir() => Ok(directory.display().to_string()),
            SourceConfig::Directory(directory) => Err(format!(
                "{} is no folder: create it, or change `directory` in malla.toml",
                directory.display()
            )),
            SourceConfig::Kafka(kafka) => KafkaWriter::open(kafka, &kafka.topic)
                .and_then(|topic| topic.partitions())
                .map(|count| format!("topic {}, {count} partitions", kafka.topic))
                .map_err(|error| error.to_string()),
            SourceConfig::Sftp(sftp) => SftpSource::try_out(sftp)
                .map(|count| format!("{}:{}, {count} files", sftp.host, sftp.folder))
                .map_err(|error| error.to_string()),
        };
        Check {
            what: "source",
            outcome,
        }
    }));
    match Mesh::open(config) {
        Ok(mesh) => {
            checks.push(Check {
                what: "keys",
                outcome: Ok("readable by their owner only".into()),
            });
            checks.push(Check {
                what: "policies",
                outcome: Ok("valid; `malla policy check` says what is probably not meant".into()),
            });
            checks.push(Check {
                what: "audit log",
                outcome: Ok("can be written; `malla audit verify` reads it all".into()),
            });
            checks.extend(mesh.contracts().iter().map(|contract| Check {
                what: "plugin",
                outcome: Ok(format!("{} {}", contract.domain, contract.version)),
            }));
            checks.extend(mesh.problems().into_iter().map(|problem| Check {
                what: "plugin",
                outcome: Err(problem),
            }));
        }
        Err(error) => checks.push(Check {
            what: "mesh",
            outcome: Err(error.to_string()),
        }),
    }
    checks
}
