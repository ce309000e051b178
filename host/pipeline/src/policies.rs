//! The policy in force, and how a new one takes its place.
//!
//! INVARIANT: whoever asks gets one whole policy. New files are compiled aside and then swapped in; files that are not
//! valid change nothing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use malla_policy::{Finding, Policy, PolicyFiles};
use tokio::sync::watch;

use crate::error::MeshError;
use crate::kept::plain;

/// What a look at the policy folder came to.
#[derive(Debug)]
pub(crate) enum Reload {
    /// Nothing changed, or not for long enough.
    Same,
    /// A new policy is in force.
    Changed {
        /// Digest of the one before.
        from: String,
        /// Its own.
        to: String,
    },
    /// The files are not valid, or do not fit the mesh, and why: the policy before stays in force.
    Kept(String),
    /// The new policy cannot be copied for a restart: the one before stays in force.
    NotKept(std::io::Error),
}

/// The policy of a mesh, as of now.
#[derive(Debug)]
pub(crate) struct Policies {
    current: watch::Sender<Policy>,
    /// Where a copy of every policy that was in force is kept: a crash may have to be completed as it was begun.
    kept: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// What was parsed last, whether it was valid or not.
    parsed: PolicyFiles,
    /// What the last look found, if it was new. Only files that stay the same for two looks are parsed: an author who
    /// saves two files means both.
    settling: Option<PolicyFiles>,
}

impl Policies {
    pub(crate) fn load(dir: &Path, kept: PathBuf) -> Result<Self, MeshError> {
        let files = PolicyFiles::read(dir);
        let policy = Policy::parse(&files)?;
        keep(&kept, policy.digest(), &files).map_err(|source| MeshError::State {
            path: kept.clone(),
            source,
        })?;
        Ok(Self {
            kept,
            current: watch::Sender::new(policy),
            seen: Mutex::new(Seen {
                parsed: files,
                settling: None,
            }),
        })
    }

    /// The policy in force.
    pub(crate) fn current(&self) -> Policy {
        self.current.borrow().clone()
    }

    /// A policy that was in force, by its digest.
    pub(crate) fn of_digest(&self, digest: &str) -> Option<Policy> {
        let current = self.current();
        if current.digest() == digest {
            return Some(current);
        }
        let policy = Policy::load(&self.kept.join(plain(digest))).ok()?;
        (policy.digest() == digest).then_some(policy)
    }

    /// The files of a policy that was in force.
    pub(crate) fn files_of(&self, digest: &str) -> Option<PolicyFiles> {
        let folder = self.kept.join(plain(digest));
        folder.is_dir().then(|| PolicyFiles::read(&folder))
    }

    /// Keeps a copy of another host's policy, whatever is in it: who asks for it by its digest gets only that.
    pub(crate) fn keep(&self, digest: &str, files: &PolicyFiles) -> std::io::Result<()> {
        keep(&self.kept, digest, files)
    }

    /// Tells of every policy that comes after the one in force now.
    pub(crate) fn watch(&self) -> watch::Receiver<Policy> {
        self.current.subscribe()
    }

    /// Looks at the folder. Blocks for as long as reading and compiling takes. `misfits` tells of a valid policy what keeps
    /// the mesh from running under it.
    pub(crate) fn look(&self, misfits: impl Fn(&Policy) -> Vec<Finding>) -> Reload {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let files = PolicyFiles::read(seen.parsed.dir());
        if files == seen.parsed {
            seen.settling = None;
            return Reload::Same;
        }
        if seen.settling.as_ref() != Some(&files) {
            seen.settling = Some(files);
            return Reload::Same;
        }
        seen.settling = None;
        let policy = Policy::parse(&files)
            .map_err(|errors| errors.to_string())
            .and_then(|policy| match misfits(&policy) {
                misfits if misfits.is_empty() => Ok(policy),
                misfits => Err(lines(files.dir(), &misfits)),
            });
        if let Ok(policy) = &policy
            && let Err(error) = keep(&self.kept, policy.digest(), &files)
        {
            // Looked at again: without its copy it does not come into force.
            return Reload::NotKept(error);
        }
        seen.parsed = files;
        match policy {
            Ok(policy) if policy.digest() == self.current.borrow().digest() => Reload::Same,
            Ok(policy) => {
                let to = policy.digest().to_owned();
                let before = self.current.send_replace(policy);
                Reload::Changed {
                    from: before.digest().to_owned(),
                    to,
                }
            }
            Err(errors) => Reload::Kept(errors),
        }
    }
}

