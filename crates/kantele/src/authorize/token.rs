//! The token endpoint: a code, a refresh token or a client's own word for an access token.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token>

use std::sync::Arc;

use fhir_access::Context;
use serde_json::{Map, Value};

use super::Authority;
use super::exchange::{Answered, Asked, OAuthError};
use super::grants::{Approved, Redeemed, Renewed};
use super::issue::{self, For};
use super::scopes;
use super::settings::{Client, Proof};

impl Authority {
    pub(super) fn token(&self, asked: &Asked<'_>) -> Answered {
        match self.granted(asked) {
            Ok(body) => Answered::json(200, &Value::Object(body)),
            Err(why) => {
                tracing::info!(token.refused = why.code(), "no token: {why}");
                Answered::refused(why)
            }
        }
    }

    fn granted(&self, asked: &Asked<'_>) -> Result<Map<String, Value>, OAuthError> {
        let client = self.client(asked)?;
        match asked.parameters.needed("grant_type", "grant_type is missing")? {
            "authorization_code" => self.for_code(client, asked),
            "refresh_token" => self.for_refresh_token(client, asked),
            "client_credentials" => self.for_client(client, asked),
            _ => Err(OAuthError::GrantType),
        }
    }

    fn for_code(
        &self,
        client: &Client,
        asked: &Asked<'_>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let (form, now_s) = (&asked.parameters, asked.now_s);
        let code = form.needed("code", "code is missing")?;
        let given = Redeemed {
            client: &client.id,
            redirect_uri: form.needed("redirect_uri", "redirect_uri is missing")?,
            verifier: form.needed("code_verifier", "code_verifier is missing")?,
            longest_s: self.longest_s(),
        };
        let approved = self.grants().redeem(code, &given, now_s)?;
        let until_s = now_s + self.settings.refresh_token_s;
        self.for_login(client, &approved, &approved.scopes, (until_s, now_s))
    }

    fn for_refresh_token(
        &self,
        client: &Client,
        asked: &Asked<'_>,
    ) -> Result<Map<String, Value>, OAuthError> {
        let (form, now_s) = (&asked.parameters, asked.now_s);
        let token = form.needed("refresh_token", "refresh_token is missing")?;
        let scope = form.one("scope")?;
        let given = Renewed { client: &client.id, scope, longest_s: self.longest_s() };
        let (approved, scopes, until_s) = self.grants().renew(token, &given, now_s)?;
        self.for_login(client, &approved, &scopes, (until_s, now_s))
    }

    /// Tokens for what a user has agreed to, the refresh token until `until_s`.
    fn for_login(
        &self,
        client: &Client,
        approved: &Arc<Approved>,
        scopes: &[String],
        (until_s, now_s): (u64, u64),
    ) -> Result<Map<String, Value>, OAuthError> {
        let user = self.settings.users.iter().find(|user| user.name == approved.user);
        let user = user.ok_or(OAuthError::Server)?;
        let of = For { client, user: Some((user, approved)), scopes };
        let mut body = self.answer_with(&of, now_s)?;
        body.extend(issue::context(approved));
        if issue::has(scopes, "openid") {
            let token = self.id_token(approved, user, now_s)?;
            body.insert("id_token".to_owned(), token.into());
        }
        if ["offline_access", "online_access"].iter().any(|it| issue::has(&approved.scopes, it)) {
            let token = self.grants().refresh(approved, until_s, now_s)?;
            body.insert("refresh_token".to_owned(), token.into());
        }
        Ok(body)
    }

    /// Backend services: <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>
    fn for_client(
        &self,
        client: &Client,
        asked: &Asked<'_>,
    ) -> Result<Map<String, Value>, OAuthError> {
        if !matches!(client.proof, Proof::Keys(_)) {
            let why = "client_credentials needs a client with keys of its own (private_key_jwt)";
            return Err(OAuthError::Unauthorized(why));
        }
        let scope = asked.parameters.needed("scope", "scope is missing")?;
        let scopes = scopes::granted(scope, &client.scopes, None, &[Context::System]);
        // What a client asks for itself are resources: there is nobody to be identified.
        let scopes: Vec<String> =
            scopes.into_iter().filter(|scope| scope.starts_with("system/")).collect();
        if scopes.is_empty() {
            return Err(OAuthError::Scope);
        }
        self.answer_with(&For { client, user: None, scopes: &scopes }, asked.now_s)
    }

    fn answer_with(&self, of: &For<'_>, now_s: u64) -> Result<Map<String, Value>, OAuthError> {
        let members = [
            ("access_token", self.access_token(of, now_s)?.into()),
            ("token_type", "Bearer".into()),
            ("expires_in", self.settings.access_token_s.into()),
            ("scope", of.scopes.join(" ").into()),
        ];
        Ok(members.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
    }

    /// The longest that any token lives, in seconds.
    fn longest_s(&self) -> u64 {
        self.settings.access_token_s.max(self.settings.refresh_token_s)
    }
}
