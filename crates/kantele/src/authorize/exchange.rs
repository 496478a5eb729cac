//! Requests and answers without HTTP, and the refusals of OAuth.

use serde_json::{Value, json};

/// One request below the root of the authorization server.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// Behind the root: `/token`.
    pub(crate) path: &'a str,
    /// Query of a GET, form of a POST.
    pub(crate) parameters: Parameters,
    /// The header `Authorization`.
    pub(crate) authorization: Option<&'a str>,
    /// The header `Origin`.
    pub(crate) origin: Option<&'a str>,
    /// Seconds since 1970.
    pub(crate) now_s: u64,
}

/// Decoded names and values.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// A value that may be there once; an empty one is none, as RFC 6749 (3.1) says.
    ///
    /// # Errors
    /// `Request` where it is there more often.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, OAuthError> {
        let mut found = self.0.iter().filter(|(each, _)| each == name);
        let first = found.next().map(|(_, value)| value.as_str());
        if found.next().is_some() {
            return Err(OAuthError::Request("a parameter is there more than once"));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// A value that must be there once.
    ///
    /// # Errors
    /// `Request`, with this text, where it isn't.
    pub(super) fn needed(&self, name: &str, why: &'static str) -> Result<&str, OAuthError> {
        self.one(name)?.ok_or(OAuthError::Request(why))
    }
}

/// What goes back.
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answered {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.to_string() }
    }

    /// A page for people. It may have forms and nothing else.
    pub(super) fn page(status: u16, body: String) -> Self {
        let policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
        let headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", policy.to_owned()),
        ];
        Self { status, headers, body }
    }

    /// Sends the browser on, with GET whatever it came with.
    pub(super) fn redirect(to: String) -> Self {
        Self { status: 303, headers: vec![("location", to)], body: String::new() }
    }

    pub(super) fn not_allowed(allow: &str) -> Self {
        Self { status: 405, headers: vec![("allow", allow.to_owned())], body: String::new() }
    }

    pub(super) fn nothing_here() -> Self {
        let text = json!({"error": "not_found", "error_description": "nothing has this path"});
        Self::json(404, &text)
    }

    /// A refusal as RFC 6749 (5.2) has it.
    pub(crate) fn refused(why: OAuthError) -> Self {
        let body = json!({"error": why.code(), "error_description": why.to_string()});
        let mut answered = Self::json(why.status(), &body);
        if why == OAuthError::Client {
            answered.headers.push(("www-authenticate", "Basic realm=\"kantele\"".to_owned()));
        }
        answered
    }
}

/// Why something is refused. Texts hold nothing of the request.
/// Spec: <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OAuthError {
    /// The request is malformed.
    #[error("{0}")]
    Request(&'static str),
    /// Nobody knows who the client is.
    #[error("the client is unknown, or did not prove who it is")]
    Client,
    /// Code, refresh token or what proves them is wrong.
    #[error("{0}")]
    Grant(&'static str),
    /// The client may not do this.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// `grant_type` is none of those known.
    #[error("grant_type is authorization_code, refresh_token or client_credentials")]
    GrantType,
    /// `response_type` is not `code`.
    #[error("response_type is code")]
    ResponseType,
    /// Nothing of what was asked for is allowed.
    #[error("none of the scopes asked for is allowed here")]
    Scope,
    /// The user said no.
    #[error("the user said no")]
    Denied,
    /// Nobody is logged in, and asking is forbidden by `prompt=none`.
    #[error("nobody is logged in: this server always asks")]
    Login,
    /// Something of the server failed.
    #[error("the server failed; its log knows why")]
    Server,
    /// More codes or tokens are out than are remembered.
    #[error("too much is going on; come again")]
    Busy,
}

impl OAuthError {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Request(_) => "invalid_request",
            Self::Client => "invalid_client",
            Self::Grant(_) => "invalid_grant",
            Self::Unauthorized(_) => "unauthorized_client",
            Self::GrantType => "unsupported_grant_type",
            Self::ResponseType => "unsupported_response_type",
            Self::Scope => "invalid_scope",
            Self::Denied => "access_denied",
            Self::Login => "login_required",
            Self::Server => "server_error",
            Self::Busy => "temporarily_unavailable",
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Client => 401,
            Self::Server => 500,
            Self::Busy => 503,
            Self::Request(_)
            | Self::Grant(_)
            | Self::Unauthorized(_)
            | Self::GrantType
            | Self::ResponseType
            | Self::Scope
            | Self::Denied
            | Self::Login => 400,
        }
    }
}
