//! The choice of the source that a search is driven from.
//!
//! Every predicate whose rows can be walked is counted up to a limit; what each choice would cost
//! is reckoned from the counts, and the cheapest drives. What the database finds with a seek is
//! probed there, the rest is compared in memory.
//!
//! The reckoning takes conditions for independent, which they often are not: the dates of a month
//! may all stand at the end of a long list. So a plan that may come to cost much more than another
//! is followed for as long as the surest one would take at worst, and then that one goes on.

use fhir_definitions::ResourceType;
use fhir_search::{Match, ParameterId, Predicate, RowMatch};

use super::condition::{Conditions, Mode};
use super::source::{LIVE_BY_HASH, Source, is_of_types};
use crate::sql::{Dialect, Sql};

/// Legs are compared up to this many rows at first.
pub(crate) const MANY: u64 = 256;
/// A leg with fewer rows drives without a look at the others.
const FEW: u64 = 32;

/// Microseconds: a row of a source, a probe of it, the same of a column beside the row, a
/// comparison in memory.
const ROW_US: f64 = 0.3;
const PROBE_US: f64 = 1.0;
const BESIDE_US: f64 = 0.1;
const COMPARE_US: f64 = 12.0;
/// Microseconds for a row of a set without an order: to meet it, and to put it in order.
const GATHER_US: f64 = 0.2;
const ORDER_US: f64 = 0.8;

/// A plan is given up for a surer one where it may cost so many times as much.
const UNSURE: f64 = 2.0;
/// No plan is given up sooner.
const LEAST_FUEL: u64 = 256;

/// How many rows a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: u64,
    /// Counting stopped there.
    pub(crate) is_at_least: bool,
}

/// One predicate of a search, in its possible roles.
pub(crate) struct Leg {
    pub(crate) predicate: Predicate,
    pub(crate) source: Option<Source>,
    /// The condition on the candidate `c`, where a seek decides it.
    pub(crate) probe: Option<Sql>,
    /// The same where `c` is a row of `access`, for each of the types.
    access_probes: Option<Vec<Sql>>,
    pub(crate) size: Option<Size>,
    /// The parameter of a leg that is one condition on dates, or several that became one.
    pub(crate) date: Option<ParameterId>,
    /// A row of `access` itself decides it.
    is_beside: bool,
    /// Others say more than this one, which is there to be walked.
    pub(crate) is_implied: bool,
    /// The places of two legs that hold for nearly all of its rows.
    pair: Option<[usize; 2]>,
}

impl Leg {
    pub(crate) fn new(
        conditions: &Conditions<'_>,
        (predicate, date): (Predicate, Option<ParameterId>),
        types: &[ResourceType],
    ) -> Self {
        let source = match predicate.any.as_slice() {
            [Match::All(all)] if date.is_some() => Source::of_dates(conditions, all, types),
            _ => Source::of(conditions, &predicate, types),
        };
        let probe = conditions.predicate(&predicate, types, "c", Mode::Seek);
        let own = Conditions { is_access: true, ..*conditions };
        // What types have in common differs from type to type: all of it together would be a long
        // text in front of each list.
        let access_probes: Option<Vec<Sql>> =
            types.iter().map(|of| own.predicate(&predicate, &[*of], "c", Mode::Seek)).collect();
        let is_beside = access_probes.is_some() && conditions.is_beside(&predicate);
        // Resources that are named are as many as there are names, or fewer: nothing to count.
        let size = match predicate.any.as_slice() {
            [Match::Hashes(hashes)] => Some(hashes.len()),
            [Match::Keys(keys)] => Some(keys.len()),
            _ => None,
        };
        let size = size.map(|rows| Size { rows: rows as u64, is_at_least: false });
        let (is_implied, pair) = (false, None);
        Self { predicate, source, probe, access_probes, size, date, is_beside, is_implied, pair }
    }

    /// The leg of a code that a composite asks for together with a value.
    pub(crate) fn implied(
        conditions: &Conditions<'_>,
        code: RowMatch,
        types: &[ResourceType],
    ) -> Self {
        let predicate = Predicate { any: vec![Match::Row(code)] };
        Self { is_implied: true, ..Self::new(conditions, (predicate, None), types) }
    }

    /// The leg of two others that have a list together.
    pub(crate) fn pair(predicate: Predicate, source: Source, of: [usize; 2]) -> Self {
        Self {
            predicate,
            source: Some(source),
            probe: None,
            access_probes: None,
            size: None,
            date: None,
            is_beside: false,
            is_implied: true,
            pair: Some(of),
        }
    }

