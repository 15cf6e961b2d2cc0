//! Topics: `PREFIX/HOSTNAME/NAME`, with what may not stand in one level of a topic escaped by percent.
//!
//! MQTT forbids `+`, `#` and NUL in a topic's name and reads `/` as a new level (MQTT 5, section 4.7); it advises
//! against control characters. `*` is escaped for RabbitMQ, whose plugin makes AMQP routing keys of topics: there it is
//! what `+` is here. `%` is escaped so that no two names become one. The name `status` is, too: it is the topic of
//! the publisher itself.

use std::fmt::Write;

use crate::config::publishing::Broker;
use crate::limits::TOPIC_BYTES;
use crate::source::Source;

/// The topics of one publisher.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    /// `PREFIX/HOSTNAME/`.
    base: String,
    /// Further characters that are escaped.
    escaped: String,
}

impl Topics {
    /// Below `broker`'s prefix, for the machine called `host`; `escaped` are further characters that its topics can't
    /// hold.
    pub(super) fn new(broker: &Broker, host: &str, escaped: &str) -> Topics {
        Topics {
            base: format!("{}/{}/", broker.prefix, level(host, escaped)),
            escaped: escaped.to_owned(),
        }
    }

    /// Where the publisher says `online` and `offline`.
    pub(super) fn status(&self) -> String {
        format!("{}status", self.base)
    }

    /// Where a file's lines go. A name that is too long is cut, and ends with a hash of it all.
    pub(super) fn of(&self, source: &Source) -> String {
        let name = match source.name.as_str() {
            "status" => "%73tatus".to_owned(),
            name => level(name, &self.escaped),
        };
        let mut topic = format!("{}{name}", self.base);
        if topic.len() > TOPIC_BYTES {
            let hash = format!("~{:08x}", source.name_hash);
            let mut end = TOPIC_BYTES - hash.len();
            while !topic.is_char_boundary(end) {
                end -= 1;
            }
            topic.truncate(end);
            topic.push_str(&hash);
        }
        topic
    }
}

/// `text` as one level of a topic, where the characters of `escaped` are told apart, too.
fn level(text: &str, escaped: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let is_told_apart = |character: char| {
        matches!(character, '+' | '#' | '/' | '*' | '%')
            || character.is_control()
            // Non-characters (MQTT 5, section 1.5.4).
            || matches!(u32::from(character) & 0xffff, 0xfffe | 0xffff)
            || matches!(character, '\u{fdd0}'..='\u{fdef}')
            || escaped.contains(character)
    };
    for character in text.chars() {
        if is_told_apart(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String can't fail.
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use crate::percent::{self, Plus};
    use crate::source::Origin;

    use super::*;

    fn topic(name: &str) -> String {
        escaped(name, "")
    }

    fn escaped(name: &str, characters: &str) -> String {
        let broker = Broker::parse("mqtt://h/site/logs").expect("a broker");
        Topics::new(&broker, "web1.example", characters).of(&Source::new(
            0,
            name.to_owned(),
            PathBuf::new(),
            Origin::File,
        ))
    }

    #[test]
    fn an_ordinary_name_is_as_it_is() {
        assert_eq!(topic("app.log"), "site/logs/web1.example/app.log");
        assert_eq!(topic("größe 1"), "site/logs/web1.example/größe 1");
    }

    #[test]
    fn what_a_topic_may_not_hold_is_escaped() {
        assert_eq!(
            topic("/var/log/a+b#*%\n"),
            "site/logs/web1.example/%2Fvar%2Flog%2Fa%2Bb%23%2A%25%0A"
        );
        assert_eq!(topic("status"), "site/logs/web1.example/%73tatus");
    }

    #[test]
    fn what_a_broker_refuses_besides_is_escaped_where_it_is_said() {
        assert_eq!(
            escaped("größe 1.log", ". ö"),
            "site/logs/web1%2Eexample/gr%C3%B6ße%201%2Elog"
        );
    }

    #[test]
    fn long_names_stay_apart() {
        let (one, two) = ("é".repeat(200) + "1", "é".repeat(200) + "2");
        assert_ne!(topic(&one), topic(&two));
        assert!(topic(&one).len() <= TOPIC_BYTES);
    }

    proptest! {
        #[test]
        fn any_name_is_one_level_and_reads_back(name in "\\PC{1,40}|[+#/\u{0}%*]{1,9}") {
            let topic = topic(&name);
            let level = topic.strip_prefix("site/logs/web1.example/").expect("the base");
            prop_assert!(!level.contains(['+', '#', '/', '*']) && !level.contains(char::is_control));
            if topic.len() < TOPIC_BYTES {
                let back = percent::decode(level.as_bytes(), Plus::IsItself).expect("an escaped name");
                prop_assert_eq!(back, name.into_bytes());
            }
        }
    }
}
