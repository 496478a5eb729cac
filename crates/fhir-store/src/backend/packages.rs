//! Statements about packages, the same for both databases.

use diesel::sql_types::{BigInt, Binary, Integer, Text};
use fhir_model::Instant;

use super::row;
use crate::error::StoreError;
use crate::packages::{NewPackage, PackageResource, PackageRow, StoredPackages};
use crate::sql::{Bind, Sql};

pub(crate) type PackageColumns = (BigInt, Text, Text, Text, BigInt, Binary);
pub(crate) type PackageTuple = (i64, String, String, String, i64, Vec<u8>);
pub(crate) type ResourceColumns = (BigInt, Integer, Integer, Text, Text, Text, Text, Text);
pub(crate) type ResourceTuple = (i64, i32, i32, String, String, String, String, String);

/// Gives one `BigInt`.
pub(crate) const LAST_CHANGE: &str = "SELECT number FROM package_change";
/// Gives [`PackageColumns`].
pub(crate) const ALL_PACKAGES: &str =
    "SELECT package, name, version, digest, installed, about FROM package ORDER BY package";
/// Gives [`ResourceColumns`].
pub(crate) const ALL_RESOURCES: &str = "SELECT package, number, type, id, url, version, status, \
                                        date FROM package_resource ORDER BY package, number";

/// Puts what was read together.
pub(crate) fn gathered(
    change: i64,
    packages: Vec<PackageTuple>,
    resources: Vec<ResourceTuple>,
) -> Result<StoredPackages, StoreError> {
    let mut stored = StoredPackages { change, packages: Vec::with_capacity(packages.len()) };
    for (number, name, version, digest, installed, about) in packages {
        let installed = Instant(installed);
        let row = PackageRow { number, name, version, digest, installed, about };
        stored.packages.push((row, Vec::new()));
    }
    let mut at = 0;
    for (package, number, resource_type, id, url, version, status, date) in resources {
        while stored.packages.get(at).is_some_and(|(row, _)| row.number < package) {
            at += 1;
        }
        let damaged = || StoreError::Damaged("a resource of no package".into());
        let (_, list) = stored.packages.get_mut(at).ok_or_else(damaged)?;
        let number = u32::try_from(number).map_err(|_negative| damaged())?;
        let resource_type = row::type_of(resource_type)?;
        list.push(PackageResource { number, resource_type, id, url, version, status, date });
    }
    Ok(stored)
}

/// The next change; changes no row where `after` is no longer the last one.
pub(crate) fn next_change(after: i64) -> Sql {
    let mut sql = Sql::new("UPDATE package_change SET number = number + 1 WHERE number = ");
    sql.integer(after);
    sql
}

/// Takes a package away: three statements.
pub(crate) fn remove(package: i64) -> [Sql; 3] {
    ["package_body", "package_resource", "package"].map(|table| {
        let mut sql = Sql::new(&format!("DELETE FROM {table} WHERE package = "));
        sql.integer(package);
        sql
    })
}

/// The row of a package.
pub(crate) fn insert(number: i64, package: &NewPackage, now: Instant) -> Sql {
    let mut sql =
        Sql::new("INSERT INTO package (package, name, version, digest, installed, about) VALUES (");
    sql.integer(number);
    for text in [&package.name, &package.version, &package.digest] {
        sql.push(", ").bind(Bind::Text(text.clone()));
    }
    sql.push(", ").integer(now.0).push(", ").bind(Bind::Bytes(package.about.clone())).push(")");
    sql
}

/// The packed text of a resource.
pub(crate) fn body(package: i64, number: u32) -> Sql {
    let mut sql = Sql::new("SELECT body FROM package_body WHERE package = ");
    sql.integer(package).push(" AND number = ").integer(number);
    sql
}
