//! Expressions of a type over the columns in scope.

use super::{Columns, Generator, Ty, VALUES};

impl Generator {
    /// A column of a type, or a literal where there is none. Sometimes one that is hidden.
    pub(super) fn column(&mut self, scope: &Columns, ty: Ty) -> String {
        let fitting: Vec<&String> = scope
            .iter()
            .filter(|(_, of)| *of == ty)
            .map(|(name, _)| name)
            .collect();
        if fitting.is_empty() {
            return self.literal(ty);
        }
        if self.one_in(400) {
            return "direccion".into();
        }
        let mut name = fitting[self.upto(fitting.len())].clone();
        if name.ends_with("telefono") && !self.one_in(4) {
            name.clone_from(fitting[0]);
        }
        self.repeats &= !name.ends_with("telefono");
        name
    }

    pub(super) fn literal(&mut self, ty: Ty) -> String {
        match ty {
            Ty::Bool => self.pick(&["true", "false", "NULL"]).into(),
            Ty::Int => match self.upto(4) {
                0 => self.upto(2_000_000_000).to_string(),
                1 => "NULL".into(),
                _ => self.upto(30).to_string(),
            },
            Ty::Text => self
                .pick(&[
                    "''", "'a'", "'m'", "'x'", "'xxxx'", "'Norte'", "'web'", "'4'", "'tok'", "'1'", "'-'",
                    "NULL",
                ])
                .into(),
            Ty::Date => format!("DATE '{}-0{}-01'", 1930 + self.upto(100), 1 + self.upto(9)),
        }
    }

    pub(super) fn value(&mut self, scope: &Columns, ty: Ty, depth: usize) -> String {
        if depth == 0 || self.one_in(2) {
            return if self.one_in(10) {
                self.literal(ty)
            } else {
                self.column(scope, ty)
            };
        }
        let d = depth - 1;
        if self.one_in(8) {
            return self.any_type(scope, ty, d);
        }
        match ty {
            Ty::Bool => self.condition(scope, d),
            Ty::Int => self.integer(scope, d),
            Ty::Text => self.text(scope, d),
            Ty::Date => self.date(scope, d),
        }
    }

