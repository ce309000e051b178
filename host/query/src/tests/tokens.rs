//! Tokens join where policy says so, and over a rotation of their key.

use std::sync::Arc;

use malla_contract::Date;
use malla_privacy::KeyStore;

use super::world::{RULES, contract, curated, curated_in_the_clear, fill, sales, world};
use crate::testing::{Mesh, TODAY};

const JOIN: &str = "SELECT count(*) FROM ventas.transacciones t JOIN ventas.clientes c ON";

#[tokio::test(flavor = "multi_thread")]
async fn tokens_join_within_a_group_only() {
    let mesh = world().await;
    // Written and written: Ana has two sales under two spellings of her address. Read and written: the spelling counts,
    // since no tag says that it is an address.
    for (on, rows) in [("t.email = c.email", "5"), ("t.alias = c.email", "3")] {
        assert_eq!(mesh.rows("user:ana", &format!("{JOIN} {on}")).await, rows, "{on}");
    }
    assert_eq!(
        mesh.rows("user:ana", &format!("{JOIN} t.otro = c.email")).await,
        "0"
    );
    let own =
        "SELECT count(DISTINCT otro), count(DISTINCT alias) FROM ventas.transacciones WHERE alias <> otro";
    assert_eq!(mesh.rows("user:ana", own).await, "3,3");
    // Sealed in raw: the same token once it is opened.
    let raw = "SELECT count(*) FROM ventas_raw.transacciones r JOIN ventas.clientes c ON r.email = c.email";
    assert_eq!(mesh.rows("user:ana", raw).await, "5");
}

/// Addresses that were stored before there was a rule for them are hidden from readers, and join.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_policy_stored_in_the_clear_is_hidden() {
    let mesh = world().await;
    let more: Vec<_> = sales()
        .into_iter()
        .map(|mut sale| {
            sale.id += 10;
            sale
        })
        .collect();
    curated_in_the_clear(&mesh, &more, 4..8).await;
    let shown = mesh
        .rows(
            "user:ana",
            "SELECT email FROM ventas.transacciones WHERE email IS NOT NULL",
        )
        .await;
    assert_eq!(shown.lines().count(), 6);
    assert!(shown.lines().all(|email| email.starts_with("tok1_")), "{shown}");
    let joined = format!("{JOIN} t.email = c.email");
    assert_eq!(mesh.rows("user:ana", &joined).await, "10");
    let found = "SELECT count(*) FROM ventas.transacciones WHERE email LIKE '%@%'";
    assert_eq!(mesh.rows("user:ana", found).await, "0");
}

/// Old and new tokens are one token to a query until the last day of the window; then they are what they are.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_two_generations_join_through_the_window() {
    let mut mesh = Mesh::new(&[&contract()], &RULES);
    fill(&mesh, &sales()).await;
    let (today, until) = (Date::from_days(TODAY), Date::from_days(TODAY + 30));
    mesh.governance.keys = Arc::new(KeyStore::rotate_tokens(&mesh.key_file(), today, until).unwrap());
    let more: Vec<_> = sales()
        .into_iter()
        .map(|mut sale| {
            sale.id += 10;
            sale
        })
        .collect();
    curated(&mesh, &more, 4..8).await;
    // `clientes` holds old tokens, `transacciones` both.
    let joined = format!("{JOIN} t.email = c.email");
    let generations = "SELECT DISTINCT split_part(email, '_', 1) FROM ventas.transacciones WHERE email IS NOT NULL ORDER BY 1";
    let persons = "SELECT count(DISTINCT email) FROM ventas.transacciones";
    let read = "SELECT count(*) FROM ventas.transacciones WHERE email = alias";
    for (day, rows, seen, known, equal) in [
        (TODAY, "10", "tok2", "2", "4"),
        (TODAY + 30, "10", "tok2", "2", "4"),
        (TODAY + 31, "5", "tok1\ntok2", "4", "2"),
    ] {
        mesh.governance.today = Date::from_days(day);
        assert_eq!(mesh.rows("user:ana", &joined).await, rows, "{day}");
        assert_eq!(mesh.rows("user:ana", generations).await, seen, "{day}");
        assert_eq!(mesh.rows("user:ana", persons).await, known, "{day}");
        assert_eq!(mesh.rows("user:ana", read).await, equal, "{day}");
    }
    // What is stored in the clear is hidden in a window too.
    mesh.governance.today = today;
    curated_in_the_clear(&mesh, &more, 8..12).await;
    assert_eq!(mesh.rows("user:ana", persons).await, "2");
    assert_eq!(mesh.rows("user:ana", &joined).await, "15");
}
