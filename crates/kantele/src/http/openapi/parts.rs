//! What the paths of the document have in common: parameters, bodies and answers.

use serde_json::{Map, Value, json};

/// Statuses that every request may be answered with, for reasons that lie before its interaction.
const ALWAYS: [u16; 10] = [400, 403, 404, 406, 410, 414, 429, 431, 500, 503];

/// Those that a request with a body may be answered with besides.
const WITH_BODY: [u16; 6] = [408, 409, 412, 413, 415, 422];

/// The schemas that bodies and parameters refer to.
pub(super) fn components() -> Value {
    let named = |name: &str| {
        json!({
            "type": "object",
            "required": ["resourceType"],
            "properties": {"resourceType": {"type": "string", "enum": [name]}}
        })
    };
    json!({
        "schemas": {
            "Resource": {
                "type": "object",
                "description": "Any resource of FHIR R4; \
                    https://hl7.org/fhir/R4/resourcelist.html has them all.",
                "required": ["resourceType"],
                "properties": {"resourceType": {"type": "string"}}
            },
            "Bundle": named("Bundle"),
            "Parameters": named("Parameters"),
            "OperationOutcome": named("OperationOutcome"),
            "CapabilityStatement": named("CapabilityStatement"),
            "id": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"}
        },
        "parameters": parameters(),
        "responses": {
            "refused": {
                "description": "Refused; the outcome says why.",
                "content": fhir(&json!({"$ref": "#/components/schemas/OperationOutcome"}))
            },
            "unchanged": {"description": "The client has this version already."},
            "deleted": {"description": "Nothing is there any more, or nothing ever was."},
            "accepted": {
                "description": "The answer is at Content-Location when it is ready.",
                "headers": {"Content-Location": {"schema": {"type": "string"}}}
            }
        }
    })
}

fn parameters() -> Value {
    json!({
        "id": path("id", "The logical id of the resource."),
        "vid": {
            "name": "vid", "in": "path", "required": true,
            "description": "The version of the resource.",
            "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"}
        },
        "_format": {
            "name": "_format", "in": "query",
            "description": "Wins over Accept.",
            "schema": {"type": "string", "enum": [
                "json", "xml", "application/fhir+json", "application/fhir+xml",
                "application/json", "application/xml", "text/json", "text/xml"
            ]}
        },
        "_pretty": {
            "name": "_pretty", "in": "query", "schema": {"type": "boolean"},
            "description": "Whether the answer is written for people."
        },
        "_cascade": {
            "name": "_cascade", "in": "query",
            "description": "delete: along with all who refer to it.",
            "schema": {"type": "string", "enum": ["delete", "none"]}
        },
        "X-Cascade": header(
            "X-Cascade",
            "As _cascade.",
            &json!({"type": "string", "enum": ["delete", "none"]})
        ),
        "If-Match": header(
            "If-Match",
            "The version that must be the current one.",
            &json!({"type": "string", "pattern": "^W/\"[0-9]{1,9}\"$"})
        ),
        "If-None-Match": header(
            "If-None-Match",
            "A version that the client has already.",
            &json!({"type": "string", "pattern": "^W/\"[0-9]{1,9}\"$"})
        ),
        "If-None-Exist": header(
            "If-None-Exist",
            "A search that must find nothing.",
            &json!({"type": "string"})
        ),
        "Prefer": header(
            "Prefer",
            "Several are separated by commas.",
            &json!({"type": "string"})
        )
    })
}

fn path(name: &str, about: &str) -> Value {
    json!({
        "name": name, "in": "path", "required": true, "description": about,
        "schema": {"$ref": "#/components/schemas/id"}
    })
}

fn header(name: &str, about: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "header", "description": about, "schema": schema})
}

/// A parameter of the query; one that repeats means `and`.
pub(super) fn query(name: &str, about: &str, repeats: bool) -> Value {
    let schema = match name {
        "_count" => json!({"type": "integer", "minimum": 0}),
        "_summary" => json!({"type": "string", "enum": ["true", "text", "data", "count", "false"]}),
        "_total" => json!({"type": "string", "enum": ["none", "estimate", "accurate"]}),
        "_contained" => json!({"type": "string", "enum": ["false", "true", "both"]}),
        "_containedType" => json!({"type": "string", "enum": ["container", "contained"]}),
        "_since" => json!({"type": "string", "format": "date-time"}),
        _ if repeats => json!({"type": "array", "items": {"type": "string"}}),
        _ => json!({"type": "string"}),
    };
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}

/// A reference to one of the parameters above.
pub(super) fn shared(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// A schema in both formats of FHIR.
pub(super) fn fhir(schema: &Value) -> Value {
    json!({
        "application/fhir+json": {"schema": schema},
        "application/fhir+xml": {"schema": {"type": "string"}}
    })
}

/// One operation of OpenAPI, as it is put together.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) summary: String,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<Value>,
    /// Status and the name of the schema of its body; `None` where it has none.
    pub(super) answers: Vec<(u16, Option<Value>)>,
}

impl Call {
    pub(super) fn new(id: String, tag: &str, summary: impl Into<String>) -> Self {
        let parameters = vec![shared("_format"), shared("_pretty")];
        let tag = tag.to_owned();
        Self { id, tag, summary: summary.into(), parameters, body: None, answers: Vec::new() }
    }

    pub(super) fn with(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// A body in FHIR's formats.
    pub(super) fn taking(mut self, schema: &str) -> Self {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        self.body = Some(json!({"required": true, "content": fhir(&schema)}));
        self
    }

    /// A body as these media types, of any content.
    pub(super) fn taking_any(mut self, media_types: &[(&str, Value)]) -> Self {
        let content: Map<String, Value> = media_types
            .iter()
            .map(|(name, schema)| ((*name).to_owned(), json!({"schema": schema})))
            .collect();
        self.body = Some(json!({"required": true, "content": content}));
        self
    }

    /// An answer with a resource in it.
    pub(super) fn giving(mut self, status: u16, schema: &str) -> Self {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        self.answers.push((status, Some(fhir(&schema))));
        self
    }

    /// An answer with other content.
    pub(super) fn giving_content(mut self, status: u16, content: Value) -> Self {
        self.answers.push((status, Some(content)));
        self
    }

    /// An answer without a body.
    pub(super) fn giving_nothing(mut self, status: u16) -> Self {
        self.answers.push((status, None));
        self
    }

    pub(super) fn build(self, writes: bool) -> Value {
        let mut responses = Map::new();
        for (status, content) in self.answers {
            let response = match (status, content) {
                (202, _) => json!({"$ref": "#/components/responses/accepted"}),
                (204, _) => json!({"$ref": "#/components/responses/deleted"}),
                (304, _) => json!({"$ref": "#/components/responses/unchanged"}),
                (_, Some(content)) => json!({"description": "Done.", "content": content}),
                (_, None) => json!({"description": "Done."}),
            };
            responses.insert(status.to_string(), response);
        }
        let more = if writes { &WITH_BODY[..] } else { &[] };
        for status in ALWAYS.iter().chain(more) {
            let refused = json!({"$ref": "#/components/responses/refused"});
            responses.entry(status.to_string()).or_insert(refused);
        }
        let mut call = json!({
            "operationId": self.id, "tags": [self.tag], "summary": self.summary,
            "parameters": self.parameters, "responses": responses
        });
        if let (Some(body), Some(object)) = (self.body, call.as_object_mut()) {
            object.insert("requestBody".to_owned(), body);
        }
        call
    }
}
