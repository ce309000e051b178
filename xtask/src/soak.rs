//! `cargo xtask soak`: what memory a host takes that follows a topic, minute by minute.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::broker::{Broker, Folder, Mesh};
use crate::demo;

/// Events a second.
const RATE: u64 = 20_000;
/// One call of `malla simulate` writes events for this long.
const PIECE: Duration = Duration::from_secs(5);
/// Memory is looked at this often.
const LOOK: Duration = Duration::from_millis(250);
/// The first minutes fill caches and pools.
/// Minutes that fill caches and pools ..
const WARM: usize = 2;
/// .. and those in which a day grows until it is more than making gold may hold.
const WARM_GOLD: usize = 5;
/// How much more the last third of the minutes may take than the first, of those after.
const FLAT: f64 = 1.15;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let reading_only = arguments.iter().any(|argument| argument == "--reading-only");
    let mut minutes = arguments.iter().filter(|argument| *argument != "--reading-only");
    let minutes = minutes.next().map_or(Ok(10), |minutes| minutes.parse::<usize>());
    let minutes = minutes.context("MINUTES must be a number")?;
    demo::build()?;
    let folder = Folder::new("soak")?;
    let _broker = Broker::start()?;
    let mesh = Mesh::of_topic(&folder.join("mesh"))?;
    if reading_only {
        mesh.edit("seconds = 10.0", "seconds = 86400.0")?;
        mesh.edit("seconds = 60.0", "seconds = 86400.0")?;
    }
    let log = std::fs::File::create(folder.join("run.log")).context("cannot make a log")?;
    let mut host = Host(
        mesh.on("run")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start malla")?,
    );
    println!("{RATE} events/s; resident memory of `malla run` in MiB, by minute");
    println!("minute     mean  highest");
    let mut means = Vec::new();
    let begun = Instant::now();
    let mut written = Duration::ZERO;
    for minute in 1..=minutes {
        let (mut sum, mut looks, mut highest) = (0.0, 0_u32, 0.0_f64);
        let mut writer: Option<Child> = None;
        let end = Duration::from_secs(60 * minute as u64);
        while begun.elapsed() < end {
            if let Some(status) = host.0.try_wait().context("cannot look at malla")? {
                bail!("malla run ended with {status}");
            }
            let is_busy = match &mut writer {
                Some(writer) => writer
                    .try_wait()
                    .context("cannot look at malla simulate")?
                    .is_none(),
                None => false,
            };
            if !is_busy && begun.elapsed() >= written {
                let events = (RATE * PIECE.as_secs()).to_string();
                let mut simulate = mesh.simulate(&events);
                simulate.stdout(Stdio::null()).stderr(Stdio::null());
                writer = Some(simulate.spawn().context("cannot start malla simulate")?);
                written += PIECE;
            }
            let resident = host.resident()?;
            sum += resident;
            looks += 1;
            highest = highest.max(resident);
            std::thread::sleep(LOOK);
        }
        if let Some(mut writer) = writer {
            writer.wait().context("cannot wait for malla simulate")?;
        }
        let mean = sum / f64::from(looks.max(1));
        println!("{minute:>6} {mean:>8.0} {highest:>8.0}");
        means.push(mean);
    }
    let behind = begun.elapsed().saturating_sub(written);
    if behind > PIECE * 2 {
        println!("The writer was {} s behind.", behind.as_secs());
    }
    let warm = if reading_only { WARM } else { WARM_GOLD };
    let rest = means.get(warm..).unwrap_or_default();
    let third = rest.len() / 3;
    let (first, last) = (rest.get(..third), rest.get(rest.len() - third..));
    let mean = |minutes: Option<&[f64]>| {
        minutes
            .filter(|minutes| !minutes.is_empty())
            .map(|minutes| minutes.iter().sum::<f64>() / minutes.len() as f64)
    };
    let Some((first, last)) = mean(first).zip(mean(last)) else {
        println!("Too short to say more: {} minutes at least.", warm + 3);
        return Ok(());
    };
    println!(
        "last third of the minutes after the first {warm}, against the first third: {:.2}",
        last / first
    );
    if last > first * FLAT {
        bail!("memory is not flat: {:.2} is more than {FLAT}", last / first);
    }
    Ok(())
}

struct Host(Child);

impl Host {
    /// MiB.
    fn resident(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.context("cannot look at the memory of malla")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).context("no VmRSS: is malla running?")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
