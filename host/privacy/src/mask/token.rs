//! Keyed pseudonyms, and how those of one generation become those of the next.
//!
//! A token is the first 16 bytes of HMAC-SHA-256 of the normalised value under the key of the join group, encrypted as
//! one block of AES-256 under the group's key of the generation: `tok2_` and 26 digits of base 32 (RFC 4648, lower case).
//! One block is a permutation of 128 bits, so two bases never have one token, and who has the key goes back from a token
//! to its base, which says no more about the value than the token did.

use aes::Aes256;
use aes::cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use arrow_array::{Array as _, ArrayRef};
use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac as _};
use malla_contract::Date;
use sha2::Sha256;

use super::normalise::Normalisation;
use super::{MaskError, rewrite, texts};
use crate::KeyStore;
use crate::keys::Generation;

/// What every token starts with, so that nobody takes one for a value. The number of its generation follows.
const PREFIX: &str = "tok";
/// 128 bits in base 32.
const DIGITS: usize = 26;

/// What tokens are made from: half a hash.
type Base = [u8; 16];

/// Makes the tokens of one join group.
#[derive(Clone)]
pub(crate) struct Tokeniser {
    /// Primed with the group's key: both key blocks are hashed once, not for every value.
    mac: Hmac<Sha256>,
    normalisation: Normalisation,
    writer: Writer,
}

impl Tokeniser {
    pub(crate) fn new(keys: &KeyStore, join_group: &str, normalisation: Normalisation) -> Self {
        Self {
            mac: keys.token_key(join_group).hmac(),
            normalisation,
            writer: Writer::new(keys.current_generation(), join_group),
        }
    }

    /// Bytes of each token.
    pub(crate) fn length(&self) -> usize {
        self.writer.length()
    }

    /// Appends the token of a value. `scratch` is space for normalising, of any content.
    pub(crate) fn write(&self, value: &str, scratch: &mut String, out: &mut Vec<u8>) {
        let value = self.normalisation.apply(value, scratch);
        let hash: [u8; 32] = self
            .mac
            .clone()
            .chain_update(value)
            .finalize()
            .into_bytes()
            .into();
        let mut base = Base::default();
        base.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        self.writer.write(base, out);
    }
}

/// Writes the tokens of one generation.
#[derive(Clone)]
struct Writer {
    prefix: String,
    cipher: Aes256,
}

impl Writer {
    fn new(generation: &Generation, join_group: &str) -> Self {
        Self {
            prefix: prefix(generation),
            cipher: cipher(generation, join_group),
        }
    }

    fn length(&self) -> usize {
        self.prefix.len().saturating_add(DIGITS)
    }

    fn write(&self, base: Base, out: &mut Vec<u8>) {
        let mut block = base.into();
        self.cipher.encrypt_block(&mut block);
        let mut digits = [0; DIGITS];
        BASE32_NOPAD.encode_mut(&block, &mut digits);
        digits.make_ascii_lowercase();
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(&digits);
    }
}

/// Makes tokens of older generations into those of the current one, so that old and new ones join.
///
/// It is for a column of tokens of one join group. A token does not say which group it is of: one of another group becomes
/// another text that looks like a token and joins with nothing.
#[derive(Clone)]
pub struct TokenTranslator {
    /// Of each older generation that is still read.
    readers: Vec<(String, Aes256)>,
    writer: Writer,
}

impl TokenTranslator {
    /// A translator of the tokens of a join group, from the generations that are read on the day `today`.
    #[must_use]
    pub fn new(keys: &KeyStore, join_group: &str, today: Date) -> Self {
        let readers = keys
            .generations_before(today)
            .map(|generation| (prefix(generation), cipher(generation, join_group)))
            .collect();
        Self {
            readers,
            writer: Writer::new(keys.current_generation(), join_group),
        }
    }

