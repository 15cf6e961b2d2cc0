//! Which path means what, and what all clients share.

use std::str;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};

use crate::config::value::{BasePath, Lines};
use crate::courier::Rounds;
use crate::escape::shown;
use crate::hub::{Condition, Selection};
use crate::json;
use crate::metrics::{self, Reading, Sums};
use crate::tally::{Tally, Upstreams};
use crate::via::Via;

use super::shortage::Shortage;
use crate::serve::access::guard::Guard;
use crate::serve::access::token::Scope;
use crate::serve::access::{Access, Pass};
use crate::serve::delivery::filter::Filters;
use crate::serve::delivery::stream::Shared;
use crate::serve::http::answer::{Answer, TEXT};
use crate::serve::http::cors::Cors;
use crate::serve::http::query::Endpoint;
use crate::serve::http::refusal::{Refusal, Refused};
use crate::serve::http::request::Request;
use crate::serve::transport::socket::Transport;
use crate::time::{self, asked::Time};

/// What all clients share.
pub struct Routes {
    /// The hub, turns, intervals.
    pub shared: Shared,
    /// Who may ask.
    pub guard: Guard,
    /// `--base-path`.
    pub base_path: BasePath,
    /// `--lines`.
    pub lines: Lines,
    /// `--since`.
    pub since: Option<Time>,
    /// Rotated files are history (no `--no-rotated`).
    pub rotated: bool,
    /// The daemon was started with more than one FILE or with a pattern.
    pub several: bool,
    /// Who follows through us.
    pub via: Arc<Via>,
    /// What streams filter by.
    pub filters: Filters,
    /// Requests that were refused.
    pub refused: Refused,
    /// Rounds of delivery.
    pub rounds: Arc<Rounds>,
    /// What is published to brokers.
    pub tallies: Vec<Arc<Tally>>,
    /// The other tailcasts that are followed.
    pub upstreams: Arc<Upstreams>,
    /// When the daemon was started.
    pub started: std::time::SystemTime,
    /// Whether there are descriptors and threads for clients.
    pub shortage: Shortage,
    /// Set at stop.
    pub stopping: AtomicBool,
    /// Who may read.
    pub access: Access,
    /// Whether the watcher runs.
    pub alive: Alive,
    /// What takes offers of data channels, where somebody asked for it.
    #[cfg(feature = "webrtc")]
    pub offers: Option<Arc<dyn super::offers::Offers>>,
}

/// Asks whether the watcher runs; where it doesn't, for how long it has made no pass.
pub type Alive = Box<dyn Fn() -> Result<(), Duration> + Send + Sync>;

/// What is done with a request.
#[derive(Debug)]
pub enum Route {
    /// An answer that is ready.
    Answer(Answer),
    /// A stream, for as long as the pass is good.
    Stream(Endpoint, Pass),
    /// An offer of a data channel.
    #[cfg(feature = "webrtc")]
    Offer,
}

