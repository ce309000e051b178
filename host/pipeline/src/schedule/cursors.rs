//! Which time of its schedule a job has had last. The lake knows it, as it knows the offsets of sources: beside the history of
//! runs, in the table's log.

use std::collections::BTreeMap;

use malla_lake::{Advance, Commit, Lake, LakeError};

use crate::runs::{cursor, spec};

/// Whose a time is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Ours,
    /// Another host has it, or a later one: this is the last that was had.
    Anothers(i64),
}

pub(crate) struct Cursors {
    lake: Lake,
}

impl Cursors {
    pub(crate) fn new(lake: Lake) -> Self {
        Self { lake }
    }

    /// The last time that each job has had. A job that no host knew is given `now`: what was before its schedule is not missed.
    pub(crate) async fn read(&self, jobs: &[&str], now: i64) -> Result<BTreeMap<String, i64>, LakeError> {
        let table = self.lake.table(spec()?).await?;
        let mut known = BTreeMap::new();
        let mut new = Vec::new();
        for job in jobs {
            match table.offset(&cursor(job)).await? {
                Some(had) => known.insert((*job).to_owned(), had),
                None => {
                    new.push(Advance {
                        app_id: cursor(job),
                        from: None,
                        to: now,
                    });
                    known.insert((*job).to_owned(), now)
                }
            };
        }
        if !new.is_empty() {
            let commit = Commit {
                advances: new,
                ..Commit::default()
            };
            match table.commit(commit).await {
                // Another host begins at this very moment.
                Ok(_) | Err(LakeError::OffsetConflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(known)
    }

    /// Takes a time for this host.
    pub(crate) async fn claim(&self, job: &str, mut had: Option<i64>, time: i64) -> Result<Claim, LakeError> {
        let table = self.lake.table(spec()?).await?;
        loop {
            if let Some(had) = had.filter(|had| *had >= time) {
                return Ok(Claim::Anothers(had));
            }
            let commit = Commit {
                advances: vec![Advance {
                    app_id: cursor(job),
                    from: had,
                    to: time,
                }],
                ..Commit::default()
            };
            match table.commit(commit).await {
                // Before we came to it: with the same number, by another.
                Ok(committed) if committed.landed_before => return Ok(Claim::Anothers(time)),
                Ok(_) => return Ok(Claim::Ours),
                // Another host was there since, or this one could not write for a while. Found offsets only grow, so this ends.
                Err(LakeError::OffsetConflict { found, .. }) if found != had => had = found,
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use malla_lake::WriterConfig;

    use super::*;

    #[tokio::test]
    async fn a_time_is_one_hosts() {
        let dir = tempfile::tempdir().unwrap();
        let host =
            || Cursors::new(Lake::open(dir.path().to_str().unwrap(), WriterConfig::default()).unwrap());
        let (a, b) = (host(), host());
        assert_eq!(a.read(&["d.j"], 100).await.unwrap()["d.j"], 100);
        assert_eq!(
            b.read(&["d.j"], 200).await.unwrap()["d.j"],
            100,
            "it is known by now"
        );
        assert_eq!(a.claim("d.j", Some(100), 300).await.unwrap(), Claim::Ours);
        assert_eq!(
            b.claim("d.j", Some(100), 300).await.unwrap(),
            Claim::Anothers(300)
        );
        assert_eq!(
            b.claim("d.j", Some(350), 360).await.unwrap(),
            Claim::Ours,
            "it ran on without the lake for a while"
        );
        assert_eq!(
            b.claim("d.j", Some(100), 400).await.unwrap(),
            Claim::Ours,
            "it was behind"
        );
        assert_eq!(
            a.claim("d.j", Some(300), 350).await.unwrap(),
            Claim::Anothers(400)
        );
        let (one, other) = tokio::join!(a.claim("d.j", Some(400), 500), b.claim("d.j", Some(400), 500));
        let ours = [one.unwrap(), other.unwrap()]
            .into_iter()
            .filter(|claim| *claim == Claim::Ours);
        assert_eq!(ours.count(), 1);
    }
}