    /// Whether there is no older generation to translate from, so that every column passes as it is.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.readers.is_empty()
    }

    /// The column with current tokens. Nulls, current tokens, tokens of a generation whose window is over and texts that
    /// are no tokens pass as they are.
    ///
    /// # Errors
    /// The column is not text, or more than 2 GiB would come out.
    pub fn apply(&self, column: &ArrayRef) -> Result<ArrayRef, MaskError> {
        let texts = texts(column)?;
        if !texts.iter().flatten().any(|text| self.base(text).is_some()) {
            return Ok(ArrayRef::clone(column));
        }
        let size = texts.len().saturating_mul(self.writer.length());
        rewrite(texts, size, |text, out| match self.base(text) {
            Some(base) => self.writer.write(base, out),
            None => out.extend_from_slice(text.as_bytes()),
        })
    }

    /// What a token of an older generation was made from.
    fn base(&self, text: &str) -> Option<Base> {
        self.readers.iter().find_map(|(prefix, cipher)| {
            let digits = text.strip_prefix(prefix.as_str())?;
            let mut block = decode(digits)?.into();
            cipher.decrypt_block(&mut block);
            Some(block.into())
        })
    }
}

/// Whether a text has the form of a token, of whichever generation.
pub(crate) fn is_token(text: &str) -> bool {
    let parts = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
    parts.is_some_and(|(generation, digits)| {
        !generation.is_empty() && generation.bytes().all(|b| b.is_ascii_digit()) && decode(digits).is_some()
    })
}

fn prefix(generation: &Generation) -> String {
    format!("{PREFIX}{}_", generation.number)
}

fn cipher(generation: &Generation, join_group: &str) -> Aes256 {
    Aes256::new(generation.key(join_group).bytes().into())
}