    /// The share of a type's resources that satisfies it, as far as is known.
    pub(crate) fn share(&self, total: f64) -> f64 {
        let least = self.least_share(total);
        match (self.size, &self.source) {
            // Where a long count stopped, anything from there to all is as likely.
            (Some(size), _) if size.is_at_least && size.rows > MANY * 16 => least.sqrt(),
            (Some(size), _) if size.is_at_least => (4.0 * least).clamp(1e-6, 1.0),
            (Some(_), _) => least,
            (None, Some(_)) => 0.1,
            (None, None) => 0.5,
        }
    }

    /// The share that it has at least.
    fn least_share(&self, total: f64) -> f64 {
        let rows = self.size.map_or(0.0, |size| as_f64(size.rows));
        (rows / total).clamp(1e-6, 1.0)
    }

    /// The rows that it may have at most.
    fn most_rows(&self, total: f64) -> f64 {
        match self.size {
            Some(size) if !size.is_at_least => as_f64(size.rows),
            Some(_) | None => total,
        }
    }

    /// Microseconds for a probe and for a comparison, of which one is 0.
    fn check_us(&self, is_access: bool) -> (f64, f64) {
        let is_probed = if is_access { self.access_probes.is_some() } else { self.probe.is_some() };
        match is_probed {
            true if is_access && self.is_beside => (BESIDE_US, 0.0),
            true => (PROBE_US, 0.0),
            false => (0.0, COMPARE_US),
        }
    }
}

/// What drives, and what is checked where.
pub(crate) struct Plan {
    /// Place of the driving leg; none: all resources of the types.
    pub(crate) driver: Option<usize>,
    pub(crate) source: Source,
    /// How many rows the source has, as far as is known.
    pub(crate) size: Option<Size>,
    /// Conditions on `c`, each with ` AND ` in front.
    pub(crate) probes: Sql,
    /// What is left for memory.
    pub(crate) residual: Vec<Predicate>,
    /// So many rows of the source are looked at for a page, if not fewer.
    pub(crate) expected: usize,
    /// What goes on where this plan takes too long.
    pub(crate) surer: Option<Surer>,
}

/// A plan that costs less at worst.
pub(crate) struct Surer {
    /// So many rows of the first plan's source cost as much as this one would at worst.
    pub(crate) fuel: u64,
    pub(crate) plan: Box<Plan>,
}

impl Plan {
    /// The plan of a choice.
    pub(crate) fn new(
        dialect: Dialect,
        legs: &[Leg],
        choice: Choice,
        types: &[ResourceType],
        total: u64,
    ) -> Self {
        let mut plan = Self::driven(dialect, legs, choice.driver, types, total);
        plan.expected = choice.expected;
        plan.surer = choice.surer.map(|(driver, fuel)| {
            let plan = Box::new(Self::driven(dialect, legs, driver, types, total));
            Surer { fuel, plan }
        });
        plan
    }

    /// The plan that is driven from a leg.
    pub(crate) fn driven(
        dialect: Dialect,
        legs: &[Leg],
        driver: Option<usize>,
        types: &[ResourceType],
        total: u64,
    ) -> Self {
        let of_driver = driver.and_then(|place| legs.get(place));
        let mut source =
            of_driver.and_then(|leg| leg.source.clone()).unwrap_or_else(|| Source::of_types(types));
        let size = match of_driver {
            Some(leg) => leg.size,
            None => Some(Size { rows: total, is_at_least: false }),
        };
        let mut probes = Sql::default();
        if source.is_of_any_type {
            probes.append(&is_of_types(dialect, types));
        }
        let mut residual = Vec::new();
        for (place, leg) in legs.iter().enumerate() {
            if leg.is_implied || Some(place) == driver && source.is_exact {
                continue;
            }
            match (&leg.access_probes, &leg.probe) {
                (Some(own), _) if of_driver.is_none() => match own.as_slice() {
                    [only] => {
                        probes.push(" AND ").append(only);
                    }
                    // One list for each type, in their order.
                    several => {
                        for (arm, probe) in source.arms.iter_mut().zip(several) {
                            arm.condition.push(" AND ").append(probe);
                        }
                    }
                },
                (_, Some(probe)) if of_driver.is_some() => {
                    probes.push(" AND ").append(probe);
                }
                (_, _) => residual.push(leg.predicate.clone()),
            }
        }
        Self { driver, source, size, probes, residual, expected: usize::MAX, surer: None }
    }
}

/// The parameter of a predicate that is one condition on dates.
pub(crate) fn date_of(predicate: &Predicate) -> Option<ParameterId> {
    match predicate.any.as_slice() {
        [Match::Row(RowMatch::Date { p, .. })] => Some(*p),
        _ => None,
    }
}

/// Which legs are worth counting, the likely best first.
pub(crate) fn countable(legs: &[Leg]) -> Vec<usize> {
    let mut places: Vec<(u8, usize)> = legs
        .iter()
        .enumerate()
        .filter_map(|(place, leg)| Some((rank(leg.source.as_ref()?), place)))
        .collect();
    places.sort_unstable();
    places.into_iter().map(|(_, place)| place).collect()
}