fn lines(dir: &Path, misfits: &[Finding]) -> String {
    let lines = misfits.iter().map(|misfit| format!("{}/{misfit}", dir.display()));
    lines.collect::<Vec<_>>().join("\n")
}

fn keep(folder: &Path, digest: &str, files: &PolicyFiles) -> std::io::Result<()> {
    let to = folder.join(plain(digest));
    if to.exists() {
        return Ok(());
    }
    let half = folder.join(format!("{}.tmp-{}", plain(digest), std::process::id()));
    for (name, text) in files.texts() {
        let path = half.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    match std::fs::rename(&half, &to) {
        // Another process of the mesh was quicker.
        Err(_) if to.exists() => std::fs::remove_dir_all(&half),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use malla_policy::{Action, GLOBAL_FILE, GROUPS_FILE, Request, TEMPLATE};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in TEMPLATE {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn look(policies: &Policies) -> Reload {
        policies.look(|_| Vec::new())
    }

    fn add(dir: &Path, line: &str) {
        let path = dir.join(GROUPS_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{text}{line}\n")).unwrap();
    }

    #[test]
    fn a_change_counts_when_it_has_settled() {
        let dir = folder();
        let policies = Policies::load(dir.path(), dir.path().join(".kept")).unwrap();
        let mut told = policies.watch();
        let first = policies.current();
        assert!(matches!(look(&policies), Reload::Same));
        add(dir.path(), "g, user:nueva, role:analista, *");
        assert!(matches!(look(&policies), Reload::Same));
        add(dir.path(), "g, user:otra, role:analista, *");
        assert!(matches!(look(&policies), Reload::Same));
        assert!(!told.has_changed().unwrap());
        let Reload::Changed { from, to } = look(&policies) else {
            panic!("the files stayed the same for two looks");
        };
        assert_eq!(from, first.digest());
        assert_eq!(to, told.borrow_and_update().digest());
        assert!(policies.current().is("user:otra", "ventas", "role:analista"));
        let before = policies.of_digest(first.digest()).unwrap();
        assert!(!before.is("user:otra", "ventas", "role:analista"));
        assert!(policies.of_digest("../../etc").is_none());
        assert!(matches!(look(&policies), Reload::Same));
    }

    #[test]
    fn what_is_not_valid_changes_nothing_and_is_told_once() {
        let dir = folder();
        let policies = Policies::load(dir.path(), dir.path().join(".kept")).unwrap();
        let before = policies.current();
        add(dir.path(), "g, nobody, role:analista");
        assert!(matches!(look(&policies), Reload::Same));
        let Reload::Kept(errors) = look(&policies) else {
            panic!("the files are not valid");
        };
        assert!(errors.contains("groups.csv:"), "{errors}");
        assert!(matches!(look(&policies), Reload::Same));
        assert_eq!(policies.current().digest(), before.digest());
    }

    #[test]
    fn what_does_not_fit_the_mesh_changes_nothing() {
        let dir = folder();
        let policies = Policies::load(dir.path(), dir.path().join(".kept")).unwrap();
        let before = policies.current();
        add(dir.path(), "g, user:nueva, role:analista, *");
        let misfit = Finding {
            file: "masks.toml".to_owned(),
            line: Some(7),
            what: "cannot hide a date".to_owned(),
        };
        let look = || policies.look(|_| vec![misfit.clone()]);
        assert!(matches!(look(), Reload::Same));
        let Reload::Kept(why) = look() else {
            panic!("the policy does not fit");
        };
        assert_eq!(
            why,
            format!("{}/masks.toml:7: cannot hide a date", dir.path().display())
        );
        assert!(matches!(look(), Reload::Same));
        assert_eq!(policies.current().digest(), before.digest());
    }

    #[test]
    fn a_comment_is_no_change() {
        let dir = folder();
        let policies = Policies::load(dir.path(), dir.path().join(".kept")).unwrap();
        add(dir.path(), "# Who is who.");
        assert!(matches!(look(&policies), Reload::Same));
        assert!(matches!(look(&policies), Reload::Same));
        assert!(!policies.watch().has_changed().unwrap());
    }

    #[test]
    fn whoever_asks_while_it_changes_gets_one_whole_policy() {
        let dir = folder();
        let policies = Policies::load(dir.path(), dir.path().join(".kept")).unwrap();
        let first = policies.current().digest().to_owned();
        let done = AtomicBool::new(false);
        let digests = std::thread::scope(|threads| {
            let (policies, done) = (&policies, &done);
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    threads.spawn(move || {
                        let mut seen = std::collections::BTreeSet::new();
                        while !done.load(Ordering::Acquire) {
                            let policy = policies.current();
                            // Both lines come at once, or neither.
                            let both = ["user:uno", "user:dos"]
                                .map(|user| policy.is(user, "ventas", "role:analista"));
                            assert_eq!(both[0], both[1]);
                            seen.insert(policy.digest().to_owned());
                        }
                        seen
                    })
                })
                .collect();
            add(
                dir.path(),
                "g, user:uno, role:analista, *\ng, user:dos, role:analista, *",
            );
            while !matches!(look(policies), Reload::Changed { .. }) {}
            done.store(true, Ordering::Release);
            readers
                .into_iter()
                .flat_map(|reader| reader.join().unwrap())
                .collect::<std::collections::BTreeSet<_>>()
        });
        let known = [first, policies.current().digest().to_owned()];
        assert!(digests.iter().all(|digest| known.contains(digest)));
    }

    #[test]
    fn a_hundred_thousand_rules_change_while_they_are_asked() {
        const RULES: usize = 100_000;
        const CHANGES: usize = 4;
        let dir = folder();
        let global = dir.path().join(GLOBAL_FILE);
        let template = std::fs::read_to_string(&global).unwrap();
        let fixed: String = (0..RULES)
            .map(|n| {
                format!(
                    "p, user:u{n}, ventas, ventas.t{}, read, p{}, allow\n",
                    n % 997,
                    n % 7
                )
            })
            .collect();
        // What a version allows, no other does.
        let write = |version: usize| {
            let text = format!(
                "{template}p, user:turno, ventas, ventas.a{version}, read, *, allow\n{fixed}\
                 p, user:turno, ventas, ventas.z{version}, read, *, allow\n"
            );
            std::fs::write(&global, text).unwrap();
        };
        write(0);
        let policies = Policies::load(dir.path(), dir.path().join(".kept")).unwrap();
        let in_force = AtomicUsize::new(0);
        let ask = |policy: &Policy, principal: &str, object: &str, purpose: &str| {
            let request = Request {
                principal,
                domain: "ventas",
                object,
                action: Action::Read,
                purpose,
            };
            policy.decide(&request).is_allowed()
        };
        std::thread::scope(|threads| {
            let (policies, in_force) = (&policies, &in_force);
            let askers: Vec<_> = (0..2)
                .map(|asker| {
                    threads.spawn(move || {
                        let (mut newest, mut asked) = (0, 0);
                        while newest < CHANGES {
                            let at_least = in_force.load(Ordering::Acquire);
                            let policy = policies.current();
                            let [first, last] = ["a", "z"].map(|name| {
                                (0..=CHANGES)
                                    .filter(|version| {
                                        ask(
                                            &policy,
                                            "user:turno",
                                            &format!("ventas.{name}{version}"),
                                            "informes",
                                        )
                                    })
                                    .collect::<Vec<_>>()
                            });
                            assert_eq!(first, last, "half a policy");
                            let [version] = first[..] else {
                                panic!("a policy of several versions: {first:?}");
                            };
                            assert!(
                                version >= at_least.max(newest),
                                "a policy that is no longer in force"
                            );
                            let n = (asked * 7919 + asker) % RULES;
                            let (user, table, purpose) = (
                                format!("user:u{n}"),
                                format!("ventas.t{}", n % 997),
                                format!("p{}", n % 7),
                            );
                            assert!(ask(&policy, &user, &table, &purpose));
                            assert!(!ask(&policy, &user, &table, "otro"));
                            (newest, asked) = (version, asked + 1);
                        }
                        asked
                    })
                })
                .collect();
            for version in 1..=CHANGES {
                write(version);
                while !matches!(look(policies), Reload::Changed { .. }) {}
                in_force.store(version, Ordering::Release);
            }
            for asker in askers {
                assert!(asker.join().unwrap() > 1000);
            }
        });
    }
}
