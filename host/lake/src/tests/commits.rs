//! Exactly once.

use futures::TryStreamExt;

use super::*;
use crate::{CommitRecord, LakeError};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_lands_once_however_often_it_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    assert_eq!(table.offset(P0).await.unwrap(), None);

    let landed = table.commit(commit(P0, None, 10)).await.unwrap();
    assert_eq!(
        (landed.version, landed.rows, landed.landed_before),
        (1, 10, false)
    );
    assert_eq!(landed.files, 6, "two days in three regions, null among them");
    assert_eq!(table.offset(P0).await.unwrap(), Some(10));

    let again = table.commit(commit(P0, None, 10)).await.unwrap();
    assert!(again.landed_before);
    assert_eq!((again.version, again.rows, again.files), (1, 0, 0));
    // A host that starts anew sees the same.
    let other = lake_at(dir.path()).table(spec()).await.unwrap();
    assert!(other.commit(commit(P0, None, 10)).await.unwrap().landed_before);

    assert_eq!(ids(&table).await, (0..10).collect::<Vec<_>>());
    assert_eq!(data_files(dir.path()).len(), 6, "a repetition writes no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_that_fit_neither_end_are_a_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    table.commit(commit(P0, None, 10)).await.unwrap();
    table.commit(commit(P0, Some(10), 20)).await.unwrap();

    // Behind, ahead, and never read.
    for (app_id, from, to) in [
        (P0, None, 10),
        (P0, Some(5), 15),
        (P0, Some(30), 40),
        (P1, Some(1), 2),
    ] {
        let error = table.commit(commit(app_id, from, to)).await.unwrap_err();
        assert!(matches!(error, LakeError::OffsetConflict { .. }), "{error}");
    }
    // Half of it has landed: neither repeat nor skip it.
    let mut mixed = commit(P0, Some(10), 20);
    mixed.advances.push(advance(P1, None, 5));
    let error = table.commit(mixed).await.unwrap_err();
    let LakeError::OffsetConflict { app_id, found, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((app_id.as_str(), found), (P0, Some(20)));
    assert_eq!(ids(&table).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_could_not_be_told_from_its_repetition_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let mut nameless = commit(P0, None, 1);
    nameless.advances.clear();
    let mut twice = commit(P0, None, 1);
    twice.advances.push(advance(P0, None, 2));
    for wrong in [nameless, twice, commit(P0, Some(5), 5), commit(P0, Some(5), 4)] {
        let mut wrong = wrong;
        wrong.batches.clear();
        let error = table.commit(wrong).await.unwrap_err();
        assert!(matches!(error, LakeError::Commit { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_may_move_without_rows() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let mut empty = commit(P0, None, 7);
    empty.batches.clear();
    let landed = table.commit(empty.clone()).await.unwrap();
    assert_eq!((landed.files, landed.rows), (0, 0));
    assert!(table.commit(empty).await.unwrap().landed_before);
    let mut no_rows = commit(P0, Some(7), 8);
    no_rows.batches = vec![rows(0..0)];
    table.commit(no_rows).await.unwrap();
    assert_eq!(table.offset(P0).await.unwrap(), Some(8));
    assert!(data_files(dir.path()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_that_race_for_the_same_rows_one_writes_them() {
    for _ in 0..5 {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (lake_at(dir.path()), lake_at(dir.path()));
        // Even the table is created by both at once.
        let (one, two) = tokio::join!(one.table(spec()), two.table(spec()));
        let (one, two) = (one.unwrap(), two.unwrap());
        let (first, second) =
            tokio::join!(one.commit(commit(P0, None, 50)), two.commit(commit(P0, None, 50)));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_ne!(first.landed_before, second.landed_before);
        assert_eq!(ids(&one).await, (0..50).collect::<Vec<_>>());
        assert_eq!(data_files(dir.path()).len(), 6, "the loser's files are gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_that_race_for_overlapping_rows_one_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let one = lake_at(dir.path()).table(spec()).await.unwrap();
    let two = lake_at(dir.path()).table(spec()).await.unwrap();
    let (first, second) = tokio::join!(one.commit(commit(P0, None, 50)), two.commit(commit(P0, None, 60)));
    let landed = match (first, second) {
        (Ok(_), Err(LakeError::OffsetConflict { .. })) => 50,
        (Err(LakeError::OffsetConflict { .. }), Ok(_)) => 60,
        other => panic!("{other:?}"),
    };
    assert_eq!(ids(&one).await, (0..landed).collect::<Vec<_>>());
    assert_eq!(data_files(dir.path()).len(), 6, "the loser's files are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_with_partitions_of_their_own_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let hosts = (0..4_i64).map(|host| {
        let mut config = config();
        config.commit_tries = 30;
        let lake = Lake::open(dir.path().to_str().unwrap(), config).unwrap();
        tokio::spawn(async move {
            let table = lake.table(spec()).await.unwrap();
            let app_id = format!("malla/transacciones/pedidos/{host}");
            let start = host * 1000;
            for tick in 0..5 {
                let (from, to) = (start + tick * 10, start + tick * 10 + 10);
                let commit = Commit {
                    replaces: None,
                    batches: vec![rows(from..to)],
                    advances: vec![advance(&app_id, (tick > 0).then_some(from), to)],
                    info: Map::new(),
                };
                assert!(!table.commit(commit).await.unwrap().landed_before);
            }
        })
    });
    for host in hosts.collect::<Vec<_>>() {
        host.await.unwrap();
    }
    let table = lake_at(dir.path()).existing(&id()).await.unwrap().unwrap();
    let expected: Vec<i64> = (0..4).flat_map(|host| host * 1000..host * 1000 + 50).collect();
    assert_eq!(ids(&table).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn clones_of_a_table_may_commit_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    let (one, two) = tokio::join!(table.commit(commit(P0, None, 10)), {
        let table = table.clone();
        async move {
            let mut other = commit(P1, None, 10);
            other.batches = vec![rows(10..20)];
            table.commit(other).await
        }
    });
    assert_ne!(one.unwrap().version, two.unwrap().version);
    assert_eq!(ids(&table).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_and_history_outlive_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config();
    config.checkpoint_interval = 5.try_into().unwrap();
    let lake = Lake::open(dir.path().to_str().unwrap(), config).unwrap();
    let table = lake.table(spec()).await.unwrap();
    table.commit(commit(P1, None, 1)).await.unwrap();
    for tick in 0..12 {
        let from = (tick > 0).then_some(tick);
        table.commit(commit(P0, from, tick + 1)).await.unwrap();
    }
    let log = dir.path().join("ventas/curated/transacciones/_delta_log");
    assert!(log.join("_last_checkpoint").exists());
    // What a checkpoint covers may go.
    for version in 0..9 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    let again = lake_at(dir.path()).table(spec()).await.unwrap();
    assert_eq!(again.offset(P0).await.unwrap(), Some(12));
    assert_eq!(
        again.offset(P1).await.unwrap(),
        Some(1),
        "idle since before the checkpoint"
    );
    let history: Vec<CommitRecord> = again.history().try_collect().await.unwrap();
    let versions: Vec<u64> = history.iter().map(|record| record.version).collect();
    assert_eq!(versions, (9..=13).rev().collect::<Vec<_>>());
    assert_eq!(history[0].info.get("to"), Some(&12.into()));
    assert!(history[0].timestamp.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn history_has_the_newest_first_and_reads_no_further_than_asked() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    for tick in 0..30 {
        table
            .commit(commit(P0, (tick > 0).then_some(tick), tick + 1))
            .await
            .unwrap();
    }
    // An entry far back that cannot be read does not matter to whoever stops before.
    let log = dir.path().join("ventas/curated/transacciones/_delta_log");
    std::fs::write(log.join("00000000000000000003.json"), "not json").unwrap();
    let mut history = std::pin::pin!(table.history());
    let newest = history.try_next().await.unwrap().unwrap();
    assert_eq!((newest.version, newest.info.get("to")), (30, Some(&30.into())));
    assert!(history.try_collect::<Vec<_>>().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_after_a_version_come_in_order_and_begin_with_what_the_log_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let table = lake_at(dir.path()).table(spec()).await.unwrap();
    for n in 0..6 {
        let from = (n > 0).then_some(n * 10);
        table.commit(commit(P0, from, (n + 1) * 10)).await.unwrap();
    }
    let versions =
        |records: Vec<CommitRecord>| records.iter().map(|record| record.version).collect::<Vec<_>>();
    let whole = table.commits_after(None, 100).await.unwrap();
    assert!(!whole[0].changes, "the table is made");
    assert!(whole[1].changes);
    assert_eq!((whole[1].added.rows, whole[1].added.files), (10, 6));
    assert!(whole[1].added.bytes > 0);
    assert_eq!(versions(whole), (0..=6).collect::<Vec<_>>());
    assert_eq!(versions(table.commits_after(Some(3), 2).await.unwrap()), [4, 5]);
    assert_eq!(versions(table.commits_after(Some(6), 2).await.unwrap()), [0; 0]);
    // The log forgets its beginning.
    let log = dir.path().join(id().to_string()).join("_delta_log");
    for version in 0..4 {
        std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap();
    }
    assert_eq!(versions(table.commits_after(None, 2).await.unwrap()), [4, 5]);
    assert_eq!(
        versions(table.commits_after(Some(1), 9).await.unwrap()),
        [4, 5, 6]
    );
}
