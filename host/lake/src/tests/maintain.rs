//! Compaction, retention, vacuum and the log's end: what they do, and that nobody is hurt by them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use deltalake::protocol::DeltaOperation;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::faults::Faulty;
use super::store::Fault;
use super::*;
use crate::attempt::{Attempt, Begun, Draft, Guard, LONGEST};
use crate::{Changed, CompactConfig, Expiry, LakeError, Replaced, Vacuum};

const DAY_SECONDS: u64 = 86_400;

fn small() -> CompactConfig {
    CompactConfig {
        min_files: 2,
        ..CompactConfig::default()
    }
}

/// A vacuum that waits for nobody.
fn now() -> Vacuum {
    Vacuum {
        retention: Duration::ZERO,
        longest_commit: Duration::ZERO,
        ..Vacuum::default()
    }
}

/// Ten commits of ten rows.
async fn ten_commits(table: &Table) {
    for step in 0..10 {
        let from = (step > 0).then_some(step * 10);
        table.commit(commit(P0, from, (step + 1) * 10)).await.unwrap();
    }
}

/// Makes everything of a lake that is older than a moment so many days older still.
fn age(dir: &Path, days: u64) {
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            let written = file.metadata().unwrap().modified().unwrap();
            file.set_modified(written - Duration::from_secs(days * DAY_SECONDS))
                .unwrap();
        }
    }
}

