//! Random SQL over the tables of the test mesh. Expressions know their types, so that most queries run; some casts,
//! divisions and names are wrong on purpose.

mod expressions;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ty {
    Bool,
    Int,
    Text,
    Date,
}

/// What is computed with.
const VALUES: [Ty; 3] = [Ty::Int, Ty::Text, Ty::Date];

/// Tables, as the reader of the test may see them.
const TABLES: [(&str, &[(&str, Ty)]); 4] = [
    (
        "ventas.transacciones",
        &[
            ("id", Ty::Int),
            ("region", Ty::Text),
            ("canal", Ty::Text),
            ("monto", Ty::Int),
            ("cantidad", Ty::Int),
            ("email", Ty::Text),
            ("alias", Ty::Text),
            ("otro", Ty::Text),
            ("tarjeta", Ty::Text),
            ("nacimiento", Ty::Date),
            ("telefono", Ty::Text),
            ("nombre", Ty::Text),
            ("nivel", Ty::Text),
            ("sueldo", Ty::Int),
            ("edad", Ty::Int),
            ("fecha", Ty::Date),
        ],
    ),
    (
        "ventas_raw.transacciones",
        &[
            ("source_offset", Ty::Int),
            ("id", Ty::Int),
            ("region", Ty::Text),
            ("canal", Ty::Text),
            ("monto", Ty::Int),
            ("email", Ty::Text),
            ("tarjeta", Ty::Text),
            ("nacimiento", Ty::Date),
            ("nombre", Ty::Text),
            ("nivel", Ty::Text),
            ("sueldo", Ty::Int),
            ("edad", Ty::Int),
            ("fecha", Ty::Date),
        ],
    ),
    (
        "ventas_quarantine.transacciones",
        &[
            ("source_offset", Ty::Int),
            ("stage", Ty::Text),
            ("message", Ty::Text),
            ("line", Ty::Text),
            ("fecha", Ty::Date),
        ],
    ),
    (
        "ventas.clientes",
        &[
            ("id", Ty::Int),
            ("email", Ty::Text),
            ("nombre", Ty::Text),
            ("fecha", Ty::Date),
        ],
    ),
];

/// A query.
#[derive(Debug)]
pub(super) struct Sql {
    pub(super) text: String,
    /// The same rows give the same answer: it names nothing that differs from run to run.
    pub(super) repeats: bool,
}

type Columns = Vec<(String, Ty)>;

