//! Codes and refresh tokens, by their digest, in memory: what a user has agreed to, how it may
//! still be used, and what is over.

use std::collections::HashMap;
use std::sync::Arc;

use super::exchange::OAuthError;
use super::settings::Launch;

/// Codes, or refresh tokens, that are remembered at once.
const MOST: usize = 10_000;
/// How long a code may be on its way, in seconds.
const CODE_S: u64 = 60;

type Digest = [u8; 32];

/// What a user has agreed to.
#[derive(Debug)]
pub(super) struct Approved {
    /// Names this agreement in its tokens.
    pub(super) login: String,
    pub(super) client: String,
    pub(super) user: String,
    pub(super) scopes: Vec<String>,
    pub(super) patient: Option<String>,
    pub(super) launch: Option<Launch>,
    pub(super) nonce: Option<String>,
    /// When the user agreed.
    pub(super) at_s: u64,
}

struct Code {
    approved: Arc<Approved>,
    redirect_uri: String,
    challenge: String,
    until_s: u64,
    is_used: bool,
}

struct Refresh {
    approved: Arc<Approved>,
    until_s: u64,
    is_used: bool,
}

/// Everything that is out.
#[derive(Default)]
pub(super) struct Grants {
    codes: HashMap<Digest, Code>,
    refreshes: HashMap<Digest, Refresh>,
    /// Logins whose code or refresh token came twice, until all of their tokens have expired.
    over: HashMap<String, u64>,
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Grants({}, {})", self.codes.len(), self.refreshes.len())
    }
}

impl Grants {
    /// A code for the client, where `redirect_uri` gets it and `challenge` is what proves it.
    ///
    /// # Errors
    /// `Busy` where too many are out, `Server` where there is no randomness.
    pub(super) fn code(
        &mut self,
        approved: Approved,
        redirect_uri: &str,
        challenge: &str,
        now_s: u64,
    ) -> Result<String, OAuthError> {
        // Used ones are kept as long, so that a second use is noticed.
        self.codes.retain(|_, code| code.until_s >= now_s);
        if self.codes.len() >= MOST {
            return Err(OAuthError::Busy);
        }
        let code = random()?;
        let kept = Code {
            approved: Arc::new(approved),
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
            until_s: now_s + CODE_S,
            is_used: false,
        };
        self.codes.insert(fhir_security::sha256(code.as_bytes()), kept);
        Ok(code)
    }

    /// What a code stands for, once. A second use ends everything that came of the first.
    ///
    /// # Errors
    /// `Grant`.
    pub(super) fn redeem(
        &mut self,
        code: &str,
        given: &Redeemed<'_>,
        now_s: u64,
    ) -> Result<Arc<Approved>, OAuthError> {
        const WRONG: OAuthError =
            OAuthError::Grant("the code is unknown, expired, used, or not this client's");
        let known = self.codes.get_mut(&fhir_security::sha256(code.as_bytes())).ok_or(WRONG)?;
        if known.until_s < now_s || known.approved.client != given.client {
            return Err(WRONG);
        }
        let approved = Arc::clone(&known.approved);
        if known.is_used {
            self.end(&approved.login, now_s + given.longest_s);
            return Err(WRONG);
        }
        // One try: who knows a code and not its verifier doesn't get to guess.
        known.is_used = true;
        if known.redirect_uri != given.redirect_uri {
            return Err(OAuthError::Grant("redirect_uri is not that of the authorization request"));
        }
        let challenge = fhir_security::base64url(&fhir_security::sha256(given.verifier.as_bytes()));
        if !is_verifier(given.verifier) || challenge != known.challenge {
            return Err(OAuthError::Grant("code_verifier does not fit the code_challenge"));
        }
        Ok(approved)
    }

    /// A refresh token for what was agreed to.
    ///
    /// # Errors
    /// As [`Self::code`].
    pub(super) fn refresh(
        &mut self,
        approved: &Arc<Approved>,
        until_s: u64,
        now_s: u64,
    ) -> Result<String, OAuthError> {
        self.refreshes.retain(|_, refresh| refresh.until_s >= now_s);
        self.over.retain(|_, until_s| *until_s >= now_s);
        if self.refreshes.len() >= MOST {
            return Err(OAuthError::Busy);
        }
        let token = random()?;
        let kept = Refresh { approved: Arc::clone(approved), until_s, is_used: false };
        self.refreshes.insert(fhir_security::sha256(token.as_bytes()), kept);
        Ok(token)
    }

