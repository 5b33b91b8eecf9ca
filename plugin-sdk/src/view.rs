//! The view: keys and values that a projection or a process manager keeps. It is private to one generation of one
//! plugin, and the plugin's only memory, for instances come and go. What a call wrote it reads back at once; when the
//! call ends well, the writes are stored together with how far the plugin has read, and else not at all.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
use crate::bindings::shared::weir::plugin::view as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::view as host;
use crate::{Payload, Problem};

/// Entries that a scan asks for at a time.
const PAGE_ENTRIES: u32 = 256;

/// Access to the plugin's view, handed to each call that has one. Values are JSON of the plugin's own types; keys are
/// ordered as UTF-8 bytes. Natively it is a map in [`testing::Host`](crate::testing::Host).
///
/// ```
/// # #[cfg(not(target_family = "wasm"))] {
/// let host = weir_plugin_sdk::testing::Host::new();
/// let view = host.view();
/// view.put("red", &1).unwrap();
/// view.update("red", |count: Option<u64>| count.unwrap_or_default() + 1).unwrap();
/// assert_eq!(view.get::<u64>("red"), Ok(Some(2)));
/// # }
/// ```
#[derive(Debug)]
pub struct View(());

impl View {
    pub(crate) fn open() -> Self {
        Self(())
    }

    /// The value of a key, if there is one.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// assert_eq!(view.get::<String>("nobody"), Ok(None));
    /// view.put("somebody", &7).unwrap();
    /// assert_eq!(view.get::<String>("somebody").unwrap_err().code, "view-unexpected");
    /// # }
    /// ```
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Problem> {
        self.get_raw(key).map(|value| read(key, &value)).transpose()
    }

    /// The values of several keys in one call of the host, in the order of the keys.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put("a", &1).unwrap();
    /// assert_eq!(view.get_many::<u8>(&["a", "b"]), Ok(vec![Some(1), None]));
    /// # }
    /// ```
    pub fn get_many<T: DeserializeOwned>(&self, keys: &[impl AsRef<str>]) -> Result<Vec<Option<T>>, Problem> {
        let keys: Vec<String> = keys.iter().map(|key| key.as_ref().to_owned()).collect();
        let values = host::get_many(&keys);
        keys.iter().zip(values).map(|(key, value)| value.map(|value| read(key, &value)).transpose()).collect()
    }

    /// Sets the value of a key.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put("a", "text").unwrap();
    /// assert_eq!(view.get_raw("a").unwrap().as_json(), Some(r#""text""#));
    /// # }
    /// ```
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Problem> {
        self.put_raw(key, &Payload::of(value)?);
        Ok(())
    }

    /// Sets the values of several keys in one call of the host.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put_many([("a", 1), ("b", 2)]).unwrap();
    /// assert_eq!(view.get::<u8>("b"), Ok(Some(2)));
    /// # }
    /// ```
    pub fn put_many<K: Into<String>, T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), Problem> {
        let entry = |(key, value): (K, T)| Ok((key.into(), Payload::of(&value)?));
        let entries: Vec<(String, Payload)> = entries.into_iter().map(entry).collect::<Result<_, Problem>>()?;
        host::put_many(&entries);
        Ok(())
    }

    /// Removes a key; one that is not there stays so.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put("a", &1).unwrap();
    /// view.delete("a");
    /// assert_eq!(view.get::<u8>("a"), Ok(None));
    /// # }
    /// ```
    pub fn delete(&self, key: &str) {
        host::delete(key);
    }

    /// Makes a key's next value of the one it has. The function answers with a value, or with an `Option`, where `None`
    /// removes the key.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.update("open", |count: Option<u32>| count.unwrap_or_default() + 1).unwrap();
    /// view.update("open", |count: Option<u32>| count.filter(|count| *count > 1)).unwrap();
    /// assert_eq!(view.get::<u32>("open"), Ok(None));
    /// # }
    /// ```
    pub fn update<T, R>(&self, key: &str, change: impl FnOnce(Option<T>) -> R) -> Result<(), Problem>
    where
        T: Serialize + DeserializeOwned,
        R: Into<Option<T>>,
    {
        match change(self.get(key)?).into() {
            Some(value) => self.put(key, &value),
            None => {
                self.delete(key);
                Ok(())
            }
        }
    }

    /// All entries whose keys start with `prefix`, in the order of the keys' bytes. They are fetched a page at a time, as
    /// the iterator is read. [`serde::de::IgnoredAny`] reads any JSON where only the keys matter.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put_many([("b/2", 2), ("a/1", 1), ("b/1", 1)]).unwrap();
    /// let found: Result<Vec<(String, u8)>, _> = view.scan("b/").collect();
    /// assert_eq!(found, Ok(vec![("b/1".into(), 1), ("b/2".into(), 2)]));
    /// # }
    /// ```
    pub fn scan<T: DeserializeOwned>(&self, prefix: &str) -> Scan<'_, T> {
        let (prefix, page) = (prefix.to_owned(), Vec::new().into_iter());
        Scan { view: self, prefix, page, after: None, ended: false, values: PhantomData }
    }

    /// The payload of a key, whatever it is.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # use weir_plugin_sdk::Payload;
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put_raw("a", &Payload::Bytes(vec![1]));
    /// assert_eq!(view.get_raw("a"), Some(Payload::Bytes(vec![1])));
    /// # }
    /// ```
    pub fn get_raw(&self, key: &str) -> Option<Payload> {
        host::get(key)
    }

    /// Sets the payload of a key, for bytes or for JSON that is text already.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # use weir_plugin_sdk::Payload;
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put_raw("a", &Payload::Json("[1]".into()));
    /// assert_eq!(view.get::<Vec<u8>>("a"), Ok(Some(vec![1])));
    /// # }
    /// ```
    pub fn put_raw(&self, key: &str, value: &Payload) {
        host::put(key, value);
    }

    /// The payloads of several keys in one call of the host, in the order of the keys.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # use weir_plugin_sdk::Payload;
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put_many_raw(&[("a".into(), Payload::Json("[1]".into()))]);
    /// assert_eq!(view.get_many_raw(&["a".into(), "b".into()]), [Some(Payload::Json("[1]".into())), None]);
    /// # }
    /// ```
    pub fn get_many_raw(&self, keys: &[String]) -> Vec<Option<Payload>> {
        host::get_many(keys)
    }

    /// Sets the payloads of several keys in one call of the host.
    pub fn put_many_raw(&self, entries: &[(String, Payload)]) {
        host::put_many(entries);
    }

    /// One page of entries: keys that start with `prefix` and come after `after`. The host may give fewer than `limit`;
    /// only an empty page is the end.
    ///
    /// ```
    /// # #[cfg(not(target_family = "wasm"))] {
    /// # let host = weir_plugin_sdk::testing::Host::new();
    /// # let view = host.view();
    /// view.put_many([("a", 1), ("b", 2), ("c", 3)]).unwrap();
    /// let page = view.scan_raw("", Some("a"), 1);
    /// assert_eq!(page[0].0, "b");
    /// # }
    /// ```
    pub fn scan_raw(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<(String, Payload)> {
        host::scan(prefix, after, limit)
    }
}

