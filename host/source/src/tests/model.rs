//! Random histories of a folder against one promise: every line exactly once.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    /// Whole lines to one of three files that grow at the same time.
    Append {
        file: u8,
        lines: u8,
    },
    /// The first part of a line; the next append brings the rest.
    AppendPart {
        file: u8,
    },
    /// `a.jsonl` becomes `a.jsonl.N`.
    Rotate {
        file: u8,
    },
    /// `a.jsonl` is copied to `a.jsonl.N`, then emptied.
    CopyTruncate {
        file: u8,
    },
    /// The newest rotated file is compressed.
    Compress {
        file: u8,
    },
    Read,
    /// Reads, but nothing of it is committed.
    ReadInVain,
    /// The process ends without warning and starts again from the last committed position.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let file = 0..3_u8;
    prop_oneof![
        4 => (file.clone(), 1..6_u8).prop_map(|(file, lines)| Act::Append { file, lines }),
        2 => file.clone().prop_map(|file| Act::AppendPart { file }),
        1 => file.clone().prop_map(|file| Act::Rotate { file }),
        1 => file.clone().prop_map(|file| Act::CopyTruncate { file }),
        1 => file.prop_map(|file| Act::Compress { file }),
        4 => Just(Act::Read),
        1 => Just(Act::ReadInVain),
        1 => Just(Act::Restart),
    ]
}

#[derive(Default)]
struct Writer {
    next: usize,
    rotations: usize,
    /// For each file, what is missing of its last line.
    rest: [Option<String>; 3],
    /// For each file, its newest rotated, not yet compressed one.
    rotated: [Option<String>; 3],
    written: Vec<String>,
}

impl Writer {
    fn line(&mut self) -> String {
        self.next += 1;
        let line = format!(
            "{{\"n\":{},\"x\":\"{}\"}}",
            self.next,
            "y".repeat(self.next * 31 % 700)
        );
        self.written.push(line.clone());
        line
    }

    fn finish_line(&mut self, bed: &Bed, file: usize) {
        if let Some(rest) = self.rest[file].take() {
            bed.append(&name(file), rest);
        }
    }

    fn run(&mut self, bed: &Bed, act: &Act) {
        match *act {
            Act::Append { file, lines } => {
                let file = usize::from(file);
                self.finish_line(bed, file);
                for _ in 0..lines {
                    let line = self.line();
                    bed.append(&name(file), line + "\n");
                }
            }
            Act::AppendPart { file } => {
                let file = usize::from(file);
                self.finish_line(bed, file);
                let line = self.line() + "\n";
                let (part, rest) = line.split_at(line.len() / 2);
                bed.append(&name(file), part);
                self.rest[file] = Some(rest.to_owned());
            }
            Act::Rotate { file } | Act::CopyTruncate { file } => {
                let file = usize::from(file);
                self.finish_line(bed, file);
                if !bed.path(&name(file)).exists() || fs::metadata(bed.path(&name(file))).unwrap().len() == 0
                {
                    return;
                }
                self.rotations += 1;
                let to = format!("{}.{}", name(file), self.rotations);
                if matches!(act, Act::Rotate { .. }) {
                    bed.rename(&name(file), &to);
                } else {
                    fs::copy(bed.path(&name(file)), bed.path(&to)).unwrap();
                    bed.write(&name(file), "");
                }
                self.rotated[file] = Some(to);
            }
            Act::Compress { file } => {
                if let Some(rotated) = self.rotated[usize::from(file)].take() {
                    bed.gzip(&rotated);
                }
            }
            Act::Read | Act::ReadInVain | Act::Restart => {}
        }
    }
}

fn name(file: usize) -> String {
    format!("{}.jsonl", ["a", "b", "c"][file])
}

fn check(acts: &[Act]) -> Result<(), TestCaseError> {
    let mut bed = Bed::new();
    bed.settle = Duration::from_secs(3000);
    let mut writer = Writer::default();
    let mut committed = (0, Vec::new());
    let mut reader = bed.reader(0);
    let mut truncated = false;
    for act in acts {
        writer.run(&bed, act);
        truncated |= matches!(act, Act::CopyTruncate { .. });
        match act {
            Act::Read => {
                if let Some(lines) = reader.next(SMALL, Mode::Follow).unwrap()
                    && lines.from() == committed.0
                {
                    match reader.repeat(lines.from(), lines.to()) {
                        Ok(again) => prop_assert_eq!(&again, &lines),
                        // A batch with the end of what was truncated and the start of what came after cannot be told from a
                        // replaced file while that is short: it is refused, and never given otherwise than it was.
                        Err(SourceError::NotRepeatable { .. }) if truncated => {}
                        Err(error) => return Err(TestCaseError::fail(error.to_string())),
                    }
                    truncated = false;
                    committed.1.extend(texts(&lines));
                    committed.0 = lines.to();
                }
            }
            Act::ReadInVain => drop(reader.next(SMALL, Mode::Follow).unwrap()),
            Act::Restart => {
                drop(reader);
                reader = bed.reader(committed.0);
            }
            _ => {}
        }
    }
    for file in 0..3 {
        writer.finish_line(&bed, file);
    }
    drop(reader);
    let mut reader = bed.reader(committed.0);
    let mut all = committed.1;
    all.extend(drain(&mut reader));
    all.sort();
    writer.written.sort();
    prop_assert_eq!(all, writer.written);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_exactly_once(acts in proptest::collection::vec(act(), 1..40)) {
        check(&acts)?;
    }

    #[test]
    fn a_text_cut_anywhere_gives_the_same_lines(
        text in "([a-z{}\" ]{0,12}(\n|\r\n)){0,12}[a-z]{0,5}",
        cuts in proptest::collection::vec(0..200_usize, 0..8),
    ) {
        let mut bed = Bed::new();
        bed.settle = Duration::from_secs(3000);
        let mut reader = bed.reader(0);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut lines = Vec::new();
        let mut at = 0;
        for cut in cuts {
            bed.append("a.jsonl", &text.as_bytes()[at..cut]);
            at = cut;
            lines.extend(follow(&mut reader));
        }
        set_old(&bed.path("a.jsonl"));
        lines.extend(drain(&mut reader));
        prop_assert_eq!(lines, texts(&Lines::of_text("p", text.as_bytes())));
    }
}