    /// What a refresh token stands for and until when, once: a new one takes its place. A second
    /// use ends the whole login, since one of the two who know it is not the client.
    ///
    /// # Errors
    /// `Grant`.
    pub(super) fn renew(
        &mut self,
        token: &str,
        given: &Renewed<'_>,
        now_s: u64,
    ) -> Result<(Arc<Approved>, Vec<String>, u64), OAuthError> {
        const WRONG: OAuthError =
            OAuthError::Grant("the refresh token is unknown, expired, used, or not this client's");
        let known =
            self.refreshes.get_mut(&fhir_security::sha256(token.as_bytes())).ok_or(WRONG)?;
        if known.until_s < now_s || known.approved.client != given.client {
            return Err(WRONG);
        }
        let (approved, until_s) = (Arc::clone(&known.approved), known.until_s);
        let scopes = given.scopes(&approved)?;
        if std::mem::replace(&mut known.is_used, true) {
            self.end(&approved.login, now_s + given.longest_s);
        }
        if self.is_over(&approved.login) {
            return Err(WRONG);
        }
        Ok((approved, scopes, until_s))
    }

    /// Whether tokens of this login count no more.
    pub(super) fn is_over(&self, login: &str) -> bool {
        self.over.contains_key(login)
    }

    fn end(&mut self, login: &str, until_s: u64) {
        tracing::warn!("a code or refresh token came twice: its login is over");
        self.over.insert(login.to_owned(), until_s);
    }
}

/// What comes with a code to redeem it.
pub(super) struct Redeemed<'a> {
    pub(super) client: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) verifier: &'a str,
    /// The longest that any token of the login lives, in seconds.
    pub(super) longest_s: u64,
}

/// What comes with a refresh token.
#[derive(Clone, Copy)]
pub(super) struct Renewed<'a> {
    pub(super) client: &'a str,
    pub(super) scope: Option<&'a str>,
    /// As in [`Redeemed`].
    pub(super) longest_s: u64,
}

impl Renewed<'_> {
    /// Fewer scopes may be asked for, never others.
    fn scopes(&self, approved: &Approved) -> Result<Vec<String>, OAuthError> {
        let Some(text) = self.scope else { return Ok(approved.scopes.clone()) };
        let wanted = text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned);
        let wanted: Vec<String> = wanted.collect();
        let is_fewer = wanted.iter().all(|scope| approved.scopes.contains(scope));
        if is_fewer && !wanted.is_empty() { Ok(wanted) } else { Err(OAuthError::Scope) }
    }
}

/// Spec: <https://www.rfc-editor.org/rfc/rfc7636#section-4.1>
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

pub(super) fn random() -> Result<String, OAuthError> {
    fhir_security::random_text().map_err(|error| {
        tracing::error!("{error}");
        OAuthError::Server
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approved() -> Approved {
        Approved {
            login: "s".to_owned(),
            client: "app".to_owned(),
            user: "aava".to_owned(),
            scopes: Vec::new(),
            patient: None,
            launch: None,
            nonce: None,
            at_s: 0,
        }
    }

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    /// Of RFC 7636, appendix B.
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn given() -> Redeemed<'static> {
        Redeemed { client: "app", redirect_uri: "http://a", verifier: VERIFIER, longest_s: 10 }
    }

    #[test]
    fn a_code_counts_once_for_its_client_and_in_its_time() {
        let mut grants = Grants::default();
        let code =
            |grants: &mut Grants| grants.code(approved(), "http://a", CHALLENGE, 1_000).unwrap();
        let good = code(&mut grants);
        assert!(grants.redeem("other", &given(), 1_000).is_err());
        assert!(grants.redeem(&good, &Redeemed { client: "b", ..given() }, 1_000).is_err());
        assert!(grants.redeem(&good, &given(), 1_061).is_err());
        assert!(grants.redeem(&good, &given(), 1_060).is_ok());
        assert!(!grants.is_over("s"));
        assert!(grants.redeem(&good, &given(), 1_060).is_err());
        assert!(grants.is_over("s"));
        for wrong in [
            Redeemed { redirect_uri: "http://b", ..given() },
            Redeemed { verifier: CHALLENGE, ..given() },
            Redeemed { verifier: "short", ..given() },
        ] {
            let tried = code(&mut grants);
            assert!(grants.redeem(&tried, &wrong, 1_000).is_err());
            assert!(grants.redeem(&tried, &given(), 1_000).is_err(), "a second try");
        }
    }

    #[test]
    fn a_refresh_token_that_comes_twice_ends_the_login() {
        let mut grants = Grants::default();
        let approved = Arc::new(approved());
        let first = grants.refresh(&approved, 2_000, 1_000).unwrap();
        let own = Renewed { client: "app", scope: None, longest_s: 10 };
        let foreign = Renewed { client: "b", ..own };
        let more = Renewed { scope: Some("system/*.cruds"), ..own };
        for (given, now_s) in [(&foreign, 1_000), (&more, 1_000), (&own, 2_001)] {
            assert!(grants.renew(&first, given, now_s).is_err());
        }
        assert!(grants.renew(&first, &own, 1_000).is_ok());
        let second = grants.refresh(&approved, 2_000, 1_000).unwrap();
        assert!(grants.renew(&first, &own, 1_000).is_err());
        assert!(grants.renew(&second, &own, 1_000).is_err(), "the login is over");
    }
}
