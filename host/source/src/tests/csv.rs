use malla_contract::Csv;
use proptest::prelude::*;

use super::*;

fn bed() -> Bed {
    let csv = Csv {
        delimiter: b';',
        ..Csv::default()
    };
    Bed {
        format: Format::Csv(csv),
        ..Bed::new()
    }
}

/// Every line with the header that it is below.
fn with_headers(lines: &Lines) -> Vec<String> {
    let headers: Vec<(u32, String)> = lines
        .headers()
        .map(|(from, header)| (from, String::from_utf8_lossy(header).into_owned()))
        .collect();
    (0_u32..)
        .zip(texts(lines))
        .map(|(index, line)| {
            let header = headers.iter().rev().find(|(from, _)| *from <= index);
            format!(
                "{} | {line}",
                header.map_or("none", |(_, header)| header.as_str())
            )
        })
        .collect()
}

#[test]
fn each_line_knows_the_header_of_its_file() {
    let bed = bed();
    bed.write("a.csv", "\u{FEFF}id;monto\r\n1;2\r\n3;4\r\n");
    bed.write("b.csv", "id;monto\n5;6\n");
    bed.write("c.csv", "monto;id\n7;8");
    bed.write("d.csv", "id;monto\n");
    bed.write("e.csv", "id;monto");
    bed.write("f.json", "{}");
    let all = [
        "id;monto | 1;2",
        "id;monto | 3;4",
        "id;monto | 5;6",
        "monto;id | 7;8",
    ];
    let lines = bed
        .reader(0)
        .next(BatchLimit::default(), Mode::Drain)
        .unwrap()
        .unwrap();
    assert_eq!(with_headers(&lines), all);
    assert_eq!(lines.headers().count(), 2);
    // Batch by batch, each by a reader that starts there.
    let one = BatchLimit { rows: 1, bytes: 1 };
    let mut position = 0;
    let mut again = Vec::new();
    while let Some(lines) = bed.reader(position).next(one, Mode::Drain).unwrap() {
        assert_eq!(lines.from(), position);
        position = lines.to();
        again.extend(with_headers(&lines));
    }
    assert_eq!(again, all);
    let repeated = bed.reader(position).repeat(0, position).unwrap();
    assert_eq!(repeated, lines);
}

#[test]
fn a_packed_file_has_its_header_wherever_it_is_opened() {
    let bed = bed();
    let rows: String = (0..50_000).map(|n| format!("{n};\"a\n{n}\"\n")).collect();
    bed.write("a.csv.gz", gzip(format!("id;texto\n{rows}").as_bytes()));
    let limit = BatchLimit {
        rows: 20_000,
        bytes: 1 << 20,
    };
    let first = bed.reader(0).next(limit, Mode::Drain).unwrap().unwrap();
    let second = bed.reader(first.to()).next(limit, Mode::Drain).unwrap().unwrap();
    assert_eq!(second.line(0).as_ref(), b"20000;\"a\n20000\"");
    assert_eq!(second.headers().collect::<Vec<_>>(), [(0, &b"id;texto"[..])]);
    let repeated = bed.reader(0).repeat(first.to(), second.to()).unwrap();
    assert_eq!(repeated, second);
}

#[test]
fn a_quote_that_never_closes_costs_its_line() {
    let mut bed = bed();
    bed.write("a.csv", "id;texto\n1;\"a\n2;b\n3;\"c\nc\"\n4;d\n");
    // From `"a` the next quote is at `"c`, which is no good end.
    assert_eq!(drain(&mut bed.reader(0)), ["1;\"a", "2;b", "3;\"c\nc\"", "4;d"]);
    bed.write("b.csv", "id;texto\n5;\"a\n6;b\n7;c");
    assert_eq!(bed.all()[4..], ["5;\"a", "6;b", "7;c"]);
    // Nobody waits for the end of a large file.
    bed.max_line_bytes = 1000;
    let rows: String = (0..1000).map(|n| format!("{n};x\n")).collect();
    bed.write("c.csv", format!("id;texto\n8;\"a\n{rows}"));
    let all = follow(&mut bed.reader(0));
    assert!(all.contains(&"8;\"a".to_owned()), "{all:?}");
    assert!(all.contains(&"999;x".to_owned()));
}

