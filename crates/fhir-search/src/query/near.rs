//! Names that a misspelt one may have meant.

/// Up to three of `names` that are near `wanted`, nearest first.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (wanted.chars().count() / 3).clamp(1, 4);
    let folded = wanted.to_lowercase();
    let mut ranked: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let other = name.to_lowercase();
            let distance = distance(&folded, &other);
            let is_part = folded.len() > 2 && (other.contains(&folded) || folded.contains(&other));
            (distance <= limit || is_part).then_some((distance, name))
        })
        .collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The names as the end of a sentence: `; did you mean a or b?`, or nothing.
#[must_use]
pub fn hint<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    match near(wanted, names).as_slice() {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

/// How many letters must be put in, taken out or exchanged; neighbours that changed places
/// count once.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (at, letter) in one.chars().enumerate() {
        let mut next = vec![at + 1];
        for (column, wanted) in other.iter().enumerate() {
            let cell =
                |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replaced = cell(&row, column) + usize::from(letter != *wanted);
            let mut best = replaced.min(cell(&row, column + 1) + 1).min(cell(&next, column) + 1);
            let swapped = column
                .checked_sub(1)
                .filter(|previous| last == Some(*wanted) && other.get(*previous) == Some(&letter));
            if let Some(previous) = swapped {
                best = best.min(cell(&before, previous) + 1);
            }
            next.push(best);
        }
        last = Some(letter);
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("birthdate", "birthdate"), 0);
        assert_eq!(distance("birhtdate", "birthdate"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn misspelt_names_find_their_neighbours() {
        let names = ["birthdate", "death-date", "family", "given", "gender"];
        assert_eq!(near("birthDate", names.into_iter()), ["birthdate"]);
        assert_eq!(near("familly", names.into_iter()), ["family"]);
        assert!(near("xyzzy", names.into_iter()).is_empty());
        assert_eq!(hint("date", names.into_iter()), "; did you mean birthdate or death-date?");
    }
}
