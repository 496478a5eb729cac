//! The file that `access.development_server` names: users, clients and launches.

use std::path::{Path, PathBuf};

use fhir_access::{CallerKind, Scopes};
use fhir_security::jose::KeySet;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::scopes::Allowed;

/// Claims that the server gives itself.
const OWN_CLAIMS: [&str; 19] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "scope",
    "scp",
    "patient",
    "encounter",
    "fhirUser",
    "kind",
    "cnf",
    "nonce",
    "sid",
    "active",
];

/// What the file says, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) access_token_s: u64,
    pub(super) refresh_token_s: u64,
    pub(super) users: Vec<User>,
    pub(super) clients: Vec<Client>,
    pub(super) launches: Vec<Launch>,
}

/// Somebody who may log in, by a click.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) kind: Option<CallerKind>,
    pub(super) fhir_user: Option<String>,
    /// Ids of the patients that they may choose.
    pub(super) patients: Vec<String>,
    pub(super) scopes: Allowed,
    pub(super) claims: Map<String, Value>,
}

/// An app or system.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) kind: Option<CallerKind>,
    pub(super) proof: Proof,
    pub(super) redirect_uris: Vec<String>,
    pub(super) scopes: Allowed,
    pub(super) claims: Map<String, Value>,
}

/// How a client proves who it is.
#[derive(Clone)]
pub(super) enum Proof {
    /// Not at all: what keeps others from using its codes is PKCE.
    Public,
    Secret(String),
    /// The key set, as it stands in its file.
    Keys(Vec<u8>),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Public => "Public",
            Self::Secret(_) => "Secret",
            Self::Keys(_) => "Keys",
        })
    }
}

/// What a launch from another system brings along.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Launch {
    /// The value of `launch`.
    pub(super) name: String,
    pub(super) patient: Option<String>,
    pub(super) encounter: Option<String>,
    #[serde(default)]
    pub(super) fhir_context: Vec<Map<String, Value>>,
    pub(super) need_patient_banner: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default = "access_token_s")]
    access_token_s: u64,
    #[serde(default = "refresh_token_s")]
    refresh_token_s: u64,
    #[serde(default)]
    user: Vec<UserText>,
    #[serde(default)]
    client: Vec<ClientText>,
    #[serde(default)]
    launch: Vec<Launch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserText {
    name: String,
    kind: Option<String>,
    fhir_user: Option<String>,
    #[serde(default)]
    patients: Vec<String>,
    scopes: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientText {
    id: String,
    kind: Option<String>,
    secret: Option<String>,
    jwks_file: Option<PathBuf>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    scopes: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

const fn access_token_s() -> u64 {
    900
}

const fn refresh_token_s() -> u64 {
    86_400
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads the text of the file; the files that it names lie beside it in `folder`.
    fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let file: FileText = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        for (name, seconds) in
            [("access_token_s", file.access_token_s), ("refresh_token_s", file.refresh_token_s)]
        {
            if !(1..=604_800).contains(&seconds) {
                return Err(format!("{name} must be 1 to 604800"));
            }
        }
        once("user", file.user.iter().map(|user| &user.name))?;
        once("client", file.client.iter().map(|client| &client.id))?;
        once("launch", file.launch.iter().map(|launch| &launch.name))?;
        if file.client.is_empty() {
            return Err("it needs at least one [[client]]".to_owned());
        }
        let users = file.user.into_iter().map(User::read).collect::<Result<_, _>>()?;
        let read = |client| Client::read(client, folder);
        let clients = file.client.into_iter().map(read).collect::<Result<_, _>>()?;
        let (access_token_s, refresh_token_s) = (file.access_token_s, file.refresh_token_s);
        Ok(Self { access_token_s, refresh_token_s, users, clients, launches: file.launch })
    }
}

impl User {
    fn read(text: UserText) -> Result<Self, String> {
        let of = |why: String| format!("user {}: {why}", text.name);
        Ok(Self {
            kind: kind(text.kind.as_deref()).map_err(of)?,
            scopes: Allowed::read(&text.scopes).map_err(of)?,
            claims: claims(text.claims).map_err(of)?,
            name: text.name,
            fhir_user: text.fhir_user,
            patients: text.patients,
        })
    }
}

impl Client {
    fn read(text: ClientText, folder: &Path) -> Result<Self, String> {
        let of = |why: String| format!("client {}: {why}", text.id);
        let proof = match (text.secret, text.jwks_file) {
            (None, None) => Proof::Public,
            (Some(secret), None) if !secret.is_empty() => Proof::Secret(secret),
            (None, Some(path)) => Proof::Keys(keys(&folder.join(path)).map_err(of)?),
            (Some(_), _) => return Err(of("has a secret or a jwks_file, not both".to_owned())),
        };
        if let Some(uri) = text.redirect_uris.iter().find(|uri| !is_redirect_uri(uri)) {
            let why =
                format!("`{uri}` is no absolute URI without fragment that a browser may open");
            return Err(of(why));
        }
        let speaks_as_system = Scopes::parse(&text.scopes.join(" "))
            .grants()
            .iter()
            .any(|grant| grant.context == fhir_access::Context::System);
        if speaks_as_system && !matches!(proof, Proof::Keys(_)) {
            return Err(of("system scopes need a jwks_file".to_owned()));
        }
        Ok(Self {
            kind: kind(text.kind.as_deref()).map_err(of)?,
            proof,
            scopes: Allowed::read(&text.scopes).map_err(of)?,
            claims: claims(text.claims).map_err(of)?,
            redirect_uris: text.redirect_uris,
            id: text.id,
        })
    }
}

/// Names are there, and none of them twice.
fn once<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = Vec::new();
    for name in names {
        if name.is_empty() || seen.contains(&name) {
            return Err(format!("each {what} needs a name of its own"));
        }
        seen.push(name);
    }
    Ok(())
}

