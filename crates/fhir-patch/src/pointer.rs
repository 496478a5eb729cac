//! JSON Pointers (RFC 6901).

use crate::tree::Tree;

/// The unescaped parts of a pointer; none of them for the whole document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<String>);

/// Why a pointer leads nowhere: what was expected, and what is there.
pub(crate) type Nowhere = String;

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// What a pointer looks like.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err("expected a JSON Pointer, which starts with /");
        };
        rest.split('/').map(unescaped).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `other` is inside what this points to.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.0.len() < other.0.len() && other.0.starts_with(&self.0)
    }

    /// What the pointer leads to.
    pub(crate) fn find<'t>(&self, root: &'t Tree) -> Result<&'t Tree, Nowhere> {
        self.0.iter().try_fold(root, |at, part| match at {
            Tree::Object(_) => at.get(part).ok_or_else(|| no_member(part)),
            Tree::Array(items) => {
                let index = index(part, items.len())?;
                items.get(index).ok_or_else(|| no_item(index, items.len()))
            }
            Tree::String(_) | Tree::Literal(_) | Tree::Null => Err(no_container(at, part)),
        })
    }

    pub(crate) fn find_mut<'t>(&self, root: &'t mut Tree) -> Result<&'t mut Tree, Nowhere> {
        find_mut(&self.0, root)
    }

    /// Puts a value where the pointer leads: RFC 6902's `add`.
    pub(crate) fn add(&self, root: &mut Tree, value: Tree) -> Result<(), Nowhere> {
        let Some((last, before)) = self.0.split_last() else {
            *root = value;
            return Ok(());
        };
        match find_mut(before, root)? {
            Tree::Array(items) => {
                let length = items.len();
                let index = if last == "-" { length } else { index(last, length)? };
                if index > length {
                    return Err(no_item(index, length));
                }
                items.insert(index, value);
            }
            object @ Tree::Object(_) => object.set(last, value),
            other @ (Tree::String(_) | Tree::Literal(_) | Tree::Null) => {
                return Err(no_container(other, last));
            }
        }
        Ok(())
    }

    /// Takes out what the pointer leads to.
    pub(crate) fn remove(&self, root: &mut Tree) -> Result<Tree, Nowhere> {
        let Some((last, before)) = self.0.split_last() else {
            return Err("the whole resource cannot be removed by a patch".to_owned());
        };
        match find_mut(before, root)? {
            Tree::Array(items) => {
                let index = index(last, items.len())?;
                if index >= items.len() {
                    return Err(no_item(index, items.len()));
                }
                Ok(items.remove(index))
            }
            object @ Tree::Object(_) => object.take(last).ok_or_else(|| no_member(last)),
            other @ (Tree::String(_) | Tree::Literal(_) | Tree::Null) => {
                Err(no_container(other, last))
            }
        }
    }
}

fn find_mut<'t>(parts: &[String], root: &'t mut Tree) -> Result<&'t mut Tree, Nowhere> {
    let mut at = root;
    for part in parts {
        at = match at {
            object @ Tree::Object(_) => object.get_mut(part).ok_or_else(|| no_member(part))?,
            Tree::Array(items) => {
                let length = items.len();
                let index = index(part, length)?;
                items.get_mut(index).ok_or_else(|| no_item(index, length))?
            }
            other @ (Tree::String(_) | Tree::Literal(_) | Tree::Null) => {
                return Err(no_container(other, part));
            }
        };
    }
    Ok(at)
}

/// An index has no sign and no leading zeros.
fn index(part: &str, length: usize) -> Result<usize, Nowhere> {
    let is_plain = part == "0"
        || (part.starts_with(|first: char| ('1'..='9').contains(&first))
            && part.bytes().all(|byte| byte.is_ascii_digit()));
    is_plain.then(|| part.parse().ok()).flatten().ok_or_else(|| {
        format!("expected an index into a list of {length}, found \"{}\"", shown(part))
    })
}

fn no_member(key: &str) -> Nowhere {
    format!("there is no member \"{}\"", shown(key))
}

fn no_item(index: usize, length: usize) -> Nowhere {
    format!("there is no place {index} in a list of {length}")
}

fn no_container(found: &Tree, part: &str) -> Nowhere {
    format!("\"{}\" leads into {}, which has no members", shown(part), found.name())
}

/// The name of a member, as long as one can be.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

fn unescaped(part: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(part.len());
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        match character {
            '~' => match characters.next() {
                Some('0') => out.push('~'),
                Some('1') => out.push('/'),
                _ => return Err("expected ~0 or ~1 after ~ in a JSON Pointer"),
            },
            other => out.push(other),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_with_their_escapes() {
        let parts = |text: &str| Pointer::parse(text).map(|pointer| pointer.0);
        assert_eq!(parts("").unwrap(), Vec::<String>::new());
        assert_eq!(parts("/").unwrap(), [""]);
        assert_eq!(parts("/a~1b/m~0n/~01/0").unwrap(), ["a/b", "m~n", "~1", "0"]);
        for bad in ["a", "/~", "/~2", "/a/~x"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn indexes_have_no_sign_and_no_leading_zero() {
        assert_eq!(index("0", 1), Ok(0));
        assert_eq!(index("10", 1), Ok(10));
        for bad in ["-1", "+1", "01", "", "1e0", "a", "99999999999999999999999"] {
            assert!(index(bad, 1).is_err(), "{bad}");
        }
    }
}
