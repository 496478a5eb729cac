//! JSON Patch (RFC 6902).

use fhir_model::{Failure, FailureKind, Issue, IssueType, Kind, Limits, Value, json};

use crate::MAX_OPERATIONS;
use crate::pointer::Pointer;
use crate::tree::Tree;

/// The operations of a JSON Patch, in their order.
#[derive(Clone, Debug)]
pub(crate) struct JsonPatch {
    operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
enum Operation {
    Add { path: Pointer, value: Tree },
    Remove { path: Pointer },
    Replace { path: Pointer, value: Tree },
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test { path: Pointer, value: Tree },
}

impl JsonPatch {
    pub(crate) fn parse(body: Vec<u8>, limits: &Limits) -> Result<Self, Failure> {
        let source = crate::text(body)?;
        let tape = json::parse(&source, limits).map_err(crate::unreadable)?;
        let root = tape.root(&source);
        if root.kind() != Kind::Array {
            let text =
                format!("a JSON Patch is an array of operations, found {}", root.kind().name());
            return Err(Failure::new(FailureKind::MalformedBody, text).at("patch"));
        }
        let mut operations = Vec::new();
        let mut issues = Vec::new();
        for (index, value) in root.items().enumerate() {
            if index >= MAX_OPERATIONS {
                return Err(crate::too_many());
            }
            match operation(value) {
                Ok(operation) => operations.push(operation),
                Err(Wrong { member, expected }) => {
                    let place = match member {
                        "" => format!("patch[{index}]"),
                        member => format!("patch[{index}].{member}"),
                    };
                    let (line, column) = json::position(&source, value.offset());
                    let issue = Issue::error(IssueType::Structure, expected).at(place);
                    issues.push(issue.position(line, column));
                }
            }
        }
        if issues.is_empty() {
            return Ok(Self { operations });
        }
        issues.truncate(fhir_model::check::MAX_FAULTS);
        Err(Failure::with_issues(FailureKind::MalformedBody, issues))
    }

    /// Applies all operations to `root`, or fails at one of them.
    pub(crate) fn apply(&self, root: &mut Tree, limits: &Limits) -> Result<(), Failure> {
        let mut copied = 0_usize;
        for (index, operation) in self.operations.iter().enumerate() {
            let refused = |member: &str, why: String| {
                Failure::new(FailureKind::Unprocessable, why).at(format!("patch[{index}].{member}"))
            };
            match operation {
                Operation::Add { path, value } => {
                    path.add(root, value.clone()).map_err(|why| refused("path", why))?;
                }
                Operation::Remove { path } => {
                    path.remove(root).map_err(|why| refused("path", why))?;
                }
                Operation::Replace { path, value } => {
                    *path.find_mut(root).map_err(|why| refused("path", why))? = value.clone();
                }
                Operation::Move { from, path } => {
                    // What is moved to its own place must be there, too.
                    let value = from.remove(root).map_err(|why| refused("from", why))?;
                    path.add(root, value).map_err(|why| refused("path", why))?;
                }
                Operation::Copy { from, path } => {
                    let value = from.find(root).map_err(|why| refused("from", why))?;
                    copied = copied.saturating_add(value.size());
                    if copied > limits.max_bytes {
                        return Err(crate::too_costly().at(format!("patch[{index}]")));
                    }
                    let value = value.clone();
                    path.add(root, value).map_err(|why| refused("path", why))?;
                }
                Operation::Test { path, value } => {
                    let found = path.find(root).map_err(|why| failed(index, &why))?;
                    if !found.equals(value) {
                        return Err(failed(index, "another value is there"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn failed(index: usize, why: &str) -> Failure {
    let text = format!("the test of operation {index} failed, nothing was changed: {why}");
    Failure::new(FailureKind::Conflict, text).at(format!("patch[{index}]"))
}

/// What is wrong with an operation: at which member, and what was expected.
struct Wrong {
    member: &'static str,
    expected: String,
}

impl Wrong {
    fn at<T>(member: &'static str, expected: impl Into<String>) -> Result<T, Self> {
        Err(Self { member, expected: expected.into() })
    }
}

fn operation(value: Value<'_>) -> Result<Operation, Wrong> {
    if value.kind() != Kind::Object {
        let found = value.kind().name();
        return Wrong::at("", format!("an operation is an object, found {found}"));
    }
    for member in ["op", "path", "from", "value"] {
        if value.members().filter(|(key, _)| key == member).count() > 1 {
            return Wrong::at(member, format!("expected \"{member}\" once, found again"));
        }
    }
    let Some(op) = value.get("op").and_then(Value::text) else {
        return Wrong::at("op", "expected \"op\" with the name of an operation");
    };
    let path = pointer(value, "path")?;
    match op.as_ref() {
        "add" => Ok(Operation::Add { path, value: content(value)? }),
        "remove" => Ok(Operation::Remove { path }),
        "replace" => Ok(Operation::Replace { path, value: content(value)? }),
        "move" => {
            let from = pointer(value, "from")?;
            if from.contains(&path) {
                return Wrong::at("path", "nothing can be moved into itself");
            }
            Ok(Operation::Move { from, path })
        }
        "copy" => Ok(Operation::Copy { from: pointer(value, "from")?, path }),
        "test" => Ok(Operation::Test { path, value: content(value)? }),
        _ => Wrong::at("op", "expected add, remove, replace, move, copy or test"),
    }
}

fn pointer(operation: Value<'_>, member: &'static str) -> Result<Pointer, Wrong> {
    let Some(text) = operation.get(member).and_then(Value::text) else {
        return Wrong::at(member, format!("expected \"{member}\" with a JSON Pointer"));
    };
    Pointer::parse(&text).or_else(|expected| Wrong::at(member, expected))
}

fn content(operation: Value<'_>) -> Result<Tree, Wrong> {
    match operation.get("value") {
        Some(value) => Ok(Tree::of(value)),
        None => Wrong::at("value", "expected \"value\", which may be null"),
    }
}