    pub(super) fn any_type(&mut self, scope: &Columns, ty: Ty, d: usize) -> String {
        let (a, b) = (self.value(scope, ty, d), self.value(scope, ty, d));
        match self.upto(6) {
            0 => format!("coalesce({a}, {b})"),
            1 => format!("nullif({a}, {b})"),
            2 => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.condition(scope, d)),
            3 => format!("greatest({a}, {b})"),
            4 => format!("least({a}, {b})"),
            _ => {
                let (sql, columns) = self.select(d.min(1), Some(&[ty]));
                format!("(SELECT max({}) FROM ({sql}) {})", columns[0].0, self.name("s"))
            }
        }
    }

    pub(super) fn integer(&mut self, scope: &Columns, d: usize) -> String {
        let text = |this: &mut Self| this.value(scope, Ty::Text, d);
        match self.upto(18) {
            0 => format!("length({})", text(self)),
            1 => format!("ascii({})", text(self)),
            2 => format!("strpos({}, {})", text(self), self.literal(Ty::Text)),
            3 => format!("levenshtein({}, {})", text(self), text(self)),
            4 => format!("octet_length({})", text(self)),
            5 => format!(
                "CAST(extract({} FROM {}) AS BIGINT)",
                self.pick(&["day", "month", "year", "dow", "epoch"]),
                self.value(scope, Ty::Date, d)
            ),
            6 => format!(
                "try_cast(substr({}, {}, 1) AS BIGINT)",
                text(self),
                1 + self.upto(12)
            ),
            7 => format!("try_cast(replace({}, '-', '') AS BIGINT)", text(self)),
            8 if self.one_in(3) => format!("CAST({} AS BIGINT)", text(self)),
            9 if self.one_in(3) => {
                let (a, b) = (self.value(scope, Ty::Int, d), self.value(scope, Ty::Int, d));
                format!("({a} {} {b})", self.pick(&["/", "%"]))
            }
            10 => format!("abs({})", self.value(scope, Ty::Int, d)),
            11 => format!("(- {})", self.value(scope, Ty::Int, d)),
            12 => format!(
                "({} / nullif({}, 0))",
                self.value(scope, Ty::Int, d),
                self.value(scope, Ty::Int, d)
            ),
            13 => format!(
                "datediff('day', {}, DATE '2000-01-01')",
                self.value(scope, Ty::Date, d)
            ),
            14 => format!("CAST({} AS BIGINT)", self.value(scope, Ty::Bool, d)),
            15 => format!("round({})", self.value(scope, Ty::Int, d)),
            _ => {
                let (a, b) = (self.value(scope, Ty::Int, d), self.literal(Ty::Int));
                format!("({a} {} {b})", self.pick(&["+", "-"]))
            }
        }
    }

    pub(super) fn text(&mut self, scope: &Columns, d: usize) -> String {
        let text = |this: &mut Self| this.value(scope, Ty::Text, d);
        match self.upto(20) {
            0 => format!("upper({})", text(self)),
            1 => format!("lower({})", text(self)),
            2 => format!("reverse({})", text(self)),
            3 => format!("substr({}, {})", text(self), 1 + self.upto(8)),
            4 => format!("left({}, {})", text(self), self.upto(12)),
            5 => format!("right({}, {})", text(self), self.upto(12)),
            6 => format!("({} || {})", text(self), text(self)),
            7 => format!("replace({}, {}, '')", text(self), self.literal(Ty::Text)),
            8 => format!("split_part({}, '-', {})", text(self), 1 + self.upto(3)),
            9 => format!("lpad({}, {}, '.')", text(self), self.upto(20)),
            10 => format!("repeat({}, {})", text(self), self.upto(4)),
            11 => format!("CAST({} AS TEXT)", self.value(scope, Ty::Int, d)),
            12 => format!("CAST({} AS TEXT)", self.value(scope, Ty::Date, d)),
            13 => format!(
                "to_char({}, '{}')",
                self.value(scope, Ty::Date, d),
                self.pick(&["%d", "%Y-%m-%d", "%j"])
            ),
            14 => format!("to_hex({})", self.value(scope, Ty::Int, d)),
            15 => format!("initcap({})", text(self)),
            16 => format!("regexp_replace({}, '[aeiou0-4]', '_', 'g')", text(self)),
            17 => format!("arrow_typeof({})", text(self)),
            18 => format!("array_to_string(make_array({}, {}), '|')", text(self), text(self)),
            _ => format!("concat_ws('-', {}, {})", text(self), text(self)),
        }
    }

    pub(super) fn date(&mut self, scope: &Columns, d: usize) -> String {
        let date = self.value(scope, Ty::Date, d);
        match self.upto(6) {
            0 => format!(
                "CAST(date_trunc('{}', {date}) AS DATE)",
                self.pick(&["year", "month"])
            ),
            // Never by days: a day of a month that is shown would come out by chance.
            1 => format!("CAST({date} + INTERVAL '{} months' AS DATE)", self.upto(40)),
            2 if self.one_in(3) => format!("CAST({} AS DATE)", self.value(scope, Ty::Text, d)),
            3 => format!("try_cast({} AS DATE)", self.value(scope, Ty::Text, d)),
            4 => format!("CAST(CAST({date} AS TIMESTAMP) AS DATE)"),
            _ => date,
        }
    }

    pub(super) fn condition(&mut self, scope: &Columns, depth: usize) -> String {
        let d = depth.saturating_sub(1);
        let ty = self.pick(&VALUES);
        let value = self.value(scope, ty, d);
        match self.upto(if depth == 0 { 7 } else { 14 }) {
            0 => format!(
                "{value} {} {}",
                self.pick(&["=", "<>", "<", ">="]),
                self.literal(ty)
            ),
            1 => format!("{value} IS NOT NULL"),
            2 => format!("{value} BETWEEN {} AND {}", self.literal(ty), self.literal(ty)),
            3 => format!("{value} IN ({}, {})", self.literal(ty), self.literal(ty)),
            4 => format!(
                "{} LIKE '{}'",
                self.column(scope, Ty::Text),
                self.pick(&["%a%", "4%", "x%", "%@%", "_e%", "%1", "N%"])
            ),
            5 => format!(
                "{} ~ '{}'",
                self.column(scope, Ty::Text),
                self.pick(&["^[a-m]", "[0-4]$", "x", "^4"])
            ),
            6 => format!("{value} IS DISTINCT FROM {}", self.column(scope, ty)),
            7 => format!("{value} = {}", self.value(scope, ty, d)),
            8 => format!("NOT ({})", self.condition(scope, d)),
            9 => format!("({} AND {})", self.condition(scope, d), self.condition(scope, d)),
            10 => format!("({} OR {})", self.condition(scope, d), self.condition(scope, d)),
            11 => {
                let (sql, _) = self.select(d.min(1), Some(&[ty]));
                format!("{value} {}IN ({sql})", self.pick(&["", "NOT "]))
            }
            12 => {
                let (from, inner) = self.relation(0);
                let (a, b) = (self.column(scope, ty), self.column(&inner, ty));
                format!(
                    "{}EXISTS (SELECT 1 FROM {from} WHERE {a} = {b})",
                    self.pick(&["", "NOT "])
                )
            }
            _ => format!("{value} < {}", self.value(scope, ty, d)),
        }
    }

    pub(super) fn aggregate(&mut self, scope: &Columns, ty: Ty, depth: usize) -> String {
        let d = depth.saturating_sub(1);
        let value = self.value(scope, ty, d);
        let filter = if self.one_in(8) {
            format!(" FILTER (WHERE {})", self.condition(scope, 0))
        } else {
            String::new()
        };
        let of_all = self.pick(&VALUES);
        let any = self.value(scope, of_all, d);
        let kind = self.upto(6);
        // Among equals, any may be first.
        self.repeats &= ![3, 4].contains(&kind) || ty == Ty::Int;
        match (ty, kind) {
            (Ty::Int, 0) => format!("count(*){filter}"),
            (Ty::Int, 1) => format!("count({any}){filter}"),
            (Ty::Int, 2) => format!("count(DISTINCT {any})"),
            (Ty::Int, 3) => format!("CAST(sum({value}) AS BIGINT)"),
            (Ty::Int, 4) => format!(
                "CAST({}({value}) AS BIGINT)",
                self.pick(&["avg", "median", "stddev", "var_pop"])
            ),
            (Ty::Text, 0) => format!("string_agg({value}, '|' ORDER BY {value})"),
            (Ty::Text, 1) => format!("array_to_string(array_agg({value} ORDER BY {value}), ',')"),
            (Ty::Text, 2) => format!("string_agg(DISTINCT {value}, '|' ORDER BY {value})"),
            (_, 3) => format!("first_value({value} ORDER BY {any})"),
            (_, 4) => format!("last_value({value} ORDER BY {any})"),
            _ => format!("{}({value}){filter}", self.pick(&["min", "max"])),
        }
    }

    pub(super) fn window(&mut self, scope: &Columns, ty: Ty, depth: usize) -> String {
        let d = depth.saturating_sub(1);
        let value = self.value(scope, ty, d);
        let by = self.pick(&VALUES);
        let over = format!(
            "(PARTITION BY {} ORDER BY {}, {})",
            self.column(scope, by),
            self.value(scope, by, d),
            self.column(scope, Ty::Int)
        );
        let kind = self.upto(6);
        self.repeats &= ![0, 3, 4, 5].contains(&kind);
        match (ty, kind) {
            (Ty::Int, 0) => format!("CAST(row_number() OVER {over} AS BIGINT)"),
            (Ty::Int, 1) => format!("CAST(rank() OVER {over} AS BIGINT)"),
            (Ty::Int, 2) => format!("CAST(sum({value}) OVER {over} AS BIGINT)"),
            (_, 3) => format!("lag({value}) OVER {over}"),
            (_, 4) => format!("lead({value}, 2) OVER {over}"),
            (_, 5) => format!("first_value({value}) OVER {over}"),
            _ => format!("max({value}) OVER {over}"),
        }
    }
}