/// Lower is likelier to be short: what looks unique, then references, then codes, then ranges.
fn rank(source: &Source) -> u8 {
    let Some(arm) = source.arms.first() else { return 0 };
    match (source.is_ordered, arm.table) {
        (_, "resource" | LIVE_BY_HASH) => 1,
        (true, "uri" | "composite_token") => 2,
        (true, "reference") | (false, "code_date" | "composite_number") => 3,
        (true, _) => 4,
        (false, "reference") => 5,
        (false, "token") => 6,
        (false, "string") => 7,
        (false, _) => 8,
    }
}

/// Whether a leg is so short that no other needs a look.
pub(crate) fn is_short(size: Size) -> bool {
    size.rows < FEW
}

/// Up to where a longer look counts: about where a set in need of sorting costs as much as a walk
/// over everything.
pub(crate) fn long_limit(total: u64) -> u64 {
    total.saturating_mul(500).isqrt().clamp(1_024, 50_000)
}

/// Where counting a leg stops that has to be walked to its end anyway: some 50 ms, once.
pub(crate) const LONGEST: u64 = 2_000_000;

/// What drives; none: all resources of the types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    driver: Option<usize>,
    /// So many rows are looked at, if not fewer.
    expected: usize,
    /// Another driver, and after how many rows it goes on.
    surer: Option<(Option<usize>, u64)>,
}

/// The cheapest driver for a page of `wanted` matches.
pub(crate) fn choose(legs: &[Leg], total: u64, wanted: u64) -> Choice {
    let all = as_f64(total).max(1.0);
    let wanted = as_f64(wanted);
    let whole = (None, Cost::of(legs, None, all, wanted));
    let (mut best, mut surest) = (whole, whole);
    for (place, leg) in legs.iter().enumerate() {
        if leg.source.is_none() {
            continue;
        }
        let own = (Some(place), Cost::of(legs, Some(place), all, wanted));
        if own.1.expected <= best.1.expected {
            best = own;
        }
        if own.1.worst <= surest.1.worst {
            surest = own;
        }
    }
    let (driver, cost) = best;
    let is_unsure = cost.is_ordered && cost.worst > UNSURE * surest.1.worst;
    let fuel = rounded(surest.1.worst / cost.each).max(LEAST_FUEL);
    let surer = is_unsure.then_some((surest.0, fuel));
    Choice { driver, expected: usize::try_from(rounded(cost.at_most)).unwrap_or(usize::MAX), surer }
}

/// Microseconds, about.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Rows that are looked at for a page where the conditions find as little as is known.
    at_most: f64,
    /// For each of them.
    each: f64,
    expected: f64,
    /// Where every row has to be looked at.
    worst: f64,
    is_ordered: bool,
}

impl Cost {
    fn of(legs: &[Leg], driver: Option<usize>, total: f64, wanted: f64) -> Self {
        let leg = driver.and_then(|place| legs.get(place));
        let (rows, most) = match leg {
            Some(leg) => (leg.share(total) * total, leg.most_rows(total)),
            None => (total, total),
        };
        let source = leg.and_then(|leg| leg.source.as_ref());
        let is_exact = source.is_none_or(|source| source.is_exact);
        let is_ordered = source.is_none_or(|source| source.is_ordered);
        let (mut share, mut least) = (1.0, 1.0);
        let (mut probes, mut compare) = (0.0, 0.0_f64);
        for (place, other) in legs.iter().enumerate() {
            if other.is_implied || Some(place) == driver && is_exact {
                continue;
            }
            let (probe, memory) = other.check_us(driver.is_none());
            let is_paired = leg.and_then(|leg| leg.pair).is_some_and(|own| own.contains(&place));
            if Some(place) != driver && !is_paired {
                share *= other.share(total);
                least *= other.least_share(total);
            }
            probes += probe;
            compare = compare.max(memory);
        }
        if let Some(leg) = leg.filter(|leg| leg.is_implied && leg.pair.is_none()) {
            // What implies it is a part of it.
            share = (share / leg.share(total)).min(1.0);
            least = (least / leg.share(total)).min(1.0);
        }
        let candidates = (wanted / share.max(1e-9)).min(rows);
        let at_most = (wanted / least.max(1e-9)).min(most);
        let (gather, order) = if is_ordered { (0.0, 0.0) } else { (rows * GATHER_US, ORDER_US) };
        let each = ROW_US + order + probes + compare;
        let gather_most = if is_ordered { 0.0 } else { most * GATHER_US };
        let (expected, worst) = (candidates * each + gather, most * each + gather_most);
        Self { at_most, each, expected, worst, is_ordered }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rough number")]
pub(crate) fn rounded(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

#[expect(clippy::cast_precision_loss, reason = "costs are rough")]
pub(crate) fn as_f64(number: u64) -> f64 {
    number as f64
}
