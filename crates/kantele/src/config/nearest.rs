//! Near names for a misspelt one.

/// ` (did you mean …?)` with up to three close names, or nothing where none is close.
pub(crate) fn hint<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let allowed = (wrong.chars().count() / 3).max(2);
    let mut close: Vec<(usize, &str)> = names
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .collect();
    close.sort_unstable();
    let names: Vec<String> =
        close.into_iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" (did you mean {}?)", names.join(" or "))
}

/// Edit distance, case ignored.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut next = vec![line + 1];
        let mut last = line + 1;
        for ((b, above), diagonal) in right.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            last = (diagonal + usize::from(a != *b)).min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_names_come_first() {
        let names = ["log.level", "log.format", "listen"];
        assert_eq!(hint("log.levl", names.into_iter()), " (did you mean `log.level`?)");
        assert_eq!(hint("entirely-else", names.into_iter()), "");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