/// The entries of a [`View::scan`]; an entry whose value does not fit `T` is an error and does not end the scan.
pub struct Scan<'a, T> {
    view: &'a View,
    prefix: String,
    page: std::vec::IntoIter<(String, Payload)>,
    /// The last key of the page.
    after: Option<String>,
    ended: bool,
    values: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for Scan<'_, T> {
    type Item = Result<(String, T), Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 && !self.ended {
            let page = self.view.scan_raw(&self.prefix, self.after.as_deref(), PAGE_ENTRIES);
            // A short page is no sign: the host may hand out fewer entries than were asked for.
            match page.last() {
                Some((last, _)) => self.after = Some(last.clone()),
                None => self.ended = true,
            }
            self.page = page.into_iter();
        }
        let (key, value) = self.page.next()?;
        Some(read(&key, &value).map(|value| (key, value)))
    }
}

fn read<T: DeserializeOwned>(key: &str, value: &Payload) -> Result<T, Problem> {
    let named = |problem: Problem| {
        Problem::new("view-unexpected", format!("The view's value of '{key}' does not fit: {}", problem.message))
    };
    value.json().map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn a_scan_goes_over_pages_and_stays_within_its_prefix() {
        let host = Host::new();
        let view = host.view();
        view.put_many((0..1_000).map(|n| (format!("k/{n:04}"), n))).expect("numbers");
        view.put_many([("j", 1), ("l", 1)]).expect("numbers");
        let found: Vec<u32> = view.scan("k/").map(|entry| entry.expect("an entry").1).collect();
        assert_eq!(found, (0..1_000).collect::<Vec<_>>());
        assert_eq!(view.scan::<u32>("").count(), 1_002);
    }

    #[test]
    fn keys_are_ordered_as_utf8_bytes() {
        let host = Host::new();
        let view = host.view();
        view.put_many([("é", 1), ("z", 2), ("\u{10000}", 3), ("\u{ffff}", 4), ("Z", 5)]).expect("numbers");
        let keys: Vec<String> = view.scan::<u8>("").map(|entry| entry.expect("an entry").0).collect();
        assert_eq!(keys, ["Z", "z", "é", "\u{ffff}", "\u{10000}"]);
    }

    #[test]
    fn an_entry_that_does_not_fit_does_not_end_the_scan() {
        let host = Host::new();
        let view = host.view();
        view.put_raw("a", &Payload::Bytes(vec![1]));
        view.put("b", &2).expect("a number");
        let found: Vec<_> = view.scan::<u8>("").collect();
        assert!(matches!(&found[0], Err(problem) if problem.message.contains("'a'")), "{found:?}");
        assert_eq!(found[1], Ok(("b".to_owned(), 2)));
    }
}
