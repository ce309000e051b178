//! Commits through a store that fails.

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use url::Url;

use super::store::{Fault, FaultyStore};
use super::*;
use crate::LakeError;

pub(super) struct Faulty {
    pub(super) store: Arc<FaultyStore>,
    memory: Arc<InMemory>,
}

impl Faulty {
    pub(super) fn new() -> Self {
        let memory = Arc::new(InMemory::new());
        Self {
            store: Arc::new(FaultyStore::new(memory.clone())),
            memory,
        }
    }

    /// A host of its own, with the store's faults.
    pub(super) fn lake(&self) -> Lake {
        Lake::with_store(
            Url::parse("memory:///lago/").unwrap(),
            self.store.clone(),
            config(),
        )
    }

    /// A host to which nothing happens.
    pub(super) async fn sound(&self) -> Table {
        let lake = Lake::with_store(
            Url::parse("memory:///lago/").unwrap(),
            self.memory.clone(),
            config(),
        );
        lake.table(spec()).await.unwrap()
    }

    async fn files(&self) -> usize {
        let all: Vec<_> = self.memory.list(None).try_collect().await.unwrap();
        all.iter()
            .filter(|file| file.location.as_ref().ends_with(".parquet"))
            .count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_a_put_the_rows_are_there_once() {
    for fault in Fault::ALL {
        let faulty = Faulty::new();
        let table = faulty.lake().table(spec()).await.unwrap();
        table.commit(commit(P0, None, 10)).await.unwrap();

        faulty.store.fail_log_puts([fault]);
        let landed = table.commit(commit(P0, Some(10), 20)).await.unwrap();
        assert_eq!(
            (landed.version, landed.rows, landed.landed_before),
            (2, 10, false),
            "{fault:?}"
        );
        assert!(
            table
                .commit(commit(P0, Some(10), 20))
                .await
                .unwrap()
                .landed_before
        );
        table.commit(commit(P0, Some(20), 30)).await.unwrap();

        faulty.store.settle().await;
        assert_eq!(
            ids(&faulty.sound().await).await,
            (0..30).collect::<Vec<_>>(),
            "{fault:?}"
        );
        assert_eq!(faulty.files().await, 18, "{fault:?} leaves nothing behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_is_written_again() {
    let faulty = Faulty::new();
    let table = faulty.lake().table(spec()).await.unwrap();
    faulty
        .store
        .fail_file_puts([Fault::Fails, Fault::None, Fault::Fails]);
    table.commit(commit(P0, None, 10)).await.unwrap();
    assert_eq!(ids(&table).await, (0..10).collect::<Vec<_>>());
    assert_eq!(faulty.files().await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_entry_is_given_up_and_the_commit_may_be_repeated() {
    let faulty = Faulty::new();
    let table = faulty.lake().table(spec()).await.unwrap();
    faulty.store.fail_log_puts([Fault::Fails; 4]);
    let error = table.commit(commit(P0, None, 10)).await.unwrap_err();
    assert!(matches!(error, LakeError::Exhausted { tries: 4, .. }), "{error}");
    assert_eq!(table.offset(P0).await.unwrap(), None);
    assert!(!table.commit(commit(P0, None, 10)).await.unwrap().landed_before);
    assert_eq!(ids(&table).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_given_up_that_lands_later_is_found_by_its_repetition() {
    let faulty = Faulty::new();
    let table = faulty.lake().table(spec()).await.unwrap();
    faulty
        .store
        .fail_log_puts([Fault::Fails, Fault::Fails, Fault::Fails, Fault::LandsLate]);
    let error = table.commit(commit(P0, None, 10)).await.unwrap_err();
    assert!(matches!(error, LakeError::Exhausted { .. }), "{error}");
    faulty.store.settle().await;
    assert!(table.commit(commit(P0, None, 10)).await.unwrap().landed_before);
    assert_eq!(
        ids(&table).await,
        (0..10).collect::<Vec<_>>(),
        "its files were kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_which_nobody_can_know_is_unknown_and_then_known() {
    let faulty = Faulty::new();
    let table = faulty.lake().table(spec()).await.unwrap();
    table.offset(P0).await.unwrap();
    faulty.store.fail_log_puts([Fault::LandsAndTimesOut]);
    let blind = {
        let store = faulty.store.clone();
        // Reads fail from the moment that the entry was put.
        store.blind_after_put();
        table.commit(commit(P0, None, 10)).await.unwrap_err()
    };
    assert!(matches!(blind, LakeError::Unknown { .. }), "{blind}");
    faulty.store.heal();
    assert_eq!(table.offset(P0).await.unwrap(), Some(10));
    assert!(table.commit(commit(P0, None, 10)).await.unwrap().landed_before);
    assert_eq!(ids(&table).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_entry_is_known_even_after_others_moved_on() {
    let faulty = Faulty::new();
    let table = faulty.lake().table(spec()).await.unwrap();
    let other = faulty.sound().await;
    faulty.store.fail_log_puts([Fault::LandsAndTimesOut]);
    // The other host goes on from our offset before we look.
    let (ours, ()) = tokio::join!(table.commit(commit(P0, None, 10)), async {
        while other.offset(P0).await.unwrap() != Some(10) {
            tokio::task::yield_now().await;
        }
        other.commit(commit(P0, Some(10), 20)).await.unwrap();
    });
    let ours = ours.unwrap();
    assert_eq!((ours.version, ours.rows), (1, 10));
    assert_eq!(ids(&other).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_fails_does_not_undo_a_commit() {
    let faulty = Faulty::new();
    let mut config = config();
    config.checkpoint_interval = 2.try_into().unwrap();
    let lake = Lake::with_store(
        Url::parse("memory:///lago/").unwrap(),
        faulty.store.clone(),
        config,
    );
    let table = lake.table(spec()).await.unwrap();
    table.offset(P0).await.unwrap();
    faulty.store.blind_after_put();
    assert!(!table.commit(commit(P0, None, 10)).await.unwrap().landed_before);
    faulty.store.heal();
    assert_eq!(ids(&table).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_creation_lands_and_fails_is_opened() {
    for fault in [Fault::LandsAndTimesOut, Fault::LandsAndExists] {
        let faulty = Faulty::new();
        faulty.store.fail_log_puts([fault]);
        let table = faulty.lake().table(spec()).await.unwrap();
        table.commit(commit(P0, None, 10)).await.unwrap();
        assert_eq!(ids(&table).await.len(), 10, "{fault:?}");
    }
}
