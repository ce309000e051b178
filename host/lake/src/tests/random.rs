//! Whatever happens, in whatever order: each row is there exactly once.

use proptest::prelude::*;

use super::faults::Faulty;
use super::store::Fault;
use super::*;

/// What a host does next.
#[derive(Debug, Clone)]
enum Event {
    /// It commits the next rows of a source partition, and the store treats its puts so.
    Commit {
        partition: usize,
        rows: i64,
        faults: Vec<Fault>,
    },
    /// It begins to commit and is killed somewhere on the way.
    Killed {
        partition: usize,
        rows: i64,
        polls: usize,
    },
    /// It is started anew.
    Restart,
    /// What was on its way to the store arrives.
    Settle,
}

fn event() -> impl Strategy<Value = Event> {
    let fault = prop::sample::select(Fault::ALL.to_vec());
    prop_oneof![
        4 => (0..2_usize, 1..5_i64, prop::collection::vec(fault, 0..6))
            .prop_map(|(partition, rows, faults)| Event::Commit { partition, rows, faults }),
        2 => (0..2_usize, 1..5_i64, 0..2000_usize)
            .prop_map(|(partition, rows, polls)| Event::Killed { partition, rows, polls }),
        1 => Just(Event::Restart),
        1 => Just(Event::Settle),
    ]
}

const STRIDE: i64 = 1_000_000;

/// Where a host believes it is: what the table says, as after a start.
async fn next(table: &Table, partition: usize, rows: i64) -> Commit {
    let app_id = [P0, P1][partition];
    let from = table.offset(app_id).await.unwrap();
    let start = from.unwrap_or(0);
    let base = STRIDE * i64::try_from(partition).unwrap();
    Commit {
        replaces: None,
        batches: vec![super::rows(base + start..base + start + rows)],
        advances: vec![advance(app_id, from, start + rows)],
        info: Map::new(),
    }
}

async fn play(events: Vec<Event>) {
    let faulty = Faulty::new();
    let mut table = faulty.lake().table(spec()).await.unwrap();
    for event in events {
        match event {
            Event::Commit {
                partition,
                rows,
                faults,
            } => {
                let commit = next(&table, partition, rows).await;
                faulty.store.fail_log_puts(faults);
                let outcome = table.commit(commit.clone()).await;
                faulty.store.heal();
                if outcome.is_err() {
                    // The host repeats what it does not know of.
                    table.commit(commit).await.unwrap();
                }
            }
            Event::Killed {
                partition,
                rows,
                polls,
            } => {
                let commit = next(&table, partition, rows).await;
                // Dropped after so many wake-ups: between any two steps, sooner or later.
                let table = table.clone();
                let mut running = Box::pin(async move { table.commit(commit).await });
                for _ in 0..polls {
                    if futures::poll!(running.as_mut()).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            Event::Restart => table = faulty.lake().table(spec()).await.unwrap(),
            Event::Settle => faulty.store.settle().await,
        }
    }
    faulty.store.settle().await;
    let sound = faulty.sound().await;
    let mut expected = Vec::new();
    for (partition, app_id) in (0..).zip([P0, P1]) {
        let end = sound.offset(app_id).await.unwrap().unwrap_or(0);
        expected.extend(partition * STRIDE..partition * STRIDE + end);
    }
    assert_eq!(ids(&sound).await, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_row_is_there_exactly_once(events in prop::collection::vec(event(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(play(events));
    }
}