/// The bits of a token, if its digits are as [`Writer`] writes them.
fn decode(digits: &str) -> Option<Base> {
    let mut upper: [u8; DIGITS] = digits.as_bytes().try_into().ok()?;
    if upper.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    upper.make_ascii_uppercase();
    let mut base = Base::default();
    // It refuses other digits, and bits beyond the 128th.
    let decoded = BASE32_NOPAD.decode_mut(&upper, &mut base).ok()?;
    (decoded == base.len()).then_some(base)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow_array::cast::AsArray as _;
    use arrow_array::{Array as _, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn day(days: i32) -> Date {
        Date::from_days(days)
    }

    fn tokens(keys: &KeyStore, group: &str, values: &[&str]) -> ArrayRef {
        let tokeniser = Tokeniser::new(keys, group, Normalisation::Text);
        let tokens = values.iter().map(|value| {
            let mut token = Vec::new();
            tokeniser.write(value, &mut String::new(), &mut token);
            String::from_utf8(token).ok()
        });
        Arc::new(tokens.collect::<StringArray>())
    }

    /// The keys of three generations: the first is read until day 10, the second until day 20.
    fn rotated(path: &Path) -> [KeyStore; 3] {
        [
            KeyStore::create(path).unwrap(),
            KeyStore::rotate_tokens(path, day(0), day(10)).unwrap(),
            KeyStore::rotate_tokens(path, day(5), day(20)).unwrap(),
        ]
    }

    #[test]
    fn old_tokens_join_within_their_window_only() {
        let dir = tempfile::tempdir().unwrap();
        let generations = rotated(&dir.path().join("keys"));
        let [first, second, third] =
            [0, 1, 2].map(|index| tokens(&generations[index], "g", &["ana", "luis"]));
        let translate = |today, column| {
            TokenTranslator::new(&generations[2], "g", day(today))
                .apply(column)
                .unwrap()
        };
        assert_ne!(&first, &second);
        for (today, column, joins) in [
            (5, &first, true),
            (10, &first, true),
            (11, &first, false),
            (11, &second, true),
            (20, &second, true),
            (21, &second, false),
            (21, &third, true),
        ] {
            let translated = translate(today, column);
            assert_eq!(&translated, if joins { &third } else { column }, "on day {today}");
        }
        assert!(TokenTranslator::new(&generations[2], "g", day(21)).is_idle());
        assert!(!TokenTranslator::new(&generations[2], "g", day(20)).is_idle());
    }

    #[test]
    fn what_is_no_old_token_passes() {
        let dir = tempfile::tempdir().unwrap();
        let generations = rotated(&dir.path().join("keys"));
        let translator = TokenTranslator::new(&generations[2], "g", day(0));
        let old = tokens(&generations[0], "g", &["ana"]);
        let old = old.as_string::<i32>().value(0);
        let mut odd = vec![
            old.to_uppercase(),
            format!("{old}a"),
            format!(" {old}"),
            old.replace("tok1_", "tok4_"),
            old.replace("tok1_", "tok01_"),
            old.replace("tok1_", "tok_"),
            // Bits beyond the 128th: no token ends so.
            format!("{}b", old.split_at(old.len() - 1).0),
            String::new(),
            "ana@correo.mx".to_owned(),
            "tok1_".to_owned(),
            "tok1_ñañañañañañañ".to_owned(),
        ];
        let foreign: ArrayRef = Arc::new(StringArray::from(odd.clone()));
        assert_eq!(&translator.apply(&foreign).unwrap(), &foreign);
        // Next to an old token too, and nulls stay.
        odd.push(old.to_owned());
        let mixed: ArrayRef = Arc::new(odd.iter().map(Some).chain([None]).collect::<StringArray>());
        let translated = translator.apply(&mixed).unwrap();
        let current = tokens(&generations[2], "g", &["ana"]);
        assert_eq!(&translated.slice(0, 11), &foreign);
        assert_eq!(&translated.slice(11, 1), &current);
        assert!(translated.is_null(12));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(matches!(
            translator.apply(&numbers),
            Err(MaskError::WrongType { .. })
        ));
    }

    /// A store from before there were generations is in its first, and can be rotated.
    #[test]
    fn tokens_of_a_store_without_generations_are_the_first() {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let key = "1".repeat(64);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .unwrap();
        write!(
            file,
            "version = 1\n[token]\nkey = \"{key}\"\n[host]\nkey = \"{key}\"\n[[seal]]\nid = \"0000000000000001\"\nkey = \"{key}\"\n"
        )
        .unwrap();
        let old = KeyStore::load(&path).unwrap();
        assert_eq!(old.token_generation(), 1);
        let before = tokens(&old, "g", &["ana"]);
        assert_eq!(&before, &tokens(&KeyStore::load(&path).unwrap(), "g", &["ana"]));
        let new = KeyStore::rotate_tokens(&path, day(0), day(9)).unwrap();
        let translator = TokenTranslator::new(&KeyStore::load(&path).unwrap(), "g", day(9));
        assert_eq!(&translator.apply(&before).unwrap(), &tokens(&new, "g", &["ana"]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn translating_is_tokenising_anew(
            values in proptest::collection::vec("\\PC{0,12}", 1..6),
            (group, other) in ("[a-c]{1,2}", "[d-f]{1,2}"),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let generations = rotated(&dir.path().join("keys"));
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let of = |index: usize, group: &str| tokens(&generations[index], group, &values);
            let translator = TokenTranslator::new(&generations[2], &group, day(0));
            for index in 0..3 {
                // Equal values, group and generation: equal tokens. And the current one from each.
                prop_assert_eq!(&of(index, &group), &of(index, &group));
                let translated = translator.apply(&of(index, &group)).unwrap();
                prop_assert_eq!(&translated, &of(2, &group));
                prop_assert_eq!(&translator.apply(&translated).unwrap(), &translated);
                // Another group's tokens never become this group's.
                let foreign = translator.apply(&of(index, &other)).unwrap();
                let (ours, foreign) = (of(2, &group), foreign);
                let ours: Vec<_> = ours.as_string::<i32>().iter().collect();
                prop_assert!(foreign.as_string::<i32>().iter().all(|token| !ours.contains(&token)));
            }
            let sliced = of(0, &group).slice(1, values.len() - 1);
            prop_assert_eq!(&translator.apply(&sliced).unwrap(), &of(2, &group).slice(1, values.len() - 1));
        }
    }
}
