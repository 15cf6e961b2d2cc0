//! Who may ask: the guard looks at Host and Origin, tokens say who may read, and which files.
//!
//! # What an attacker could try
//!
//! Each row's tests are in `tests/it` or `tests/page`.
//!
//! | threat | what protects | the test |
//! | --- | --- | --- |
//! | a page of another origin reads by fetch, EventSource or WebSocket | its Origin, on every path | `a_page_of_another_origin_learns_nothing_unless_it_is_allowed` |
//! | a name of the attacker's is pointed to this machine (DNS rebinding) | Host | `a_name_that_is_pointed_here_is_not_our_own_origin` |
//! | an image on any page takes up the places | Sec-Fetch-Site, which browsers send to https and loopback alone; elsewhere tokens | `a_page_of_another_origin_takes_no_place_by_an_image` |
//! | a page uses a `tcp:` listener | who begins with an HTTP request is closed | `a_web_page_gets_nothing_from_a_plain_listener` |
//! | a page frames ours, or takes an answer for a script | frame-ancestors, nosniff, no-referrer, CSP | `every_answer_protects_the_browser_that_gets_it` |
//! | a line of the log is markup or a script | the page shows text only; CSP | `a_hostile_log_is_only_ever_text` |
//! | whoever reaches the port reads | loopback, a warning, tokens | `a_listener_that_others_reach_is_warned_of_unless_it_asks_for_a_token`, `every_request_but_healthz_needs_a_token` |
//! | a token is guessed | 16 characters at least, compared in constant time | `a_token_file_without_a_good_token_is_an_error_that_shows_none` |
//! | a token is read in a log, an error, a metric, the process list | it is in none of them | `no_token_is_told_in_a_log_an_answer_or_the_process_list` |
//! | a token is read in the address bar, by a script or another site | a cookie: HttpOnly, SameSite=Strict, over TLS Secure | `the_page_takes_the_token_out_of_the_address_into_a_cookie`, `the_cookie_of_a_page_that_came_over_tls_stays_there` |
//! | a withdrawn token reads on | its streams end | `streams_of_a_withdrawn_token_end_and_others_go_on` |
//! | a limited token reads other files | they don't exist for it; a path is a path, whoever has the name | `for_a_narrow_token_other_files_do_not_exist`, `a_scope_with_a_slash_means_the_path_and_one_without_is_warned_of_where_it_may_mean_several`, `a_narrow_token_sees_its_files_that_come_later_and_no_others` |
//! | a request leads to other files | only names of followed files are looked up | `no_request_reaches_a_file_that_is_not_followed` |
//! | a request forges log lines, drives a terminal | shown escaped and cut | `what_a_client_sends_is_shown_escaped_and_cut` |
//! | somebody reads or changes what is on the wire | TLS 1.2 and 1.3 (rustls) | `curl_reads_over_tls_1_2_and_1_3`, `openssl_is_told_http_1_1_and_the_end` |
//! | connections that stall keep others out | 10 s for handshake and head; the oldest that says nothing makes room | `a_handshake_that_stalls_ends_like_a_head_that_does`, `handshakes_that_stall_keep_nobody_out` |
//! | filters take all memory or all time | a budget for all of them; turns of 10 ms, and a lane of its own for who has none | `the_filters_of_all_clients_have_one_budget_and_give_it_back`, `a_client_without_a_filter_starts_while_others_filter_hard` |
//! | the length of what is compressed tells a secret (BREACH) | each batch is deflated by itself, and only a page of our own can fetch | |
//! | a client that doesn't read fills the memory | it is served from the file | `a_client_that_stalls_through_200_mb_costs_little_memory_and_then_gets_everything` |

pub mod guard;
pub mod token;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::page;
use crate::serve::http::answer::Answer;
use crate::serve::http::query;
use crate::serve::http::refusal::Refusal;
use crate::serve::http::request::Request;
use token::{Scope, Tokens};

