//! Who may ask at all, by what a browser says about a request: Host, Origin and where it comes from.
//!
//! A daemon on loopback is reachable from every page that its user opens. Three ways lead a page there: a
//! WebSocket or `fetch` to our address (its Origin gives it away), a name of its own that it re-points to
//! 127.0.0.1 (DNS rebinding: the Host gives it away), and an `<img>` of a stream, whose answer it can't read but
//! whose place it takes (Sec-Fetch-Site gives it away). Who is no browser passes; that is what tokens are for.

use std::str;

use http::Version;

use crate::authority::{Authority, Origin, host_name};
use crate::config::value::AllowOrigin;
use crate::escape::shown;
use crate::serve::http::answer::Answer;
use crate::serve::http::cors::Cors;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::Request;

/// Who may ask, as the settings have it.
#[derive(Debug, Clone)]
pub struct Guard {
    any_origin: bool,
    origins: Vec<Origin>,
    /// `None` where every host is answered.
    hosts: Option<Vec<String>>,
}

/// Where a request says that it comes from.
enum Caller {
    /// No browser, or a browser that says nothing.
    Nowhere,
    /// A page of ours.
    Own,
    /// An allowed page of another server.
    Foreign(Cors),
}

impl Guard {
    /// A guard that lets `allow_origin` in beside our own origin, and answers as `allow_host` beside
    /// `localhost`, addresses and `own_host`, the name of this machine. Where tokens are asked for
    /// (`has_token_file`), any Host is answered: a page that was rebound to us has none.
    pub fn new(
        allow_origin: &[AllowOrigin],
        allow_host: &[String],
        has_token_file: bool,
        own_host: &str,
    ) -> Self {
        let origins = allow_origin.iter().filter_map(|allowed| match allowed {
            AllowOrigin::Any => None,
            AllowOrigin::One(origin) => Some(origin.clone()),
        });
        let hosts = ["localhost", own_host]
            .into_iter()
            .chain(allow_host.iter().map(String::as_str))
            .filter_map(host_name);
        Self {
            any_origin: allow_origin.contains(&AllowOrigin::Any),
            origins: origins.collect(),
            hosts: (!has_token_file).then(|| hosts.collect()),
        }
    }

    /// Whether `request` may be answered; if it comes from an allowed foreign origin, with what that needs.
    /// `wants_stream` says that it is for `/ws`, `/events` or `/stream`.
    pub fn check(
        &self,
        request: &Request,
        on_unix_socket: bool,
        wants_stream: bool,
        is_healthz: bool,
    ) -> Result<Option<Cors>, Refusal> {
        if !on_unix_socket && !is_healthz {
            self.check_host(request)?;
        }
        match self.origin(request)? {
            Caller::Foreign(cors) => Ok(Some(cors)),
            Caller::Own => Ok(None),
            Caller::Nowhere if wants_stream && is_of_another_site(request) => {
                Err(Refusal::forbidden(
                    "a page of another site asks for this stream without an Origin that is allowed: such a page \
                     needs --allow-origin ORIGIN, and has to ask by fetch, EventSource or WebSocket",
                ))
            }
            Caller::Nowhere => Ok(None),
        }
    }

    /// The answer to OPTIONS, once [`Guard::check`] has passed it: what an allowed foreign origin may do, and
    /// nothing to anyone else.
    pub fn preflight(&self, request: &Request) -> Result<Answer, Refusal> {
        match self.origin(request)? {
            Caller::Foreign(cors) => Ok(Answer::preflight(&cors)),
            Caller::Own | Caller::Nowhere => Err(Refusal::method_not_allowed()),
        }
    }

    fn check_host(&self, request: &Request) -> Result<(), Refusal> {
        let Some(hosts) = &self.hosts else {
            return Ok(());
        };
        match &request.host {
            Some(host) if host.is_ip_literal() || hosts.contains(&host.host) => Ok(()),
            // A name may be as long as a head: it is shown cut.
            Some(host) => Err(Refusal::forbidden(format!(
                "the Host \"{0}\" is not allowed: use localhost or an address, or allow it with --allow-host {0}",
                shown(host.host.as_bytes())
            ))),
            None if request.version == Version::HTTP_10 => Ok(()),
            None => Err(Refusal::forbidden(
                "an empty Host is not allowed: use localhost or an address, or a name that --allow-host NAME \
                 allows",
            )),
        }
    }

    fn origin(&self, request: &Request) -> Result<Caller, Refusal> {
        let mut values = request.headers("origin");
        let Some(value) = values.next() else {
            return Ok(Caller::Nowhere);
        };
        if values.next().is_some() {
            return Err(Refusal::forbidden(
                "there is more than one Origin: one that --allow-origin ORIGIN allows can stand alone",
            ));
        }
        let text = str::from_utf8(value).ok();
        let origin = text.and_then(Origin::parse);
        if let Some(origin) = &origin {
            if is_own(origin, request.host.as_ref()) {
                return Ok(Caller::Own);
            }
        }
        let named = origin.as_ref().is_some_and(|o| self.origins.contains(o));
        match text {
            Some(text) if named || self.any_origin => {
                Ok(Caller::Foreign(Cors::new(text.to_owned(), named)))
            }
            _ => Err(not_allowed(value, origin.as_ref())),
        }
    }
}

fn is_own(origin: &Origin, host: Option<&Authority>) -> bool {
    host.is_some_and(|host| origin.is_of(host))
}

fn not_allowed(value: &[u8], origin: Option<&Origin>) -> Refusal {
    let option = match origin {
        Some(origin) => shown(origin.to_string().as_bytes()),
        // What has no name can't be allowed by one.
        None => "'*'".to_owned(),
    };
    Refusal::forbidden(format!(
        "the Origin \"{}\" is not allowed: allow it with --allow-origin {option}",
        shown(value)
    ))
}

/// Whether a browser says that a page of another origin caused the request (Fetch Metadata). `none` is the user's
/// own doing, as a typed address.
fn is_of_another_site(request: &Request) -> bool {
    request
        .headers("sec-fetch-site")
        .any(|value| matches!(value, b"cross-site" | b"same-site"))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
