//! Whose topic it is: `PREFIX/HOSTNAME/NAME`, or the `status` of a host.

use crate::percent::{self, Plus};

/// The last level of the topic that says whether a publisher is there.
const STATUS: &str = "status";

/// A topic of a publisher.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) host: String,
    /// It says whether the publisher is there.
    pub(super) is_status: bool,
}

impl Topic {
    /// Reads one; `None` where no publisher has such a topic.
    pub(super) fn read(topic: &str) -> Option<Topic> {
        let mut levels = topic.rsplitn(3, '/');
        let (last, host) = (levels.next()?, levels.next()?);
        let host = percent::decode(host.as_bytes(), Plus::IsItself).ok()?;
        let host = String::from_utf8(host).ok()?;
        let is_proper = !host.is_empty() && !host.contains('/');
        is_proper.then(|| Topic {
            host,
            is_status: last == STATUS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_a_host_and_a_last_level() {
        let read = |topic| Topic::read(topic).map(|topic| (topic.host, topic.is_status));
        let web1 = |is_status| Some(("web1".to_owned(), is_status));
        assert_eq!(read("a/b/web1/app.log"), web1(false));
        assert_eq!(read("a/web%31/status"), web1(true));
        assert_eq!(read("web1/app.log"), web1(false));
        for none in ["", "status", "/status", "a/%2F/x", "a/w%ff/x", "a/w%/x"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