pub(super) struct Generator {
    random: Xoshiro256PlusPlus,
    names: usize,
    /// Of the query in hand: names and columns.
    ctes: Vec<(String, Columns)>,
    repeats: bool,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            names: 0,
            ctes: Vec::new(),
            repeats: true,
        }
    }

    pub(super) fn next(&mut self) -> Sql {
        (self.names, self.repeats) = (0, true);
        self.ctes.clear();
        let mut with = Vec::new();
        while self.one_in(4) && with.len() < 3 {
            let (sql, columns) = self.query(2, None);
            let name = self.name("w");
            with.push(format!("{name} AS ({sql})"));
            self.ctes.push((name, columns));
        }
        let (sql, columns) = self.query(3, None);
        let mut text = if with.is_empty() {
            sql
        } else {
            format!("WITH {} {sql}", with.join(", "))
        };
        let ordered = self.one_in(3);
        if ordered {
            let places: Vec<String> = (1..=columns.len()).map(|place| place.to_string()).collect();
            text = format!("{text} ORDER BY {}", places.join(", "));
        }
        if self.one_in(4) {
            text = format!("{text} LIMIT {}", self.upto(12));
            self.repeats &= ordered;
        }
        text = match self.upto(60) {
            0 => format!("EXPLAIN {text}"),
            1 => format!("EXPLAIN VERBOSE {text}"),
            2 => {
                self.repeats = false;
                format!("EXPLAIN ANALYZE {text}")
            }
            3 => format!("EXPLAIN FORMAT TREE {text}"),
            4 => format!("DESCRIBE {}", self.pick(&TABLES).0),
            _ => text,
        };
        Sql {
            text,
            repeats: self.repeats,
        }
    }

    fn upto(&mut self, n: usize) -> usize {
        self.random.random_range(0..n)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.upto(n) == 0
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.upto(list.len())]
    }

    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    /// A SELECT or a few of them, with columns `c0`, `c1`, ..
    fn query(&mut self, depth: usize, wanted: Option<&[Ty]>) -> (String, Columns) {
        let (sql, columns) = self.select(depth, wanted);
        if depth == 0 || !self.one_in(6) {
            return (sql, columns);
        }
        let types: Vec<Ty> = columns.iter().map(|(_, ty)| *ty).collect();
        let (other, _) = self.select(depth - 1, Some(&types));
        let operator = self.pick(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
        (format!("({sql}) {operator} ({other})"), columns)
    }

    fn select(&mut self, depth: usize, wanted: Option<&[Ty]>) -> (String, Columns) {
        let (from, scope) = self.from(depth);
        if wanted.is_none() && self.one_in(15) && !from.contains("JOIN") {
            self.repeats = false;
            let filter = self.filter(&scope, depth);
            return (format!("SELECT * FROM {from}{filter}"), scope_columns(&scope));
        }
        let types: Vec<Ty> = match wanted {
            Some(types) => types.to_vec(),
            None => (0..=self.upto(3)).map(|_| self.pick(&VALUES)).collect(),
        };
        let (mut items, mut group, mut having) = (Vec::new(), String::new(), String::new());
        let kind = self.upto(10);
        if kind < 3 {
            let keys: Vec<String> = (0..self.upto(3))
                .map(|_| {
                    let ty = self.pick(&VALUES);
                    self.column(&scope, ty)
                })
                .collect();
            items.extend(types.iter().map(|ty| self.aggregate(&scope, *ty, depth)));
            if !keys.is_empty() {
                group = format!(" GROUP BY {}", keys.join(", "));
                if self.one_in(4) {
                    let (left, right) = (self.aggregate(&scope, Ty::Int, 0), self.upto(30));
                    having = format!(" HAVING {left} > {right}");
                }
            }
        } else if kind == 3 {
            items.extend(types.iter().map(|ty| self.window(&scope, *ty, depth)));
        } else {
            items.extend(types.iter().map(|ty| self.value(&scope, *ty, depth)));
        }
        let distinct = if self.one_in(8) { "DISTINCT " } else { "" };
        let items: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(place, item)| format!("{item} AS c{place}"))
            .collect();
        let filter = self.filter(&scope, depth);
        let sql = format!(
            "SELECT {distinct}{} FROM {from}{filter}{group}{having}",
            items.join(", ")
        );
        let columns = types
            .iter()
            .enumerate()
            .map(|(place, ty)| (format!("c{place}"), *ty));
        (sql, columns.collect())
    }

    fn filter(&mut self, scope: &Columns, depth: usize) -> String {
        if self.one_in(2) {
            return String::new();
        }
        format!(" WHERE {}", self.condition(scope, depth))
    }

    fn from(&mut self, depth: usize) -> (String, Columns) {
        let (mut sql, mut scope) = self.relation(depth);
        let joins = match self.upto(8) {
            0..5 => 0,
            5 | 6 => 1,
            _ => 2,
        };
        for _ in 0..joins {
            let (right, columns) = self.relation(depth.saturating_sub(1));
            let kind = self.pick(&[
                "JOIN",
                "LEFT JOIN",
                "RIGHT JOIN",
                "FULL JOIN",
                "CROSS JOIN",
                "LEFT SEMI JOIN",
            ]);
            if kind == "CROSS JOIN" {
                sql = format!("{sql} CROSS JOIN {right}");
                scope.extend(columns);
                continue;
            }
            let ty = self.pick(&VALUES);
            let (a, b) = (self.column(&scope, ty), self.column(&columns, ty));
            let mut on = format!("{a} = {b}");
            if self.one_in(4) && kind != "LEFT SEMI JOIN" {
                let both: Columns = scope.iter().chain(&columns).cloned().collect();
                on = format!("{on} AND {}", self.condition(&both, 0));
            }
            sql = format!("{sql} {kind} {right} ON {on}");
            if kind != "LEFT SEMI JOIN" {
                scope.extend(columns);
            }
        }
        (sql, scope)
    }

    fn relation(&mut self, depth: usize) -> (String, Columns) {
        let name = self.name("t");
        let (sql, columns) = match self.upto(10) {
            0 | 1 if !self.ctes.is_empty() => {
                let place = self.upto(self.ctes.len());
                self.ctes[place].clone()
            }
            2 | 3 if depth > 0 => {
                let (sql, columns) = self.query(depth - 1, None);
                (format!("({sql})"), columns)
            }
            _ => {
                let (table, columns) = TABLES[self.pick(&[0, 0, 0, 0, 1, 1, 2, 3])];
                let columns = columns.iter().map(|(name, ty)| ((*name).to_owned(), *ty));
                (table.to_owned(), columns.collect())
            }
        };
        let scope = columns
            .into_iter()
            .map(|(column, ty)| (format!("{name}.{column}"), ty));
        (format!("{sql} {name}"), scope.collect())
    }
}

fn scope_columns(scope: &Columns) -> Columns {
    scope
        .iter()
        .map(|(name, ty)| {
            (
                name.split_once('.')
                    .map_or(name.as_str(), |(_, own)| own)
                    .to_owned(),
                *ty,
            )
        })
        .collect()
}