fn kind(word: Option<&str>) -> Result<Option<CallerKind>, String> {
    let Some(word) = word else { return Ok(None) };
    let known = CallerKind::of(word)
        .filter(|kind| !matches!(kind, CallerKind::Everyone | CallerKind::Unknown));
    known.map(Some).ok_or_else(|| "kind is none of the kinds of callers".to_owned())
}

fn claims(claims: Map<String, Value>) -> Result<Map<String, Value>, String> {
    match claims.keys().find(|name| OWN_CLAIMS.contains(&name.as_str())) {
        Some(name) => Err(format!("the claim `{name}` is given by the server")),
        None => Ok(claims),
    }
}

fn keys(path: &Path) -> Result<Vec<u8>, String> {
    let of = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let document = std::fs::read(path).map_err(|error| of(&error))?;
    KeySet::parse(&document).map_err(|error| of(&error))?;
    Ok(document)
}

/// An absolute URI without fragment, whose scheme no browser runs as a program.
fn is_redirect_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let runs = ["javascript", "data", "vbscript", "file"];
    is_scheme
        && !runs.iter().any(|it| scheme.eq_ignore_ascii_case(it))
        && !rest.is_empty()
        && uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        Settings::parse(text, Path::new("/nonexistent"))
    }

    #[test]
    fn users_and_clients_are_read() {
        let settings = read(
            "[[user]]\nname = 'aava'\nkind = 'citizen'\nfhir_user = 'Patient/aava'\n\
             scopes = ['patient/*.rs']\nclaims = { acr = 'strong' }\n\
             [[client]]\nid = 'app'\nredirect_uris = ['http://localhost:1/cb', 'org.example.app:/cb']\n\
             scopes = ['openid', 'patient/*.rs']\n\
             [[client]]\nid = 'confidential'\nsecret = 'hush'\nscopes = []\n\
             [[launch]]\nname = 'one'\npatient = 'aava'\nfhir_context = [{ reference = 'Location/1' }]",
        )
        .unwrap();
        assert_eq!((settings.access_token_s, settings.users.len()), (900, 1));
        assert!(!format!("{settings:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let client = "[[client]]\nid = 'app'\nscopes = ['openid']\n";
        for (text, part) in [
            (String::new(), "[[client]]"),
            (format!("{client}{client}"), "name of its own"),
            (format!("{client}colour = 'red'"), "colour"),
            (format!("{client}redirect_uris = ['javascript:alert(1)']"), "redirect"),
            (format!("{client}redirect_uris = ['http://a/#b']"), "fragment"),
            (format!("{client}claims = {{ sub = 'x' }}"), "sub"),
            (format!("{client}kind = 'everyone'"), "kind"),
            (format!("{client}jwks_file = 'absent.json'"), "absent.json"),
            (format!("{client}secret = 's'\njwks_file = 'k.json'"), "not both"),
            (client.replace("openid", "system/*.rs"), "jwks_file"),
            (client.replace("openid", "user/Shoe.rs"), "Shoe"),
            (format!("access_token_s = 0\n{client}"), "access_token_s"),
        ] {
            let why = read(&text).map(|_| ()).unwrap_err();
            assert!(why.contains(part) || part == "redirect", "{part} in {why}");
        }
    }
}
