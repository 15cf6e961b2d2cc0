//! Whether a peer can be reached: what was told of it last, and when it is tried again.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Bell;
use super::back_off::BackOff;

/// How a peer stands with us.
#[derive(Debug)]
pub struct Reach {
    /// What the log calls it.
    peer: String,
    /// What is said where it can't be reached, before and behind the reason.
    away: [String; 2],
    standing: Standing,
    back_off: BackOff,
}

/// What was told last.
#[derive(Debug)]
enum Standing {
    /// Nothing yet.
    New,
    /// It can be reached since then.
    Back(Instant),
    /// It can't be since then; last for this reason.
    Away { since: Instant, reason: String },
}

impl Reach {
    /// One that was not tried yet. The log calls it `peer`, and says `away` around the reason why it can't be reached.
    pub fn new(peer: &impl Display, away: [String; 2]) -> Reach {
        Reach {
            peer: peer.to_string(),
            away,
            standing: Standing::New,
            back_off: BackOff::default(),
        }
    }

    /// It can be reached; true where that is to be told, since it was away. `begins` says so in the log the first time.
    pub fn is_back(&mut self, begins: impl FnOnce()) -> bool {
        let was_away = match self.standing {
            Standing::Back(_) => return false,
            Standing::New => {
                begins();
                false
            }
            Standing::Away { since, .. } => {
                let seconds = since.elapsed().as_secs();
                log::info!(
                    "{} is back after {seconds} s: going on where it was",
                    self.peer
                );
                true
            }
        };
        self.standing = Standing::Back(Instant::now());
        was_away
    }

    /// It can't be reached; true where that is to be told, since it was not away. The log warns once, and again where
    /// the reason is another one that somebody must do something about; that it lasts is for `-v`.
    pub fn is_away(&mut self, reason: &str, is_refusal: bool) -> bool {
        let (since, warns) = match &self.standing {
            Standing::Away {
                since,
                reason: told,
            } => (*since, is_refusal && told != reason),
            Standing::New => (Instant::now(), true),
            Standing::Back(since) => {
                self.back_off.forget_after(since.elapsed());
                (Instant::now(), true)
            }
        };
        let [before, behind] = &self.away;
        match warns {
            true => log::warn!("{before}: {reason}{behind}"),
            false => log::debug!("{before} for {} s: {reason}", since.elapsed().as_secs()),
        }
        let reason = reason.to_owned();
        let was = std::mem::replace(&mut self.standing, Standing::Away { since, reason });
        !matches!(was, Standing::Away { .. })
    }

    /// How long to wait before the next try: longer each time that it can't be reached.
    pub fn wait(&mut self) -> Duration {
        self.back_off.wait()
    }

    /// Waits until it is time for the next try; false where the thread is to come to its end instead.
    pub fn rest(&mut self, bell: &Arc<Bell>) -> bool {
        bell.rest(self.wait())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_news_is_told() {
        let away = ["it is away".to_owned(), String::new()];
        let mut reach = Reach::new(&"mqtt://h/#", away);
        let following = || {};
        assert!(!reach.is_back(following), "nobody was told that it is away");
        assert!(reach.is_away("a", false));
        assert!(!reach.is_away("a", false) && !reach.is_away("b", true));
        assert!(reach.is_back(following));
        assert!(!reach.is_back(following));
        assert!(reach.is_away("b", false));
    }
}
