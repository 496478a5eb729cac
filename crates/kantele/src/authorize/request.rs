//! The authorization endpoint: an app asks, somebody says who they are, and the app gets a code.
//! Specs: <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code>,
//! RFC 7636 (PKCE) and RFC 9207 (`iss` in the answer).

use std::fmt::Write;

use fhir_access::{Context, Scopes};

use super::exchange::{Answered, Asked, OAuthError, Parameters};
use super::grants::{self, Approved};
use super::settings::{Client, Launch, User};
use super::{Authority, origin, page, scopes};

/// What an app asks for, found right.
pub(super) struct Request<'a> {
    pub(super) client: &'a Client,
    pub(super) redirect_uri: &'a str,
    pub(super) scope: &'a str,
    pub(super) state: &'a str,
    pub(super) challenge: &'a str,
    pub(super) nonce: Option<&'a str>,
    pub(super) launch: Option<&'a Launch>,
    /// The `aud` of the request, as it came.
    pub(super) audience: &'a str,
}

impl Authority {
    pub(super) fn authorize(&self, asked: &Asked<'_>) -> Answered {
        let parameters = &asked.parameters;
        // Until client and redirect_uri are known to belong together, nobody is sent anywhere.
        let (client, redirect_uri) = match self.addressee(parameters) {
            Ok(found) => found,
            Err(why) => return page::refusal(why),
        };
        match self.decide(asked, client, redirect_uri) {
            Ok(answered) => answered,
            Err(why) => {
                let state = parameters.one("state").ok().flatten();
                let mut pairs = vec![("error", why.code().to_owned())];
                pairs.push(("error_description", why.to_string()));
                pairs.extend(state.map(|state| ("state", state.to_owned())));
                self.back(redirect_uri, &pairs)
            }
        }
    }

    /// Who asks, and where the answer goes: an address that was registered, byte for byte.
    fn addressee<'a>(
        &'a self,
        parameters: &'a Parameters,
    ) -> Result<(&'a Client, &'a str), OAuthError> {
        let id = parameters.needed("client_id", "client_id is missing")?;
        let client = self.known_client(id)?;
        let uri = parameters.needed("redirect_uri", "redirect_uri is missing")?;
        if client.redirect_uris.iter().any(|known| known == uri) {
            return Ok((client, uri));
        }
        Err(OAuthError::Request("redirect_uri is none of those that the client has registered"))
    }

    fn decide(
        &self,
        asked: &Asked<'_>,
        client: &Client,
        redirect_uri: &str,
    ) -> Result<Answered, OAuthError> {
        let parameters = &asked.parameters;
        let request = self.read(parameters, client, redirect_uri)?;
        match parameters.one("decision")? {
            None => return Ok(page::choice(&request, &self.settings.users)),
            // A decision comes from our own page alone, which is a form.
            Some(_) if asked.method != "POST" => {
                return Err(OAuthError::Request("a decision is posted"));
            }
            Some(_) if asked.origin.is_some_and(|from| from != origin(self.issuer())) => {
                return Err(OAuthError::Request("a decision comes from the page of this server"));
            }
            Some("allow") => {}
            Some(_) => return Err(OAuthError::Denied),
        }
        let name = parameters.needed("user", "user is missing")?;
        let user = self.settings.users.iter().find(|user| user.name == name);
        let user = user.ok_or(OAuthError::Request("there is no such user"))?;
        let approved = approve(&request, user, parameters.one("patient")?, asked.now_s)?;
        let code = self.grants().code(approved, redirect_uri, request.challenge, asked.now_s)?;
        Ok(self.back(redirect_uri, &[("code", code), ("state", request.state.to_owned())]))
    }

    /// Checks what the app asks for.
    fn read<'a>(
        &'a self,
        parameters: &'a Parameters,
        client: &'a Client,
        redirect_uri: &'a str,
    ) -> Result<Request<'a>, OAuthError> {
        if ["request", "request_uri"].iter().any(|it| !matches!(parameters.one(it), Ok(None))) {
            return Err(OAuthError::Request("request objects are not read"));
        }
        if parameters.needed("response_type", "response_type is missing")? != "code" {
            return Err(OAuthError::ResponseType);
        }
        if parameters.one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(OAuthError::Request("response_mode is query"));
        }
        let challenge = parameters.needed("code_challenge", "code_challenge is missing")?;
        // Without a word for it, RFC 7636 means the method plain.
        if parameters.one("code_challenge_method")? != Some("S256") {
            return Err(OAuthError::Request("code_challenge_method is S256"));
        }
        if challenge.len() != 43 {
            return Err(OAuthError::Request("code_challenge is the base64url of a SHA-256"));
        }
        let audience = parameters.needed("aud", "aud is missing: the URL of the FHIR server")?;
        if audience.trim_end_matches('/') != self.audience {
            return Err(OAuthError::Request("aud is another FHIR server than this one"));
        }
        if parameters.one("prompt")? == Some("none") {
            return Err(OAuthError::Login);
        }
        let launch = match parameters.one("launch")? {
            None => None,
            Some(name) => {
                let known = self.settings.launches.iter().find(|launch| launch.name == name);
                Some(known.ok_or(OAuthError::Request("launch is none that is known"))?)
            }
        };
        Ok(Request {
            client,
            redirect_uri,
            scope: parameters.needed("scope", "scope is missing")?,
            state: parameters.needed("state", "state is missing")?,
            challenge,
            nonce: parameters.one("nonce")?,
            launch,
            audience,
        })
    }

    /// Sends the browser back to the app.
    fn back(&self, redirect_uri: &str, pairs: &[(&str, String)]) -> Answered {
        let mut to = redirect_uri.to_owned();
        let mut separator = if redirect_uri.contains('?') { '&' } else { '?' };
        let own = ("iss", self.issuer().to_owned());
        for (name, value) in pairs.iter().chain([&own]) {
            to.push(separator);
            to.push_str(name);
            to.push('=');
            encode(value, &mut to);
            separator = '&';
        }
        Answered::redirect(to)
    }
}