impl Routes {
    /// The daemon is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// What is done with `request`, and what an allowed foreign origin needs.
    pub fn route(
        &self,
        request: &Request,
        by: Transport,
    ) -> Result<(Option<Cors>, Route), (Refusal, Option<Cors>)> {
        let path = self
            .base_path
            .strip(&request.path)
            .filter(|path| !path.is_empty() || !self.has_base());
        let kind = match path {
            Some("/ws") => Some(Endpoint::Ws),
            Some("/events") => Some(Endpoint::Events),
            Some("/stream") => Some(Endpoint::Plain),
            _ => None,
        };
        let is_healthz = path == Some("/healthz");
        let is_rtc = path.is_some_and(|path| self.is_rtc(path));
        let cors = self
            .guard
            .check(
                request,
                by == Transport::Unix,
                kind.is_some() || is_rtc,
                is_healthz,
            )
            .map_err(|refusal| (refusal, None))?;
        let refused = |refusal: Refusal| (refusal, cors.clone());
        match request.method {
            Method::GET | Method::HEAD if !is_rtc => {}
            Method::OPTIONS => {
                let answer = self.guard.preflight(request).map_err(refused)?;
                let answer = match is_rtc {
                    true => answer
                        .with("Access-Control-Allow-Methods", "POST, DELETE")
                        .with(
                            "Access-Control-Allow-Headers",
                            "Authorization, Content-Type",
                        ),
                    false => answer,
                };
                return Ok((cors, Route::Answer(answer)));
            }
            Method::POST | Method::DELETE if is_rtc => {}
            _ => return Err(refused(Refusal::method_not_allowed())),
        }
        let pass = if is_healthz {
            Pass::for_all()
        } else {
            self.access.check(request).map_err(refused)?
        };
        if let Some(kind) = kind {
            return Ok((cors, Route::Stream(kind, pass)));
        }
        #[cfg(feature = "webrtc")]
        if let (Some(offers), Some(path)) = (&self.offers, path.filter(|_| is_rtc)) {
            return match (&request.method, path.strip_prefix("/rtc/")) {
                (&Method::POST, None) => Ok((cors, Route::Offer)),
                (&Method::DELETE, Some(id)) if offers.end(id) => {
                    Ok((cors, Route::Answer(Answer::no_content())))
                }
                (&Method::DELETE, Some(_)) => {
                    let line = "no data channel of that Location is there (any more)";
                    Err(refused(Refusal::not_found(line)))
                }
                _ => Err(refused(Refusal::method_not_allowed())),
            };
        }
        if path == Some("/") {
            if let Some(answer) = self.access.sign_in(request, &pass, by == Transport::Tls) {
                return Ok((cors, Route::Answer(answer)));
            }
        }
        let answer = match path {
            Some("/healthz") => self.health(),
            Some("/metrics") => Answer::new(
                StatusCode::OK,
                metrics::CONTENT_TYPE,
                self.metrics(pass.scope()),
            )
            .with("Cache-Control", "no-store"),
            Some("/files") => {
                Answer::new(StatusCode::OK, "application/json", self.files(pass.scope()))
                    .with("Cache-Control", "no-store")
            }
            Some(path) => {
                crate::serve::http::assets::answer(path.strip_prefix('/').unwrap_or(path), request)
                    .ok_or_else(|| refused(self.not_found(request)))?
            }
            None if self.has_base() && request.path == self.base_path.as_str() => {
                let last = self
                    .base_path
                    .as_str()
                    .rsplit('/')
                    .next()
                    .unwrap_or_default();
                // With its query: a token in it would be lost, and asked for again.
                let query = str::from_utf8(&request.query).unwrap_or_default();
                let mark = if query.is_empty() { "" } else { "?" };
                let location = format!("{last}/{mark}{query}");
                Answer::redirect(StatusCode::PERMANENT_REDIRECT, &location)
            }
            None => return Err(refused(self.not_found(request))),
        };
        Ok((cors, Route::Answer(answer)))
    }

    /// Whether that path is one of data channels, where there are any.
    #[cfg(feature = "webrtc")]
    fn is_rtc(&self, path: &str) -> bool {
        self.offers.is_some() && (path == "/rtc" || path.starts_with("/rtc/"))
    }

