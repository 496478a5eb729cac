//! The known names nearest to an unknown one.

/// The candidates that differ least from `name`, at most three, nearest first; none where even
/// the nearest differs too much to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > 64 {
        return Vec::new();
    }
    let worst = (name.chars().count() / 3).clamp(1, 3);
    let mut found: Vec<(usize, &str)> = candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= worst)
        .collect();
    found.sort();
    found.into_iter().take(3).map(|(_, candidate)| candidate).collect()
}

/// How many letters must be put in, left out, changed or swapped with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX - 1);
    for (position, letter) in one.iter().enumerate() {
        let mut next = vec![position + 1];
        let mut left = None;
        for (place, opposite) in other.iter().enumerate() {
            let changed = at(&row, place) + usize::from(letter != opposite);
            let single = at(&row, place + 1).min(at(&next, place)) + 1;
            let mut best = changed.min(single);
            if previous == Some(opposite) && left == Some(letter) && place > 0 {
                best = best.min(at(&before, place - 1) + 1);
            }
            next.push(best);
            left = Some(opposite);
        }
        previous = Some(letter);
        before = std::mem::replace(&mut row, next);
    }
    at(&row, other.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_names() {
        let names = ["family", "given", "prefix", "suffix"];
        assert_eq!(nearest("famly", names.into_iter()), ["family"]);
        assert_eq!(nearest("gvien", names.into_iter()), ["given"]);
        assert_eq!(nearest("Given", names.into_iter()), ["given"]);
        assert!(nearest("telecom", names.into_iter()).is_empty());
        assert!(nearest("", names.into_iter()).is_empty());
    }
}
