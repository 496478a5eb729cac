//! Installed packages: what each is, an index of its resources, and their packed texts.
//!
//! A change of the packages is one transaction with a number; whoever has read under another
//! number is told so and nothing is written. The number tells another server on the same database
//! that it has to look again. What the texts and reports mean is others' business.

use fhir_definitions::ResourceType;
use fhir_model::Instant;

use crate::error::StoreError;

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRow {
    /// Its number, which no other package of this database ever has.
    pub number: i64,
    /// Such as `hl7.fhir.uv.ips`.
    pub name: String,
    /// Such as `2.0.0`.
    pub version: String,
    /// Stands for its content.
    pub digest: String,
    /// When it was installed.
    pub installed: Instant,
    /// Whatever whoever installed it wants to know of it later.
    pub about: Vec<u8>,
}

/// A resource of a package, as the index has it. Absent texts are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageResource {
    /// Its number in the package.
    pub number: u32,
    /// Its type.
    pub resource_type: ResourceType,
    /// Its id.
    pub id: String,
    /// Its canonical URL.
    pub url: String,
    /// Its version.
    pub version: String,
    /// Its status.
    pub status: String,
    /// Its date.
    pub date: String,
}

/// All packages, as one snapshot has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredPackages {
    /// The number of the last change; 0 where there never was one.
    pub change: i64,
    /// Each package with its resources, in the order of their numbers.
    pub packages: Vec<(PackageRow, Vec<PackageResource>)>,
}

/// A package to be installed.
#[derive(Clone, Debug)]
pub struct NewPackage {
    /// As in [`PackageRow`].
    pub name: String,
    /// As in [`PackageRow`].
    pub version: String,
    /// As in [`PackageRow`].
    pub digest: String,
    /// As in [`PackageRow`].
    pub about: Vec<u8>,
    /// Its resources with their packed texts.
    pub resources: Vec<(PackageResource, Vec<u8>)>,
}

/// What happens in one transaction.
#[derive(Clone, Debug, Default)]
pub struct PackageChange {
    /// The change that it builds on, from [`StoredPackages`].
    pub after: i64,
    /// Numbers of packages that go.
    pub remove: Vec<i64>,
    /// Packages that come, once the others are gone.
    pub add: Vec<NewPackage>,
}

impl PackageChange {
    /// The packages with their numbers in the change with this number.
    pub(crate) fn numbered(&self, change: i64) -> impl Iterator<Item = (i64, &NewPackage)> {
        let first = change.saturating_mul(PACKAGES_OF_A_CHANGE);
        (first..).zip(&self.add)
    }
}

/// So many packages can come in one change.
const PACKAGES_OF_A_CHANGE: i64 = 1 << 16;

/// What packages ask of a database.
pub(crate) trait PackageShelf: crate::kept::Keeper {
    /// The number of the last change.
    fn package_change(&self) -> Result<i64, StoreError>;

    /// All packages.
    fn packages(&self) -> Result<StoredPackages, StoreError>;

    /// The packed text of a resource.
    fn package_body(&self, package: i64, number: u32) -> Result<Option<Vec<u8>>, StoreError>;

    /// Makes a change and gives its number; none where the packages have changed meanwhile.
    fn change_packages(&self, change: PackageChange) -> Result<Option<i64>, StoreError>;
}
