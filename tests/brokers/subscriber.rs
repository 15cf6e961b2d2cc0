//! `mosquitto_sub` on a broker, and what the consumer of a stream makes of its messages: every line once.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// One message as mosquitto_sub shows it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    /// The user property `id`.
    pub(crate) id: Option<String>,
    pub(crate) payload: String,
}

impl Message {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// All that was received so far, over several subscriptions.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<(Mutex<Vec<Message>>, Condvar)>);

impl Inbox {
    pub(crate) fn put(&self, message: Message) {
        self.0.0.lock().expect("no poison").push(message);
        self.0.1.notify_all();
    }

    /// All messages, once `enough` says so of them.
    pub(crate) fn wait(
        &self,
        deadline: Duration,
        mut enough: impl FnMut(&[Message]) -> bool,
    ) -> Vec<Message> {
        let end = Instant::now() + deadline;
        let mut messages = self.0.0.lock().expect("no poison");
        loop {
            if enough(&messages) {
                return messages.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            let last = messages.last().map(|last| last.payload.as_str());
            assert!(
                !left.is_zero(),
                "not enough after {} messages, the last: {:.200}",
                messages.len(),
                last.unwrap_or_default()
            );
            messages = self.0.1.wait_timeout(messages, left).expect("no poison").0;
        }
    }

    /// Waits for a message that `is_it`, and returns it.
    pub(crate) fn find(&self, deadline: Duration, is_it: impl Fn(&Message) -> bool) -> Message {
        let (mut seen, mut found) = (0, None);
        self.wait(deadline, |messages| {
            found = messages[seen..]
                .iter()
                .find(|message| is_it(message))
                .cloned();
            seen = messages.len();
            found.is_some()
        });
        found.expect("it was found")
    }

    /// All that was received until `text` stood in a message.
    pub(crate) fn until(&self, deadline: Duration, text: &str) -> Vec<Message> {
        self.find(deadline, |message| message.payload.contains(text));
        self.wait(deadline, |_| true)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.0.lock().expect("no poison").len()
    }
}

/// A subscription that runs; killed when dropped.
pub(crate) struct Subscriber(Child);

impl Subscriber {
    /// Subscribes to `topic` by MQTT 5 or 3.1.1, and puts into `inbox` what comes. It is subscribed when this returns.
    pub(crate) fn start(port: u16, version: &str, topic: &str, inbox: &Inbox) -> Subscriber {
        Subscriber::with(port, version, topic, &[], inbox)
    }

    /// The same, with options of mosquitto_sub.
    pub(crate) fn with(
        port: u16,
        version: &str,
        topic: &str,
        options: &[&str],
        inbox: &Inbox,
    ) -> Subscriber {
        // A retained message is what comes first to a new subscriber, and so tells that it is one.
        let marker = "tailcast-test/subscribed";
        publish(port, version, marker, "yes");
        let format = if version == "mqttv5" {
            "%P\t%t\t%p"
        } else {
            "\t%t\t%p"
        };
        let mut child = Command::new("mosquitto_sub")
            .args([
                "-p",
                &port.to_string(),
                "-V",
                version,
                "-q",
                "1",
                "-t",
                topic,
                "-t",
                marker,
                "-F",
                format,
            ])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("start mosquitto_sub");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (ready, inbox) = (Arc::new((Mutex::new(false), Condvar::new())), inbox.clone());
        let is_ready = Arc::clone(&ready);
        // Ends with the pipe, and so with the child.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let mut fields = line.splitn(3, '\t');
                let mut field = || fields.next().expect("three fields").to_owned();
                let (id, topic, payload) = (field(), field(), field());
                if topic == marker {
                    *ready.0.lock().expect("no poison") = true;
                    ready.1.notify_all();
                    continue;
                }
                let id = id.trim().strip_prefix("id:").map(str::to_owned);
                inbox.put(Message { topic, id, payload });
            }
        });
        let (is_ready, told) = &*is_ready;
        let waited = told
            .wait_timeout_while(
                is_ready.lock().expect("no poison"),
                Duration::from_secs(20),
                |is| !*is,
            )
            .expect("no poison");
        assert!(*waited.0, "mosquitto_sub is not subscribed");
        Subscriber(child)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Publishes one retained message.
fn publish(port: u16, version: &str, topic: &str, payload: &str) {
    let published = Command::new("mosquitto_pub")
        .args([
            "-p",
            &port.to_string(),
            "-V",
            version,
            "-q",
            "1",
            "-r",
            "-t",
            topic,
            "-m",
            payload,
        ])
        .status()
        .expect("start mosquitto_pub");
    assert!(published.success(), "mosquitto_pub fails");
}

/// What a consumer of batches keeps, so that it has every line once: how many lines it had at each id. A batch that
/// begins at an id that it has passed repeats that many lines.
#[derive(Default)]
pub(crate) struct Consumer {
    pub(crate) lines: Vec<String>,
    /// Lines that came again, and were the same.
    pub(crate) repeats: usize,
    pub(crate) events: Vec<Value>,
    had: HashMap<String, usize>,
}

impl Consumer {
    /// Takes all batches and events of one file.
    pub(crate) fn of(messages: &[Message]) -> Consumer {
        let mut consumer = Consumer::default();
        for message in messages {
            if !message.topic.ends_with("/status") {
                consumer.take(message);
            }
        }
        consumer
    }

    fn take(&mut self, message: &Message) {
        let object = message.json();
        let text = |key: &str| object[key].as_str().map(str::to_owned);
        let id = text("id").expect("an id");
        if let Some(property) = &message.id {
            assert_eq!(*property, id, "the property is the id");
        }
        if object["event"].is_string() {
            let place = self.lines.len();
            self.had.entry(id).or_insert(place);
            self.events.push(object);
            return;
        }
        let lines = object["lines"].as_array().expect("lines");
        let lines = lines
            .iter()
            .map(|line| line.as_str().expect("a line").to_owned());
        let from = text("from").expect("a beginning");
        if self.had.is_empty() {
            // It began to listen in the midst of the file.
            self.had.insert(from.clone(), 0);
        }
        let place = self.had.get(&from);
        let mut place = *place.unwrap_or_else(|| panic!("{from} is no place where anything ended"));
        for line in lines {
            if let Some(had) = self.lines.get(place) {
                assert_eq!(*had, line, "line {place} came again, and is another");
                self.repeats += 1;
            } else {
                self.lines.push(line);
            }
            place += 1;
        }
        let had = *self.had.entry(id).or_insert(place);
        assert_eq!(had, place, "one id is one place");
    }

    pub(crate) fn has_event(&self, name: &str) -> bool {
        self.events.iter().any(|event| event["event"] == name)
    }
}
