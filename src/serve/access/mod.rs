//! Who may ask: the guard looks at Host and Origin, tokens say who may read, and which files.

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
        if let Some(tokens) = &self.tokens
            && tokens.lock().refresh()
        {
            self.changes.fetch_add(1, Ordering::Release);
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
