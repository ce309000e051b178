//! New generations of tokens, in a key file that is in use.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::file::unreadable;
use super::{Generation, KeyError, KeyId, KeyStore, Secret};
use malla_contract::Date;

impl KeyStore {
    /// Begins a new generation of tokens, in the file. Tokens of the generation before are read (made into current ones
    /// by a [`TokenTranslator`](crate::TokenTranslator)) up to and with the day `until`. The keys of generations whose
    /// day was over before `today` are dropped. What runs with the old keys writes old tokens until it loads the new
    /// ones: no token is lost.
    ///
    /// The file is replaced whole or not at all, and two that rotate at once wait for each other.
    ///
    /// # Errors
    /// `until` is before `today`, or the file cannot be read ([`KeyStore::load`]) or replaced.
    pub fn rotate_tokens(path: &Path, today: Date, until: Date) -> Result<Self, KeyError> {
        if until < today {
            return Err(KeyError::Window { until, today });
        }
        Self::replace(path, |keys| {
            let number = keys
                .generation
                .number
                .checked_add(1)
                .ok_or_else(|| KeyError::Damaged {
                    path: path.to_owned(),
                    what: "no number is left for a generation of `token`".to_owned(),
                })?;
            let next = Generation {
                number,
                secret: Secret::random()?,
                until: None,
            };
            let mut last = std::mem::replace(&mut keys.generation, next);
            last.until = Some(until);
            keys.generations_before.push(last);
            keys.drop_expired(today);
            Ok(())
        })
    }

    /// Drops the keys of generations of tokens whose day was over before `today`, from the file. Their tokens stay what
    /// they are, and join with nothing but themselves.
    ///
    /// # Errors
    /// The file cannot be read ([`KeyStore::load`]) or replaced.
    pub fn drop_expired_tokens(path: &Path, today: Date) -> Result<Self, KeyError> {
        Self::replace(path, |keys| {
            keys.drop_expired(today);
            Ok(())
        })
    }

    fn drop_expired(&mut self, today: Date) {
        self.generations_before
            .retain(|generation| generation.is_read(today));
    }

    fn replace(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<(), KeyError>,
    ) -> Result<Self, KeyError> {
        let (place, locked) = lock(path).map_err(|source| unreadable(path, source))?;
        let mut keys = Self::read(path, &locked)?;
        change(&mut keys)?;
        // In the same folder, so that the rename stays within one file system.
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", KeyId::random()?));
        let new = place.with_file_name(name);
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        keys.write(&new).map_err(io)?;
        if let Err(source) = fs::rename(&new, &place) {
            // It holds keys.
            let _ = fs::remove_file(&new);
            return Err(io(source));
        }
        // The new name must outlive a power cut: data may be written under the new keys from now on.
        let folder = place.parent().unwrap_or(&place);
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io)?;
        Ok(keys)
    }
}

/// The file behind the links of a path, locked, and its path.
fn lock(path: &Path) -> io::Result<(PathBuf, File)> {
    let path = fs::canonicalize(path)?;
    loop {
        let file = File::open(&path)?;
        file.lock()?;
        // Who had the lock before may have put another file in its place.
        let (locked, there) = (file.metadata()?, fs::metadata(&path)?);
        if (locked.dev(), locked.ino()) == (there.dev(), there.ino()) {
            return Ok((path, file));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn day(days: i32) -> Date {
        Date::from_days(days)
    }

    fn numbers(keys: &KeyStore) -> Vec<u32> {
        let before = keys.generations_before.iter().chain([&keys.generation]);
        before.map(|generation| generation.number).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_generation_is_written_and_all_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.keys");
        let made = KeyStore::create(&path).unwrap();
        let rotated = KeyStore::rotate_tokens(&path, day(100), day(130)).unwrap();
        let read = KeyStore::load(&path).unwrap();
        assert_eq!(
            (
                made.token_generation(),
                rotated.token_generation(),
                read.token_generation()
            ),
            (1, 2, 2)
        );
        assert_eq!(made.token_key("g").bytes(), read.token_key("g").bytes());
        assert_eq!(made.audit_key(), read.audit_key());
        assert_ne!(made.audit_key(), made.component_cache_key());
        assert_eq!(made.seal_key().secret.bytes(), read.seal_key().secret.bytes());
        let key = |keys: &KeyStore| *keys.current_generation().key("g").bytes();
        assert_eq!(key(&rotated), key(&read));
        assert_ne!(key(&made), key(&read));
        let old: Vec<_> = read
            .generations_before(day(130))
            .map(|one| *one.key("g").bytes())
            .collect();
        assert_eq!(old, [key(&made)]);
        assert_eq!(read.generations_before(day(131)).count(), 0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["malla.keys"]);
    }

    #[test]
    fn keys_whose_day_is_over_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.keys");
        KeyStore::create(&path).unwrap();
        KeyStore::rotate_tokens(&path, day(0), day(10)).unwrap();
        KeyStore::rotate_tokens(&path, day(10), day(20)).unwrap();
        assert_eq!(numbers(&KeyStore::load(&path).unwrap()), [1, 2, 3]);
        KeyStore::drop_expired_tokens(&path, day(10)).unwrap();
        assert_eq!(numbers(&KeyStore::load(&path).unwrap()), [1, 2, 3]);
        KeyStore::drop_expired_tokens(&path, day(11)).unwrap();
        assert_eq!(numbers(&KeyStore::load(&path).unwrap()), [2, 3]);
        KeyStore::rotate_tokens(&path, day(21), day(30)).unwrap();
        assert_eq!(numbers(&KeyStore::load(&path).unwrap()), [3, 4]);
    }

    #[test]
    fn a_window_that_is_over_is_refused_and_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.keys");
        KeyStore::create(&path).unwrap();
        let before = fs::read(&path).unwrap();
        let error = KeyStore::rotate_tokens(&path, day(1), day(0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "old tokens would be read until 1970-01-01, and today is 1970-01-02: give a date that is not over"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
        let missing = KeyStore::rotate_tokens(&dir.path().join("none"), day(0), day(0)).unwrap_err();
        assert!(matches!(missing, KeyError::Missing { .. }), "{missing}");
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("real"), dir.path().join("link"));
        KeyStore::create(&path).unwrap();
        symlink(&path, &link).unwrap();
        KeyStore::rotate_tokens(&link, day(0), day(0)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(KeyStore::load(&path).unwrap().token_generation(), 2);
    }

    #[test]
    fn a_store_that_others_reach_is_not_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.keys");
        KeyStore::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = KeyStore::rotate_tokens(&path, day(0), day(0)).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { .. }), "{error}");
    }

    #[test]
    fn who_rotate_at_once_each_get_a_generation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("malla.keys");
        KeyStore::create(&path).unwrap();
        let mut numbers: Vec<u32> = std::thread::scope(|scope| {
            let rotate = || {
                KeyStore::rotate_tokens(&path, day(0), day(0))
                    .unwrap()
                    .token_generation()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(rotate)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        numbers.sort_unstable();
        assert_eq!(numbers, [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(
            self::numbers(&KeyStore::load(&path).unwrap()),
            [1, 2, 3, 4, 5, 6, 7, 8, 9]
        );
    }
}
