//! A plain HTTP client: any method, any header, any body, no opinion on statuses.

use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;

/// Speaks to one server.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
}

/// What a server answered.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header names in lower case with their values, in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Client {
    /// A client for the FHIR root `base`, without a slash at its end.
    pub fn new(base: &str) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Self { agent, base: base.to_owned() }
    }

    /// The FHIR root.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request and fails the test when no answer comes.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a request; an error when no answer comes, whatever the status of an answer.
    ///
    /// # Errors
    /// The connection was refused, broken or too slow.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, ureq::Error> {
        let url = match path {
            "" => self.base.clone(),
            _ if path.starts_with("http://") => path.to_owned(),
            _ if path.starts_with('?') => format!("{}{path}", self.base),
            // `//health` and the like leave the FHIR root.
            _ => match path.strip_prefix("//") {
                Some(rest) => format!("{}/{rest}", self.base.trim_end_matches("/fhir")),
                None => format!("{}/{path}", self.base),
            },
        };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = if body.is_empty() && !matches!(method, "POST" | "PUT" | "PATCH") {
            self.agent.run(request.body(()).expect("a request of valid parts"))?
        } else {
            let agent = self.agent.clone();
            agent.run(request.body(body.to_vec()).expect("a request of valid parts"))?
        };
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), text)
            })
            .collect();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        Ok(Reply { status: response.status().as_u16(), headers, body })
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], &[])
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], &[])
    }

    /// `POST` of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send_json("POST", path, &[], body)
    }

    /// `PUT` of JSON.
    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.send_json("PUT", path, &[], body)
    }

    /// Any method with a JSON body and more headers.
    pub fn send_json(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Reply {
        let mut all = vec![("Content-Type", "application/fhir+json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, body.to_string().as_bytes())
    }

    /// Creates a resource and gives its id.
    pub fn create(&self, resource: &Value) -> String {
        let kind = resource["resourceType"].as_str().expect("a resource has a type");
        let reply = self.post(kind, resource).expecting(201);
        reply.json()["id"].as_str().expect("a created resource has an id").to_owned()
    }

    /// Stores a resource under its own id.
    pub fn store(&self, resource: &Value) -> Reply {
        let kind = resource["resourceType"].as_str().expect("a resource has a type");
        let id = resource["id"].as_str().expect("a resource to store has an id");
        let reply = self.put(&format!("{kind}/{id}"), resource);
        assert!(matches!(reply.status, 200 | 201), "PUT {kind}/{id}: {reply:?}");
        reply
    }

    /// The keys (`Patient/a`) of the matches of a search, over all its pages, in order.
    pub fn search(&self, query: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = Some(query.to_owned());
        while let Some(path) = next {
            let page = self.get(&path).expecting(200).json();
            found.extend(keys(&page, "match"));
            next = link(&page, "next");
        }
        found
    }
}

/// The keys of the entries of a Bundle with the given search mode.
fn keys(bundle: &Value, mode: &str) -> Vec<String> {
    let entries = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    entries
        .iter()
        .filter(|entry| entry["search"]["mode"] == mode)
        .map(|entry| {
            let resource = &entry["resource"];
            let kind = resource["resourceType"].as_str().expect("an entry has a type");
            format!("{kind}/{}", resource["id"].as_str().expect("an entry has an id"))
        })
        .collect()
}

/// The URL of a link of a Bundle.
fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?;
    let link = links.iter().find(|link| link["relation"] == relation)?;
    Some(link["url"].as_str().expect("a link has a url").to_owned())
}

impl Reply {
    /// The reply itself, when it has this status.
    #[track_caller]
    pub fn expecting(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// A header by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_it = |it: &&(String, String)| it.0.eq_ignore_ascii_case(name);
        self.headers.iter().find(is_it).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(json) => json,
            Err(error) => panic!("{error}: {} {}", self.status, self.text()),
        }
    }

    /// The issues of an OperationOutcome, failing when the body is something else.
    #[track_caller]
    pub fn issues(&self) -> Vec<Value> {
        let json = self.json();
        assert_eq!(json["resourceType"], "OperationOutcome", "{}", self.text());
        let issues = json["issue"].as_array().expect("an outcome has issues").clone();
        assert!(!issues.is_empty(), "an outcome without issues");
        issues
    }

    /// The keys of the entries of a Bundle with the given search mode.
    #[track_caller]
    pub fn keys(&self, mode: &str) -> Vec<String> {
        keys(&self.json(), mode)
    }

    /// The URL of a link of a Bundle.
    #[track_caller]
    pub fn link(&self, relation: &str) -> Option<String> {
        link(&self.json(), relation)
    }
}
