//! Who follows through whom, so that tailcasts that follow each other in a circle are told from those that don't.
//!
//! Each run has a random id. Who asks another tailcast for a stream says its own id and those of all who follow through
//! it (the field `Tailcast-Via`); who finds its own id there would be sent its own lines back, and refuses. A diamond (two
//! ways to one machine) is no circle. When somebody new follows through us, our own streams are asked for anew, so that
//! circles that close at one moment are found, too.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::str;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::limits::VIA_IDS_MAX;

/// The name of the field.
pub const FIELD: &str = "Tailcast-Via";

/// The subprotocol of WebSocket that tailcasts speak with each other: `batch`, and two things more. Lines that are more than
/// text (bytes that are not UTF-8, `\r\n`, pieces of a line) come as `exact` in place of `lines`. And whoever asks says in
/// messages, once it is let in, the ids for which its request's head had no room, as `after=` has them; an empty one ends that.
pub const PROTOCOL: &str = "tailcast";

/// This run's id, and those of all who follow through it now.
pub struct Via {
    own: String,
    /// How many streams each of them comes by.
    followers: Mutex<BTreeMap<String, usize>>,
    /// Counts the ids that were added.
    added: AtomicU64,
    /// Whom to tell of that.
    told: Mutex<Vec<Tell>>,
}

/// Called when somebody new follows through us; must not block.
pub type Tell = Box<dyn Fn() + Send + Sync>;

/// Why a stream that another tailcast asks for is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// The asker's lines come from here.
    Circle,
    /// It is no list of ids.
    Unreadable,
}

/// A stream of another tailcast: its ids are known to follow through us until this is dropped.
#[derive(Debug)]
pub struct Passage {
    via: Arc<Via>,
    ids: Vec<String>,
}

impl std::fmt::Debug for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Via")
            .field("own", &self.own)
            .field("followers", &self.followers)
            .finish_non_exhaustive()
    }
}

impl Default for Via {
    fn default() -> Via {
        // Each RandomState has keys of its own.
        let own = RandomState::new().hash_one(0);
        Via {
            own: format!("{own:016x}"),
            followers: Mutex::default(),
            added: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }
}

impl Via {
    /// Lets a stream through, whose request has this field.
    pub fn admit(self: &Arc<Via>, field: &[u8]) -> Result<Passage, NoWay> {
        let text = str::from_utf8(field).map_err(|_| NoWay::Unreadable)?;
        let ids: Vec<String> = text.split(',').map(|id| id.trim().to_owned()).collect();
        let is_id = |id: &String| {
            (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        if ids.len() > VIA_IDS_MAX || !ids.iter().all(is_id) {
            return Err(NoWay::Unreadable);
        }
        if ids.contains(&self.own) {
            return Err(NoWay::Circle);
        }
        let mut is_new = false;
        let mut followers = self.followers.lock();
        for id in &ids {
            let streams = followers.entry(id.clone()).or_default();
            *streams += 1;
            if *streams == 1 {
                self.added.fetch_add(1, Ordering::Release);
                is_new = true;
            }
        }
        drop(followers);
        if is_new {
            self.told.lock().iter().for_each(|tell| tell());
        }
        Ok(Passage {
            via: Arc::clone(self),
            ids,
        })
    }

    /// The field of our own requests, and the count that [`Via::added`] had then.
    pub fn field(&self) -> (String, u64) {
        let followers = self.followers.lock();
        let ids = std::iter::once(&self.own).chain(followers.keys());
        let ids: Vec<&str> = ids.take(VIA_IDS_MAX).map(String::as_str).collect();
        (ids.join(", "), self.added())
    }

    /// `tell` is called whenever [`Via::added`] has changed.
    pub fn when_added(&self, tell: Tell) {
        self.told.lock().push(tell);
    }

    /// How often somebody new has come to follow through us: where it has changed, our requests say too little.
    pub fn added(&self) -> u64 {
        self.added.load(Ordering::Acquire)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let mut followers = self.via.followers.lock();
        for id in &self.ids {
            if let Some(streams) = followers.get_mut(id) {
                *streams -= 1;
                if *streams == 0 {
                    followers.remove(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `asker` asks `asked`.
    fn ask(asker: &Arc<Via>, asked: &Arc<Via>) -> Result<Passage, NoWay> {
        asked.admit(asker.field().0.as_bytes())
    }

    #[test]
    fn a_circle_is_refused_and_a_diamond_is_none() {
        let [a, b, c, d] = std::array::from_fn(|_| Arc::new(Via::default()));
        let _ab = ask(&a, &b).expect("a follows b");
        let _ac = ask(&a, &c).expect("a follows c");
        let _bd = ask(&b, &d).expect("b follows d");
        let _cd = ask(&c, &d).expect("c follows d: a diamond");
        assert_eq!(ask(&d, &a).expect_err("a circle"), NoWay::Circle);
        assert_eq!(ask(&a, &a).expect_err("itself"), NoWay::Circle);
    }

    #[test]
    fn who_has_left_follows_no_more() {
        let [a, b] = std::array::from_fn(|_| Arc::new(Via::default()));
        let before = b.added();
        let ab = ask(&a, &b).expect("a follows b");
        assert!(b.added() > before, "b asks anew");
        assert_eq!(ask(&b, &a).expect_err("a circle"), NoWay::Circle);
        drop(ab);
        ask(&b, &a).expect("no circle any more");
    }

    #[test]
    fn what_is_no_list_of_ids_is_refused() {
        let via = Arc::new(Via::default());
        let long = vec!["a"; VIA_IDS_MAX + 1].join(",");
        for field in ["", ",", "a b", "a;b", "\u{e4}", &"a".repeat(65), &long] {
            let refused = via.admit(field.as_bytes()).expect_err("no ids");
            assert_eq!(refused, NoWay::Unreadable, "{field}");
        }
    }
}