#[test]
fn while_a_quote_is_open_the_end_is_waited_for() {
    let mut bed = bed();
    bed.settle = Duration::from_secs(3000);
    bed.abandon = Duration::from_secs(3000);
    let mut reader = bed.reader(0);
    bed.write("a.csv", "id;texto\n1;\"a\n");
    assert_eq!(follow(&mut reader), [] as [&str; 0]);
    bed.append("a.csv", "b\"");
    assert_eq!(follow(&mut reader), [] as [&str; 0]);
    bed.append("a.csv", "\n2;c");
    assert_eq!(follow(&mut reader), ["1;\"a\nb\""]);
    // The last record of a file that nobody writes to any more.
    drop(reader);
    bed.abandon = Duration::ZERO;
    assert_eq!(bed.reader(0).next(SMALL, Mode::Follow).unwrap().unwrap().len(), 2);
}

#[test]
fn a_header_may_come_in_pieces() {
    let bed = bed();
    let mut reader = bed.reader(0);
    let mut all = Vec::new();
    for piece in ["id;te", "xto", "\n", "1;a", "\n2;b\n"] {
        bed.append("a.csv", piece);
        while let Some(lines) = reader.next(SMALL, Mode::Drain).unwrap() {
            assert_eq!(reader.repeat(lines.from(), lines.to()).unwrap(), lines);
            all.extend(with_headers(&lines));
        }
    }
    assert_eq!(all, ["id;texto | 1;a", "id;texto | 2;b"]);
}

#[test]
fn what_is_too_long_is_told_apart() {
    let mut bed = bed();
    bed.max_line_bytes = 100;
    let long = "x".repeat(1_000_000);
    bed.write("a.csv", format!("{long}\n1;a\n"));
    bed.write("b.csv", format!("id;texto\n1;{long}\n2;\"{long}\n3;a\n"));
    let limit = BatchLimit::default();
    let lines = bed.reader(0).next(limit, Mode::Drain).unwrap().unwrap();
    let told: Vec<u32> = lines.problems().iter().map(|problem| problem.line).collect();
    assert_eq!((lines.len(), told), (4, vec![1, 2]));
    assert_eq!(with_headers(&lines)[0], " | 1;a");
    assert_eq!(with_headers(&lines)[3], "id;texto | 3;a");
}

#[test]
fn rotated_and_packed_files_keep_their_headers() {
    let bed = bed();
    let one = BatchLimit { rows: 1, bytes: 1 };
    let mut all = Vec::new();
    let mut read = |reader: &mut PartitionReader, limit, most: usize| {
        for _ in 0..most {
            let Some(lines) = reader.next(limit, Mode::Drain).unwrap() else {
                break;
            };
            assert_eq!(reader.repeat(lines.from(), lines.to()).unwrap(), lines);
            all.extend(with_headers(&lines));
        }
        reader.position()
    };
    bed.write("a.csv", "id;n\n1;a\n2;b\n3;c\n");
    let position = read(&mut bed.reader(0), one, 2);
    bed.rename("a.csv", "a.csv.1");
    bed.write("a.csv", "n;id\nd;4\n");
    bed.gzip("a.csv.1");
    let position = read(&mut bed.reader(position), one, 1);
    bed.append("a.csv", "e;5\n\"f\n");
    let mut reader = bed.reader(position);
    read(&mut reader, SMALL, 2);
    bed.append("a.csv", "g;6\n");
    read(&mut reader, SMALL, 9);
    let expected = [
        "id;n | 1;a",
        "id;n | 2;b",
        "id;n | 3;c",
        "n;id | d;4",
        "n;id | e;5",
        "n;id | \"f",
        "n;id | g;6",
    ];
    assert_eq!(all, expected);
}

#[test]
fn noise_never_stops_the_reader() {
    let mut bed = bed();
    bed.max_line_bytes = 500;
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|n| match n.wrapping_mul(2_654_435_761) >> 13 {
            random if random % 9 == 0 => b'"',
            random if random % 7 == 0 => b';',
            random => random as u8,
        })
        .collect();
    bed.write("a.csv", &noise);
    bed.write("b.csv.gz", gzip(&noise));
    bed.write("c.csv.zst", &noise);
    let (rows, rules) = decoded(&bed, BatchLimit::default());
    assert!(rows.is_empty() && rules.len() > 100);
}