/// What a user agrees to by letting the app in.
fn approve(
    request: &Request<'_>,
    user: &User,
    chosen: Option<&str>,
    now_s: u64,
) -> Result<Approved, OAuthError> {
    let patient = patient(request, user, chosen)?;
    let contexts: &[Context] = match patient {
        Some(_) => &[Context::Patient, Context::User],
        None => &[Context::User],
    };
    let client = request.client;
    let scopes = scopes::granted(request.scope, &client.scopes, Some(&user.scopes), contexts);
    if scopes.is_empty() {
        return Err(OAuthError::Scope);
    }
    Ok(Approved {
        login: grants::random()?,
        client: client.id.clone(),
        user: user.name.clone(),
        scopes,
        patient,
        launch: request.launch.cloned(),
        nonce: request.nonce.map(str::to_owned),
        at_s: now_s,
    })
}

/// The patient in context, where the app asks for one: the launch's, the one that was chosen, or
/// the only one that there is.
fn patient(
    request: &Request<'_>,
    user: &User,
    chosen: Option<&str>,
) -> Result<Option<String>, OAuthError> {
    if let Some(patient) = request.launch.and_then(|launch| launch.patient.as_ref()) {
        return Ok(Some(patient.clone()));
    }
    if !wants_patient(request.scope) {
        return Ok(None);
    }
    match (chosen, user.patients.as_slice()) {
        (None, []) => Ok(own_patient(user)),
        (None, [only]) => Ok(Some(only.clone())),
        (None, _) => Err(OAuthError::Request("the user has several patients: choose one")),
        (Some(chosen), known) if known.iter().any(|it| it == chosen) => Ok(Some(chosen.to_owned())),
        (Some(_), _) => Err(OAuthError::Request("the user has no such patient")),
    }
}

/// Whether scopes speak of a patient in context.
pub(super) fn wants_patient(scope: &str) -> bool {
    let asked = Scopes::parse(scope);
    let of_patient = asked.grants().iter().any(|grant| grant.context == Context::Patient);
    of_patient || asked.others().iter().any(|other| other == "launch/patient")
}

/// Patients are their own patient.
fn own_patient(user: &User) -> Option<String> {
    user.fhir_user.as_deref()?.strip_prefix("Patient/").map(str::to_owned)
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
}
