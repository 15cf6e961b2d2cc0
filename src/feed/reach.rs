//! Whether an origin on another machine can be reached: what was told of it last, and when it is tried again.

use std::sync::Arc;
use std::time::Instant;

use crate::outward::{BackOff, Bell};

/// How an origin stands with us.
pub(super) struct Reach {
    /// Its URL, for the log.
    url: String,
    standing: Standing,
    back_off: BackOff,
}

/// What was told last.
enum Standing {
    /// Nothing yet.
    New,
    /// It can be reached since then.
    Back(Instant),
    /// It can't be, for this reason.
    Away(String),
}

impl Reach {
    /// One that was not tried yet.
    pub(super) fn new(url: String) -> Reach {
        Reach {
            url,
            standing: Standing::New,
            back_off: BackOff::default(),
        }
    }

    /// It can be reached; true where its files are to be told, since it was away. `following` is logged the first time.
    pub(super) fn is_back(&mut self, following: impl FnOnce() -> String) -> bool {
        match self.standing {
            Standing::Back(_) => return false,
            Standing::New => log::info!("{}", following()),
            Standing::Away(_) => log::info!("{} is back: going on where it was", self.url),
        }
        let was = std::mem::replace(&mut self.standing, Standing::Back(Instant::now()));
        matches!(was, Standing::Away(_))
    }

    /// It can't be reached; true where its files are to be told. Logged once, and again where the reason is another one
    /// that somebody must do something about.
    pub(super) fn is_away(&mut self, reason: &str, is_refusal: bool) -> bool {
        let was_away = match &self.standing {
            Standing::Away(told) if told == reason => return false,
            Standing::Away(_) => true,
            Standing::New => false,
            Standing::Back(since) => {
                self.back_off.forget_after(since.elapsed());
                false
            }
        };
        match was_away && !is_refusal {
            true => log::debug!("{}: {reason}", self.url),
            false => log::warn!("{} is away: {reason}: trying until it is back", self.url),
        }
        self.standing = Standing::Away(reason.to_owned());
        !was_away
    }

    /// Waits until it is time for the next try; false where the thread is to come to its end instead.
    pub(super) fn rest(&mut self, bell: &Arc<Bell>) -> bool {
        bell.rest(self.back_off.wait())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_news_is_told() {
        let mut reach = Reach::new("mqtt://h/#".to_owned());
        let following = || "following".to_owned();
        assert!(!reach.is_back(following), "nobody was told that it is away");
        assert!(reach.is_away("a", false));
        assert!(!reach.is_away("a", false) && !reach.is_away("b", true));
        assert!(reach.is_back(following));
        assert!(!reach.is_back(following));
        assert!(reach.is_away("b", false));
    }
}