#[test]
fn formats_without_boundaries_are_refused_by_name() {
    let config = DirectoryConfig::new("/", "/").with_format(&Format::Avro(malla_contract::Avro::default()));
    let error = DirectorySource::open(config).unwrap_err();
    assert!(error.to_string().contains("`avro`"), "{error}");
}

/// What the files of the bed are of.
fn source(bed: &Bed) -> malla_contract::Source {
    let column = |name: &str, ty| malla_contract::Column {
        name: name.to_owned(),
        ty,
        required: name == "id",
        unique: false,
        primary_key: false,
        partition: None,
        classification: malla_contract::Classification::Internal,
        tags: Default::default(),
        holds: Default::default(),
        description: None,
        quality: Vec::new(),
    };
    malla_contract::Source {
        name: "t".to_owned(),
        table: malla_contract::Table {
            name: "t".to_owned(),
            description: None,
            quality: Vec::new(),
            columns: vec![
                column("id", malla_contract::ColumnType::Utf8),
                column("n", malla_contract::ColumnType::Int32),
            ],
        },
        event_time: None,
        format: bed.format.clone(),
    }
}

/// The rows as text, and the failures' rules, of all batches.
fn decoded(bed: &Bed, limit: BatchLimit) -> (Vec<String>, Vec<&'static str>) {
    let source = source(bed);
    let mut decoder = crate::Decoder::new(&source).unwrap();
    let (mut rows, mut rules) = (Vec::new(), Vec::new());
    let mut reader = bed.reader(0);
    while let Some(lines) = reader.next(limit, Mode::Drain).unwrap() {
        let decoded = decoder.decode(&lines).unwrap();
        rows.extend((0..decoded.batch.num_rows()).map(|row| {
            let columns = decoded.batch.columns().iter();
            let values: Vec<String> = columns
                .map(|column| format!("{:?}", column.slice(row, 1)))
                .collect();
            values.join(" ")
        }));
        rules.extend(decoded.failed.iter().map(|failure| failure.rule));
    }
    (rows, rules)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_do_not_matter(
        files in proptest::collection::vec(
            ("(id;n|n;id|n|id|x;id;n)\n", "([ab1]?;[12x]?\n|\"a\n;\"\"\";[12]?\n|\n){0,6}"),
            1..4,
        ),
        rows in 1..5_usize,
    ) {
        let bed = bed();
        for (index, (header, text)) in files.iter().enumerate() {
            bed.write(&format!("{index}.csv"), format!("{header}{text}"));
        }
        let whole = decoded(&bed, BatchLimit::default());
        prop_assert_eq!(decoded(&bed, BatchLimit { rows, bytes: 1 << 20 }), whole);
    }

    #[test]
    fn a_file_cut_anywhere_and_read_in_any_batches_gives_the_same_lines(
        text in "([ab]|;|\"|\"\"|\n|\r\n|\"[a;\n]{0,5}\"){0,40}",
        cuts in proptest::collection::vec(0..200_usize, 0..6),
        rows in 1..5_usize,
        restarts in any::<bool>(),
    ) {
        let mut bed = bed();
        bed.settle = Duration::from_secs(3000);
        bed.abandon = Duration::from_secs(3000);
        let limit = BatchLimit { rows, bytes: 1 << 20 };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut all = Vec::new();
        let mut read = |reader: &mut PartitionReader, mode| {
            while let Some(lines) = reader.next(limit, mode).unwrap() {
                assert_eq!(reader.repeat(lines.from(), lines.to()).unwrap(), lines);
                all.extend(with_headers(&lines));
            }
            reader.position()
        };
        let mut reader = bed.reader(0);
        let mut at = 0;
        for cut in cuts {
            bed.append("a.csv", &text.as_bytes()[at..cut]);
            at = cut;
            let position = read(&mut reader, Mode::Follow);
            if restarts {
                drop(reader);
                reader = bed.reader(position);
            }
        }
        if !text.is_empty() {
            set_old(&bed.path("a.csv"));
        }
        read(&mut reader, Mode::Drain);
        prop_assert_eq!(all, with_headers(&Lines::of_file("p", text.as_bytes(), &source(&bed))));
    }
}