/// Who may read what. Without a token file everybody may read everything.
#[derive(Debug)]
pub struct Access {
    tokens: Option<Mutex<Tokens>>,
    cookie: String,
    base_path: String,
    /// Counts the changes of the token file.
    changes: AtomicU64,
}

/// What a request was let in with: the files that it may see, and for how long.
#[derive(Clone)]
pub struct Pass {
    scope: Scope,
    /// `None` where none is asked for.
    token: Option<Vec<u8>>,
    /// Whose token it is, in words for the log.
    holder: Option<Arc<str>>,
}

impl Pass {
    /// The pass of a request that needs no token: every file.
    pub fn for_all() -> Pass {
        Pass {
            scope: Scope::all(),
            token: None,
            holder: None,
        }
    }

    /// Whose token it was, as the comment at the token says, or else its line: for the log.
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// The files that it is for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// Without the token.
impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// The access of a daemon whose pages come from `port`.
    pub fn new(tokens: Option<Tokens>, port: u16, base_path: &str) -> Access {
        Access {
            tokens: tokens.map(Mutex::new),
            cookie: token::cookie_name(port, base_path),
            base_path: base_path.to_owned(),
            changes: AtomicU64::new(0),
        }
    }

    /// Whether a token is asked for.
    pub fn asks(&self) -> bool {
        self.tokens.is_some()
    }

    /// What `request` may read.
    pub fn check(&self, request: &Request) -> Result<Pass, Refusal> {
        let Some(tokens) = &self.tokens else {
            return Ok(Pass::for_all());
        };
        let presented =
            token::presented(request, &self.cookie).ok_or_else(Refusal::unauthorized)?;
        self.refresh();
        let (scope, holder) = tokens
            .lock()
            .opens(&presented)
            .ok_or_else(Refusal::unauthorized)?;
        Ok(Pass {
            scope,
            holder: Some(holder),
            token: Some(presented),
        })
    }

    /// Whether `pass` still is good for all that it was good for.
    pub fn holds(&self, pass: &Pass) -> bool {
        let (Some(tokens), Some(token)) = (&self.tokens, &pass.token) else {
            return true;
        };
        self.refresh();
        let scope = tokens.lock().allows(token);
        scope.is_some_and(|scope| scope.covers(&pass.scope))
    }

    /// Reads the token file again if it has changed; whether tokens differ from when this was last asked, whoever found
    /// that out.
    pub fn has_changed(&self) -> bool {
        self.refresh();
        self.changes.swap(0, Ordering::AcqRel) > 0
    }

    fn refresh(&self) {
        if let Some(tokens) = &self.tokens {
            if tokens.lock().refresh() {
                self.changes.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// Where the page was opened as `/?token=T`: the cookie is set, and the token leaves the address bar. One that came
    /// over TLS stays there.
    pub fn sign_in(&self, request: &Request, pass: &Pass, over_tls: bool) -> Option<Answer> {
        query::token(&request.query)?;
        let presented = pass.token.as_ref()?;
        let rest = query::without_token(&request.query);
        let rest = String::from_utf8_lossy(&rest).into_owned();
        let location = if rest.is_empty() {
            "./".to_owned()
        } else {
            format!("./?{rest}")
        };
        let cookie = token::set_cookie(&self.cookie, presented, &self.base_path, over_tls);
        Some(Answer::redirect(http::StatusCode::SEE_OTHER, &location).with("Set-Cookie", cookie))
    }

    /// The 401 of a browser that opens the page: a small page that asks for a token.
    pub fn ask(refusal: &Refusal) -> Answer {
        Answer::new(
            refusal.status,
            "text/html; charset=utf-8",
            page::token_page().to_vec(),
        )
        .with("WWW-Authenticate", "Bearer")
        .with("Content-Security-Policy", page::TOKEN_CSP)
        .with("Cache-Control", "no-store")
    }
}
