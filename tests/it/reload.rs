//! Policies that change while `malla run` goes on.

use serde_json::json;

use crate::support::{Mesh, Running, metrics, sale_with, wait_until};

const PHONE: &str = "+52 55 1234 5678";

fn accounted(mesh: &Mesh) -> u64 {
    let quarantine = mesh
        .path()
        .join("lake/ventas/quarantine/transacciones/_delta_log");
    if !quarantine.exists() {
        return 0;
    }
    mesh.count("ventas.transacciones") + mesh.count("ventas_quarantine.transacciones")
}

/// Writes sales with a telephone number in their channel: hidden, blocked or passed as policy says at the time.
struct Writer<'a> {
    mesh: &'a Mesh,
    written: u64,
}

impl Writer<'_> {
    fn write(&mut self, count: u64) {
        for _ in 0..count {
            let id = format!("t-{}", self.written);
            self.mesh.put(&sale_with(&id, &[("canal", json!(PHONE))]));
            self.written += 1;
        }
    }

    fn wait(&self) {
        wait_until("every event is accounted for", || {
            accounted(self.mesh) == self.written
        });
    }
}

/// Lines that a run says it committed.
fn committed(running: &Running) -> u64 {
    let said = running.said();
    said.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["message"] == "Committed.")
        .filter_map(|line| line["lines"].as_u64())
        .sum()
}

fn mesh() -> Mesh {
    let mesh = Mesh::ventas();
    mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.2");
    mesh.edit("malla.toml", "rows = 65536", "rows = 7");
    mesh
}

#[test]
fn an_edit_takes_effect_without_a_restart_and_without_a_lost_or_doubled_event() {
    let mesh = mesh();
    let admin = mesh.admin();
    let mut writer = Writer {
        mesh: &mesh,
        written: 0,
    };
    writer.write(20);
    let running = Running::start(&mesh);
    writer.wait();
    let reloads = |changed, failed, in_force| {
        let told = metrics(admin);
        for line in [
            format!("malla_policy_reloads_total{{outcome=\"changed\"}} {changed}"),
            format!("malla_policy_reloads_total{{outcome=\"failed\"}} {failed}"),
            format!("malla_policy_last_reload_successful {in_force}"),
        ] {
            assert!(told.lines().any(|told| told == line), "no `{line}` in\n{told}");
        }
    };
    reloads(0, 0, 1);
    let blocked = "ventas_quarantine.transacciones WHERE stage = 'blocked'";
    let shown = format!("ventas.transacciones WHERE canal = '{PHONE}'");
    assert_eq!(mesh.count(blocked), 0);
    assert_eq!(mesh.count(&shown), 0, "hidden by the rule that there is");

    // Events go on arriving while the edit is made.
    let policy = "policies/masks.toml";
    writer.write(20);
    mesh.edit(policy, "action = \"mask\"", "action = \"block\"");
    wait_until("a new policy is in force", || {
        running.said().matches("A new policy is in force.").count() == 1
    });
    writer.write(20);
    writer.wait();
    let after = mesh.count(blocked);
    assert!(
        after >= 20,
        "{after} of the events that came after it are blocked"
    );

    // A broken edit keeps the old policy, and says where it is broken.
    mesh.edit(policy, "action = \"block\"", "action = \"blok\"");
    wait_until("it says so", || {
        running.said().contains("The new policy is not valid")
    });
    let said = running.said();
    let line = said
        .lines()
        .find(|line| line.contains("The new policy is not valid"))
        .unwrap();
    assert!(
        line.contains("masks.toml:") && line.contains("`blok`") && line.contains("block"),
        "{line}"
    );
    reloads(1, 1, 0);
    // Nobody reads under a broken policy: a query is decided by the files as they are.
    let unread = mesh
        .ask("user:ana", "informes", "SELECT 1 FROM ventas.transacciones")
        .unwrap_err();
    assert!(unread.contains("masks.toml:"), "{unread}");
    writer.write(20);
    wait_until("the host goes on under the policy before", || {
        committed(&running) == writer.written
    });
    mesh.edit(policy, "action = \"blok\"", "action = \"warn\"");
    wait_until("the next one is", || {
        running.said().matches("A new policy is in force.").count() == 2
    });
    writer.write(20);
    writer.wait();
    assert_eq!(mesh.count(&shown), 20);
    assert_eq!(mesh.count(blocked), after + 20);
    reloads(2, 1, 1);
    let told = metrics(admin);
    let lines = format!(
        "malla_source_lines_total{{domain=\"ventas\",source=\"transacciones\"}} {}",
        writer.written
    );
    assert!(told.lines().any(|line| line == lines), "{told}");
    assert!(!told.contains(PHONE));
    running.stop();
    mesh.every_event_once(writer.written);

    let outcomes: Vec<String> = mesh
        .audit()
        .iter()
        .filter(|record| record["kind"] == "reload")
        .map(|record| record["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes, ["done", "failed", "done"]);
}

#[test]
fn a_right_that_is_taken_stops_a_flow_and_given_back_lets_it_go_on() {
    let mesh = mesh();
    let mut writer = Writer {
        mesh: &mesh,
        written: 0,
    };
    writer.write(20);
    let running = Running::start(&mesh);
    writer.wait();
    let policy = "policies/domains/ventas.csv";
    let right = "p, plugin:ventas, ventas, ventas_raw.*, write, *, allow";
    mesh.edit(policy, right, &format!("# {right}"));
    wait_until("the flow stops", || running.said().contains("A flow stopped."));
    let said = running.said();
    assert!(said.contains(right), "it says which line to add:\n{said}");
    let before = accounted(&mesh);
    writer.write(20);
    mesh.edit(policy, &format!("# {right}"), right);
    writer.wait();
    assert_eq!(before, 20);
    running.stop();
    mesh.every_event_once(writer.written);
}

/// A mask that cannot hide its column would stop the flow and every reader: the rules before it stay.
#[test]
fn a_policy_that_does_not_fit_the_mesh_changes_nothing() {
    let mesh = mesh();
    let mut writer = Writer {
        mesh: &mesh,
        written: 0,
    };
    writer.write(20);
    let running = Running::start(&mesh);
    writer.wait();
    mesh.edit(
        "policies/masks.toml",
        "mask = \"token\"",
        "mask = \"truncate-to-year\"",
    );
    wait_until("it says so", || {
        running.said().contains("The new policy is not valid")
    });
    let said = running.said();
    let line = said
        .lines()
        .find(|line| line.contains("The new policy is not valid"))
        .unwrap();
    assert!(
        line.contains("masks.toml:18") && line.contains("cannot hide column `email`"),
        "{line}"
    );
    writer.write(20);
    wait_until("the flow goes on", || committed(&running) == writer.written);
    assert!(!running.said().contains("A flow stopped."));
    mesh.edit(
        "policies/masks.toml",
        "mask = \"truncate-to-year\"",
        "mask = \"token\"",
    );
    running.stop();
    mesh.every_event_once(writer.written);
}
