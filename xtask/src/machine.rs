//! What this repository needs of a machine. Installed here, or explained; never silently.

use anyhow::{Result, bail};

use crate::shell::{command, output, run};

const DEBIAN: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Makes sure that plugins can be compiled to Wasm.
pub(crate) fn wasm() -> Result<()> {
    let Err(missing) = malla_toolchain::wasm_toolchain() else {
        return Ok(());
    };
    let rustup = output(command("rustup").arg("--version")).is_some();
    if rustup && std::env::var("RUSTUP_AUTO_INSTALL").as_deref() != Ok("0") {
        eprintln!(
            "Plugins are WebAssembly: adding the target wasm32-unknown-unknown to your Rust toolchain."
        );
        run(
            "rustup target add wasm32-unknown-unknown",
            command("rustup").args(["target", "add", "wasm32-unknown-unknown"]),
        )?;
    } else if may_apt() {
        eprintln!("Plugins are WebAssembly, and this Rust toolchain has no target for it.");
        eprintln!(
            "Installing Debian's {} (about 300 MB), beside the Rust toolchain that is there.",
            DEBIAN.join(", ")
        );
        apt(&DEBIAN)?;
    }
    match malla_toolchain::wasm_toolchain() {
        Ok(_) => Ok(()),
        Err(_) => bail!("{missing}"),
    }
}

/// What the host is linked with: the file by which it is known, and its Debian package.
const LIBRARIES: [(&str, &str); 2] = [
    ("/usr/include/openssl/ssl.h", "libssl-dev"),
    ("/usr/bin/pkg-config", "pkg-config"),
];

/// Makes sure that the host can be built, or says what is missing.
pub(crate) fn libraries() -> Result<()> {
    if output(command("pkg-config").args(["--exists", "openssl"])).is_some() {
        return Ok(());
    }
    let missing: Vec<&str> = LIBRARIES
        .iter()
        .filter(|(file, _)| !std::path::Path::new(file).exists())
        .map(|(_, package)| *package)
        .collect();
    // Where it stands elsewhere, whoever put it there has told the build.
    if missing.is_empty() || std::env::var_os("OPENSSL_DIR").is_some() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !may_apt() {
        bail!(
            "Kafka and SFTP are reached by OpenSSL, whose headers are not on this machine: sudo apt-get install {packages}"
        );
    }
    eprintln!("Kafka and SFTP are reached by OpenSSL: installing Debian's {packages}.");
    apt(&missing)
}

/// Servers that the tests start: the program, and the Debian package that it is in.
const SERVERS: [(&str, &str); 2] = [
    ("/usr/sbin/sshd", "openssh-server"),
    ("/usr/bin/promtool", "prometheus"),
];

/// Makes sure that the tests' servers are there, or says what is missing.
pub(crate) fn servers() -> Result<()> {
    let missing: Vec<&str> = SERVERS
        .iter()
        .filter(|(program, _)| !std::path::Path::new(program).exists())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !may_apt() {
        bail!("the tests start servers that are not on this machine: sudo apt-get install {packages}");
    }
    eprintln!("The tests start servers on loopback: installing Debian's {packages}.");
    apt(&missing)
}

/// Whether Debian packages can be installed here.
fn may_apt() -> bool {
    output(command("id").arg("-u")).as_deref() == Some("0")
        && output(command("apt-get").arg("--version")).is_some()
}

/// Installs Debian packages.
fn apt(packages: &[&str]) -> Result<()> {
    run("apt-get update", command("apt-get").args(["update", "-qq"]))?;
    run(
        "apt-get install",
        command("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::process::Stdio::null()),
    )
}