async fn rows_as_text(table: &Table) -> String {
    let rows = batches(table, "SELECT * FROM t ORDER BY id").await;
    arrow_cast::pretty::pretty_format_batches(&rows)
        .unwrap()
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_become_one_a_partition_with_the_same_rows_and_the_same_silence() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    ten_commits(&table).await;
    let before = rows_as_text(&table).await;
    let size = table.size().await.unwrap();
    assert_eq!(size.files, 60);

    let would = table.compact(&small(), true).await.unwrap();
    assert_eq!((would.files, would.into_files), (60, 6));
    assert_eq!(table.size().await.unwrap(), size);

    let done = table.compact(&small(), false).await.unwrap();
    assert_eq!((done.files, done.into_files), (60, 6));
    assert!(done.given_up.is_empty());
    assert_eq!(table.size().await.unwrap().files, 6);
    assert_eq!(rows_as_text(&table).await, before);
    assert_eq!(
        table.compact(&small(), false).await.unwrap().files,
        0,
        "one file of a partition stays"
    );

    // To whoever asks what changed, nothing did; offsets and what commits say of themselves are as before.
    let changed = table.changed(10, 11, "fecha").await.unwrap();
    assert_eq!(changed, Changed::Partitions(BTreeSet::new()));
    assert!(
        table
            .commit(commit(P0, Some(90), 100))
            .await
            .unwrap()
            .landed_before
    );
    table.commit(commit(P0, Some(100), 110)).await.unwrap();
    assert_eq!(ids(&table).await, (0..110).collect::<Vec<_>>());

    // The new files tell as little as any.
    table.vacuum(&now(), false).await.unwrap();
    let files = data_files(dir.path());
    assert_eq!(files.len(), 12);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        for column in reader.metadata().row_group(0).columns() {
            let name = column.column_path().string();
            let personal = ["email", "tarjeta"].contains(&name.as_str());
            assert_eq!(column.statistics().is_none(), personal, "{name}");
            assert!(name != "tarjeta" || column.dictionary_page_offset().is_none());
            assert!(column.compression().to_string().contains("ZSTD"));
        }
    }
    let entry = "ventas/curated/transacciones/_delta_log/00000000000000000011.json";
    let entry = std::fs::read_to_string(dir.path().join(entry)).unwrap();
    assert!(entry.contains("OPTIMIZE") && !entry.contains("\"dataChange\":true"));
    assert!(!entry.contains("secreto") && !entry.contains("4000-0000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_with_spaces_accents_and_without_a_value_are_compacted_and_vacuumed() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let long = "ñ".repeat(150);
    let regions = [
        Some("América Latina".to_owned()),
        Some("a/b%20c=d".to_owned()),
        None,
        Some(long),
    ];
    for step in 0..8_i64 {
        let from = (step > 0).then_some(step * 8);
        let rows = rows_in(step * 8..(step + 1) * 8, |id| {
            (DAY, regions[usize::try_from(id % 4).unwrap()].clone())
        });
        let commit = Commit {
            batches: vec![rows],
            ..commit(P0, from, (step + 1) * 8)
        };
        table.commit(commit).await.unwrap();
    }
    let before = rows_as_text(&table).await;
    assert_eq!(table.compact(&small(), false).await.unwrap().into_files, 4);
    assert_eq!(table.vacuum(&now(), false).await.unwrap().files, 32);
    assert_eq!(rows_as_text(&table).await, before);
    assert_eq!(data_files(dir.path()).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_not_rewritten_whenever_a_few_more_come() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let few = CompactConfig::default();
    ten_commits(&table).await;
    assert_eq!(table.compact(&few, false).await.unwrap().into_files, 6);
    table.commit(commit(P0, Some(100), 110)).await.unwrap();
    assert_eq!(
        table.compact(&few, false).await.unwrap().files,
        0,
        "two files are few"
    );
}

/// Whatever comes between a compaction's look and its commit, no row is lost or there twice, and no writer fails.
#[tokio::test(flavor = "multi_thread")]
async fn writers_and_compactions_do_each_other_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let other = lake_at(dir.path()).table(spec()).await.unwrap();
    let writes = async {
        for step in 0..40 {
            let from = (step > 0).then_some(step * 10);
            table.commit(commit(P0, from, (step + 1) * 10)).await.unwrap();
        }
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let compacts = |table: Table| {
        let stopped = stopped.clone();
        async move {
            let mut files = 0;
            while !*stopped.borrow() {
                files += table.compact(&small(), false).await.unwrap().files;
            }
            files
        }
    };
    // Two hosts at once.
    let (first, second) = (compacts(table.clone()), compacts(other.clone()));
    let (first, second) = (tokio::spawn(first), tokio::spawn(second));
    writes.await;
    stop.send(true).unwrap();
    assert!(first.await.unwrap() + second.await.unwrap() > 0);
    assert_eq!(ids(&other).await, (0..400).collect::<Vec<_>>());
    // Those that were put together by both are left by one of them only.
    table.vacuum(&now(), false).await.unwrap();
    assert_eq!(data_files(dir.path()).len(), table.size().await.unwrap().files);
}

/// A product that is made anew takes the place of rows, not of files.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_replaced_though_a_compaction_came_first_but_not_though_rows_did() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    ten_commits(&table).await;
    let other = lake_at(dir.path()).table(spec()).await.unwrap();
    let all_anew = |from| Commit {
        batches: vec![rows(1000..1010)],
        replaces: Some(Replaced::All),
        ..commit(P1, from, from.unwrap_or(0) + 1)
    };
    // The handle looks once, and its put finds the place taken.
    table.offset(P1).await.unwrap();
    let faulty = |comes_first: &'static str| {
        let other = other.clone();
        async move {
            match comes_first {
                "compaction" => drop(other.compact(&small(), false).await.unwrap()),
                _ => drop(other.commit(commit(P0, Some(100), 110)).await.unwrap()),
            }
        }
    };
    crate::land::between::set(Box::pin(faulty("compaction")));
    table.commit(all_anew(None)).await.unwrap();
    assert_eq!(ids(&table).await, (1000..1010).collect::<Vec<_>>());

    crate::land::between::set(Box::pin(faulty("rows")));
    let error = table.commit(all_anew(Some(1))).await.unwrap_err();
    assert!(matches!(error, LakeError::Moved { .. }), "{error}");
    assert_eq!(ids(&table).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_compactions_put_the_rows_are_there_once() {
    for fault in Fault::ALL {
        let faulty = Faulty::new();
        let table = faulty.lake().table(spec()).await.unwrap();
        ten_commits(&table).await;
        faulty.store.fail_log_puts([fault]);
        let done = table.compact(&small(), false).await.unwrap();
        assert_eq!(done.into_files, 6, "{fault:?}");
        faulty.store.settle().await;
        assert_eq!(
            ids(&faulty.sound().await).await,
            (0..100).collect::<Vec<_>>(),
            "{fault:?}"
        );
        assert_eq!(table.size().await.unwrap().files, 6, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_the_log_says_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    ten_commits(&table).await;
    let victim = data_files(dir.path()).swap_remove(3);
    std::fs::write(&victim, b"no Parquet").unwrap();
    let done = table.compact(&small(), false).await.unwrap();
    assert_eq!((done.files, done.given_up.len()), (0, 1), "{done:?}");
    assert_eq!(table.size().await.unwrap().files, 60);
    assert_eq!(data_files(dir.path()).len(), 60, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_takes_what_is_old_and_unneeded_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    ten_commits(&table).await;
    // As a host that was killed leaves it, and one that is at work.
    let folder = dir
        .path()
        .join("ventas/curated/transacciones/fecha=2026-11-21/region=EU");
    std::fs::write(folder.join("part-old.parquet"), b"x").unwrap();
    std::fs::write(folder.join("part-half.parquet#1"), b"xx").unwrap();
    age(dir.path(), 8);
    std::fs::write(folder.join("part-going.parquet#2"), b"xx").unwrap();
    std::fs::write(folder.join("part-running.parquet"), b"x").unwrap();
    std::fs::write(folder.join("notes.txt"), b"somebody's").unwrap();
    table.compact(&small(), false).await.unwrap();

    // Removed just now: whoever began to read before has a week.
    let reader = lake_at(dir.path()).existing(&id()).await.unwrap().unwrap();
    let before = rows_as_text(&reader).await;
    let vacuum = Vacuum::default();
    let would = table.vacuum(&vacuum, true).await.unwrap();
    assert_eq!((would.files, would.bytes), (2, 3));
    assert_eq!(table.vacuum(&vacuum, false).await.unwrap(), would);
    assert!(!folder.join("part-old.parquet").exists() && !folder.join("part-half.parquet#1").exists());
    assert!(folder.join("part-going.parquet#2").exists());
    std::fs::remove_file(folder.join("part-going.parquet#2")).unwrap();
    assert_eq!(data_files(dir.path()).len(), 60 + 6 + 1);
    assert_eq!(rows_as_text(&reader).await, before);

    // A week later.
    age(dir.path(), 8);
    std::fs::write(folder.join("part-running.parquet"), b"x").unwrap();
    let pinned = Vacuum {
        keep: BTreeSet::from([5]),
        ..Vacuum::default()
    };
    let done = table.vacuum(&pinned, false).await.unwrap();
    assert_eq!((done.files, done.kept), (30, 30), "the first five commits stay");
    let done = table.vacuum(&vacuum, false).await.unwrap();
    assert_eq!((done.files, done.kept), (30, 0));
    assert!(folder.join("part-running.parquet").exists() && folder.join("notes.txt").exists());
    assert_eq!(data_files(dir.path()).len(), 6 + 1);
    assert_eq!(rows_as_text(&table).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_between_its_files_and_its_entry_survives_a_vacuum() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    ten_commits(&table).await;
    let other = lake_at(dir.path()).table(spec()).await.unwrap();
    crate::land::between::set(Box::pin(async move {
        let vacuum = Vacuum {
            retention: Duration::ZERO,
            ..Vacuum::default()
        };
        other.compact(&small(), false).await.unwrap();
        other.vacuum(&vacuum, false).await.unwrap();
    }));
    table.commit(commit(P0, Some(100), 110)).await.unwrap();
    assert_eq!(ids(&table).await, (0..110).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_days_go_and_the_table_remembers_up_to_where() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    ten_commits(&table).await;
    let expiry = |day: i32, element: Option<&str>| Expiry {
        column: "fecha".into(),
        before: malla_contract::Date::from_days(day),
        element: element.map(str::to_owned),
    };
    assert_eq!(table.expire(&expiry(DAY, None), false).await.unwrap().files, 0);
    assert_eq!(table.expired_before("fecha").await.unwrap(), None);

    // All times of the rows are of the first day: rows of it are not older than that.
    let kept = table
        .expire(&expiry(DAY + 1, Some("monto")), false)
        .await
        .unwrap();
    assert_eq!((kept.files, kept.kept), (0, 30), "amounts are no times");
    let first = expiry(DAY + 1, Some("timestamp"));
    let would = table.expire(&first, true).await.unwrap();
    assert_eq!((would.files, would.rows, would.version), (30, 50, None));
    let done = table.expire(&first, false).await.unwrap();
    assert_eq!((done.files, done.rows, done.version), (30, 50, Some(11)));
    assert_eq!(
        ids(&table).await,
        (0..100).filter(|id| id % 2 == 1).collect::<Vec<_>>()
    );
    let bound = table.expired_before("fecha").await.unwrap();
    assert_eq!(bound, Some(malla_contract::Date::from_days(DAY + 1)));
    assert_eq!(
        table.changed(10, 11, "fecha").await.unwrap(),
        Changed::Partitions(BTreeSet::from([Some("2026-11-21".to_owned())]))
    );

    // What comes late for a day that went goes too, and offsets are as if nothing had been.
    table.commit(commit(P0, Some(100), 110)).await.unwrap();
    assert_eq!(table.expire(&first, false).await.unwrap().rows, 5);
    assert!(
        table
            .commit(commit(P0, Some(100), 110))
            .await
            .unwrap()
            .landed_before
    );
    table.vacuum(&now(), false).await.unwrap();
    let elsewhere = lake_at(dir.path()).existing(&id()).await.unwrap().unwrap();
    assert_eq!(elsewhere.expired_before("fecha").await.unwrap(), bound);
    for file in data_files(dir.path()) {
        assert!(
            !file.to_str().unwrap().contains("2026-11-21"),
            "{}",
            file.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_forgets_what_is_older_than_the_retention_but_no_version_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let lake = lake_at(dir.path());
    let table = lake.table(spec()).await.unwrap();
    ten_commits(&table).await;
    let entries = || {
        let log = dir.path().join("ventas/curated/transacciones/_delta_log");
        let names = std::fs::read_dir(log).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".json"))
            .map(|name| name.trim_start_matches('0').to_owned())
            .collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names
    };
    let week = Duration::from_secs(7 * DAY_SECONDS);
    let clean = async |keep: &[u64]| {
        let keep = keep.iter().copied().collect();
        table.clean_log(week, &keep, false).await.unwrap().files
    };
    assert_eq!(clean(&[]).await, 0, "all of it is young");
    age(dir.path(), 9);
    table.commit(commit(P0, Some(100), 110)).await.unwrap();
    table.commit(commit(P0, Some(110), 120)).await.unwrap();
    let before = rows_as_text(&table).await;

    assert_eq!(
        clean(&[4]).await,
        0,
        "somebody may have begun without the new checkpoint"
    );
    assert_eq!(rows_as_text(&table).await, before);
    age(dir.path(), 1);
    assert!(clean(&[4]).await > 0);
    assert_eq!(entries().first().unwrap(), "4.json");
    clean(&[]).await;
    age(dir.path(), 1);
    assert!(clean(&[]).await > 0);
    assert_eq!(entries(), ["10.json", "11.json", "12.json"]);
    assert_eq!(clean(&[]).await, 0);
    let forgotten = Vacuum {
        keep: BTreeSet::from([2]),
        ..Vacuum::default()
    };
    assert!(
        table.vacuum(&forgotten, false).await.is_err(),
        "nobody knows what is to be kept"
    );

    // Whoever opens it now goes on with rows and offsets, and whoever opened it before with offsets.
    let opened = lake_at(dir.path()).table(spec()).await.unwrap();
    assert_eq!(rows_as_text(&opened).await, before);
    assert_eq!(opened.offset(P0).await.unwrap(), Some(120));
    assert_eq!(table.offset(P0).await.unwrap(), Some(120));
    opened.commit(commit(P0, Some(120), 130)).await.unwrap();
    assert_eq!(ids(&opened).await, (0..130).collect::<Vec<_>>());
    table.commit(commit(P0, Some(130), 140)).await.unwrap();
    let newest = dir
        .path()
        .join("ventas/curated/transacciones/_delta_log/00000000000000000013.json");
    assert!(newest.metadata().unwrap().modified().unwrap() > SystemTime::now() - week);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_for_the_past_leaves_the_hint_at_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.checkpoint_interval = 5.try_into().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap(), config).unwrap();
    let table = lake.table(spec()).await.unwrap();
    ten_commits(&table).await;
    age(dir.path(), 9);
    table.commit(commit(P0, Some(100), 110)).await.unwrap();
    let week = Duration::from_secs(7 * DAY_SECONDS);
    let cleaned = table.clean_log(week, &BTreeSet::from([6]), false).await.unwrap();
    assert_eq!(cleaned.before, 4);
    let log = dir.path().join("ventas/curated/transacciones/_delta_log");
    assert!(log.join("00000000000000000006.checkpoint.parquet").exists());
    let hint = std::fs::read_to_string(log.join("_last_checkpoint")).unwrap();
    assert!(hint.contains("\"version\":9"), "{hint}");
    let opened = lake_at(dir.path()).existing(&id()).await.unwrap().unwrap();
    assert_eq!(ids(&opened).await, (0..110).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_files_a_vacuum_may_have_taken_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let draft = Draft {
        operation: DeltaOperation::Delete { predicate: None },
        info: Map::new(),
        advances: vec![advance(P0, None, 10)],
        files: Vec::new(),
        rows: 0,
        begun: Begun::ago(LONGEST * 2),
    };
    let attempt = Attempt::new(&table.inner, draft, &[], Guard::Adds).unwrap();
    let error = attempt.run().await.unwrap_err();
    assert!(matches!(error, LakeError::TooLate { .. }), "{error}");
    assert_eq!(table.offset(P0).await.unwrap(), None);
}