    #[cfg(not(feature = "webrtc"))]
    #[expect(
        clippy::unused_self,
        reason = "where there are data channels it asks whether they are on"
    )]
    fn is_rtc(&self, _: &str) -> bool {
        false
    }

    fn has_base(&self) -> bool {
        !self.base_path.as_str().is_empty()
    }

    fn not_found(&self, request: &Request) -> Refusal {
        let base = self.base_path.as_str();
        let path = shown(request.path.as_bytes());
        Refusal::not_found(format!(
            "nothing is at {path}; streams are {base}/ws, {base}/events and {base}/stream"
        ))
    }

    /// How `request` is told of `refusal`.
    pub fn refuse(&self, request: &Request, refusal: &Refusal) -> Answer {
        // Without the slash too: it is where a person begins.
        let is_page = matches!(self.base_path.strip(&request.path), Some("" | "/"));
        let browser = request
            .header("Accept")
            .is_some_and(|accept| memmem(accept, b"text/html"));
        if refusal.status == StatusCode::UNAUTHORIZED && is_page && browser {
            return Access::ask(refusal);
        }
        let answer = Answer::refusal(refusal);
        match self.base_path.strip(&request.path) {
            Some(path) if refusal.status == StatusCode::METHOD_NOT_ALLOWED && self.is_rtc(path) => {
                let methods = if path == "/rtc" { "POST" } else { "DELETE" };
                answer.with("Allow", methods)
            }
            _ => answer,
        }
    }

    fn health(&self) -> Answer {
        let alive = (self.alive)();
        let line = match alive {
            _ if self.is_stopping() => "the daemon is stopping".to_owned(),
            Err(quiet) => format!("the watcher is stuck: no pass for {} s", quiet.as_secs()),
            Ok(()) => {
                return Answer::new(StatusCode::OK, TEXT, "ok\n").with("Cache-Control", "no-store");
            }
        };
        Answer::refusal(&Refusal::unavailable(line))
    }

    fn metrics(&self, scope: &Scope) -> String {
        let mut sources = self.shared.hub.sources();
        sources.retain(|state| scope.may(&state.source));
        let (streams, lag_bytes) = self.shared.streams.read();
        let refused = self.refused.read();
        // By them one could tell how busy others' files and their readers are.
        let sums = || Sums {
            counts: &self.shared.hub.counts,
            streams: &streams,
            lag_bytes,
            stream_gaps: self.shared.streams.gaps(),
            clients_max: self.shared.streams.max(),
            refused: &refused,
            rounds: self.rounds.begun.load(Ordering::Relaxed) as u64,
            published: (&self.tallies, &self.shared.hub),
            upstreams: self.upstreams.all(),
        };
        metrics::text(&Reading {
            sources: &sources,
            sums: scope.covers(&Scope::all()).then(sums),
            started: self.started,
        })
    }

    /// The followed files as JSON.
    fn files(&self, scope: &Scope) -> Vec<u8> {
        let mut out = vec![b'['];
        let sources = self.shared.hub.sources();
        let sources = sources.iter().filter(|state| scope.may(&state.source));
        for (n, state) in sources.enumerate() {
            if n > 0 {
                out.push(b',');
            }
            let size = state
                .generation
                .as_ref()
                .and_then(|generation| generation.file.metadata().ok())
                .map_or(0, |stat| stat.len());
            let path = state.source.shown_path();
            let path = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
            out.extend_from_slice(b"{\"name\":");
            json::string(state.source.name.as_bytes(), &mut out);
            out.extend_from_slice(b",\"path\":");
            json::string(path, &mut out);
            out.extend_from_slice(
                format!(
                    ",\"size\":{size},\"present\":{},\"kind\":\"{}\",\"state\":\"{}\"",
                    state.present,
                    state.source.origin().name(),
                    state.condition.name()
                )
                .as_bytes(),
            );
            if let Some(reason) = state.condition.reason() {
                out.extend_from_slice(b",\"reason\":");
                json::string(reason.as_bytes(), &mut out);
            }
            if let Condition::Away { since_ns, .. } = state.condition {
                out.extend_from_slice(b",\"since\":");
                json::string(time::rfc3339(since_ns).as_bytes(), &mut out);
            }
            out.push(b'}');
        }
        out.extend_from_slice(b"]\n");
        out
    }

    /// The sources called `names` (where there are none, all that `scope` opens, also those that come later), and the
    /// indexes of those that there are. What the scope doesn't open doesn't exist.
    pub fn select(
        &self,
        names: &[String],
        scope: &Scope,
    ) -> Result<(Selection, Arc<[u32]>), Refusal> {
        let mut sources = self.shared.hub.sources();
        sources.retain(|state| scope.may(&state.source));
        let mut indexes = Vec::new();
        for name in names {
            let found = sources
                .iter()
                .find(|state| state.source.name == *name)
                .ok_or_else(|| {
                    Refusal::not_found(format!(
                        "no file is called \"{}\"; /files lists them",
                        shown(name.as_bytes())
                    ))
                })?;
            indexes.push(found.source.index);
        }
        if names.is_empty() {
            indexes.extend(sources.iter().map(|state| state.source.index));
        }
        indexes.sort_unstable();
        indexes.dedup();
        let indexes: Arc<[u32]> = Arc::from(indexes);
        let selection = if !names.is_empty() {
            Selection::Only(Arc::clone(&indexes))
        } else if *scope == Scope::all() {
            Selection::All
        } else {
            Selection::Named(Arc::new(scope.clone()))
        };
        Ok((selection, indexes))
    }
}

fn memmem(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}
