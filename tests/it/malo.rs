//! A domain whose plugin is the hostile guest, behaving: another step's name in its contract is another version of it.

use std::path::PathBuf;

use crate::deploy::deploy;
use crate::support::{Mesh, evil};

/// The hostile guest, behaving: the step's name says what it makes. One column of the source for each of `columns`.
pub(crate) fn contract(version: &str, columns: &[&str], steps: &[(&str, &str)]) -> String {
    let listed = |names: &[&str]| -> String {
        let properties = names
            .iter()
            .map(|name| format!("      - {{ name: {name}, logicalType: integer, description: Number. }}\n"));
        properties.collect()
    };
    let tables: String = steps
        .iter()
        .map(|(_, product)| format!("  - name: {product}\n    properties:\n{}", listed(columns)))
        .collect();
    let made: Vec<String> = steps
        .iter()
        .map(|(step, product)| {
            let reads = columns.join(", ");
            format!("{{ name: {step}, source: eventos, product: {product}, reads: [{reads}], rules: [] }}")
        })
        .collect();
    format!(
        r#"apiVersion: v3.1.0
kind: DataContract
id: malo
name: Malo
version: {version}
status: active
domain: malo
team: {{ name: equipo-malo }}
schema:
  - name: evento
    properties:
      - {{ name: id, logicalType: string, description: Id. }}
{}{tables}customProperties:
  - property: mallaSources
    value: [{{ name: eventos, schema: evento }}]
  - property: mallaSteps
    value: [{}]
"#,
        listed(columns),
        made.join(", ")
    )
}

pub(crate) struct Malo {
    pub(crate) mesh: Mesh,
    written: u64,
}

impl Malo {
    /// A mesh whose plugin `malo` may be deployed by `user:mara`.
    pub(crate) fn new() -> Self {
        let mesh = Mesh::ventas_empty();
        std::fs::remove_file(mesh.path().join("plugins/ventas.wasm")).unwrap();
        mesh.edit("malla.toml", "seconds = 5.0", "seconds = 0.2");
        let malo = Self { mesh, written: 0 };
        malo.allow("malo");
        malo
    }

    pub(crate) fn allow(&self, domain: &str) {
        let rules = format!(
            "p, plugin:{domain}, {domain}, {domain}.*, write, *, allow\n\
             p, plugin:{domain}, {domain}, {domain}_raw.*, write, *, allow\n\
             p, plugin:{domain}, {domain}, {domain}_quarantine.*, write, *, allow\n\
             p, user:mara, {domain}, {domain}.*, deploy, *, allow\n"
        );
        let file = self.mesh.path().join(format!("policies/domains/{domain}.csv"));
        std::fs::write(file, rules).unwrap();
        let source = self.mesh.add_source(domain, "eventos");
        std::fs::create_dir(source.join("0")).unwrap();
    }

    pub(crate) fn write(&mut self, count: u64) {
        use std::io::Write as _;
        let path = self.mesh.path().join("sources/malo/eventos/0/a.jsonl");
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        for n in self.written..self.written + count {
            writeln!(file, r#"{{"id":"e-{n}","n":{n},"m":{}}}"#, n + 1).unwrap();
        }
        self.written += count;
    }

    fn component(&self, contract: &str) -> PathBuf {
        let path = self.mesh.path().join("nuevo.wasm");
        let component = malla_contract::embed(&std::fs::read(evil()).unwrap(), contract).unwrap();
        std::fs::write(&path, component).unwrap();
        path
    }

    pub(crate) fn deploy(&self, contract: &str, more: &[&str]) -> Result<String, String> {
        deploy(&self.mesh, "user:mara", &self.component(contract), more)
    }
}
