//! Packages on SQLite: read over a connection of their own, written between the commits of others.

use diesel::RunQueryDsl;
use diesel::connection::Connection;
use diesel::result::OptionalExtension;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use fhir_model::Instant;

use super::{Engine, connection};
use crate::backend::{packages, row};
use crate::error::StoreError;
use crate::packages::{NewPackage, PackageChange, PackageShelf, StoredPackages};
use crate::sql::{Bind, Sql};

impl Engine {
    /// Reads over the connection for packages: whoever asks may be in the middle of a read.
    pub(super) fn aside<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut aside = self.aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut open = match aside.take() {
            Some(open) => open,
            None => connection::reading(&self.path, &self.settings)?,
        };
        let done = work(&mut open);
        *aside = Some(open);
        done
    }
}

impl PackageShelf for Engine {
    fn package_change(&self) -> Result<i64, StoreError> {
        self.aside(|connection| {
            Ok(Sql::new(packages::LAST_CHANGE).typed::<BigInt>().get_result(connection)?)
        })
    }

    fn packages(&self) -> Result<StoredPackages, StoreError> {
        self.aside(|connection| {
            connection.transaction(|connection| {
                let change =
                    Sql::new(packages::LAST_CHANGE).typed::<BigInt>().get_result(connection)?;
                let all = Sql::new(packages::ALL_PACKAGES);
                let all = all.typed::<packages::PackageColumns>().load(connection)?;
                let resources = Sql::new(packages::ALL_RESOURCES);
                let resources = resources.typed::<packages::ResourceColumns>().load(connection)?;
                packages::gathered(change, all, resources)
            })
        })
    }

    fn package_body(&self, package: i64, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.aside(|connection| {
            let sql = packages::body(package, number);
            Ok(sql.typed::<Binary>().get_result(connection).optional()?)
        })
    }

    fn change_packages(&self, change: PackageChange) -> Result<Option<i64>, StoreError> {
        self.queue.run(move |writer| {
            writer.task(|writer| {
                let now = writer.core().now();
                write(writer.connection(), &change, now)
            })
        })
    }
}

fn write(
    connection: &mut SqliteConnection,
    change: &PackageChange,
    now: Instant,
) -> Result<Option<i64>, StoreError> {
    if packages::next_change(change.after).typed::<()>().execute(connection)? == 0 {
        return Ok(None);
    }
    let number = change.after.saturating_add(1);
    for package in &change.remove {
        for sql in packages::remove(*package) {
            sql.typed::<()>().execute(connection)?;
        }
    }
    for (number, package) in change.numbered(number) {
        packages::insert(number, package, now).typed::<()>().execute(connection)?;
        fill(connection, number, package)?;
    }
    Ok(Some(number))
}

fn fill(
    connection: &mut SqliteConnection,
    package: i64,
    new: &NewPackage,
) -> Result<(), StoreError> {
    for (resource, body) in &new.resources {
        let mut sql = Sql::new(
            "INSERT INTO package_resource \
             (package, number, type, id, url, version, status, date) VALUES (",
        );
        sql.integer(package).push(", ").integer(resource.number);
        sql.push(", ").integer(row::number_of(resource.resource_type));
        let texts =
            [&resource.id, &resource.url, &resource.version, &resource.status, &resource.date];
        for text in texts {
            sql.push(", ").bind(Bind::Text(text.clone()));
        }
        sql.push(")").typed::<()>().execute(connection)?;
        let mut sql = Sql::new("INSERT INTO package_body (package, number, body) VALUES (");
        sql.integer(package).push(", ").integer(resource.number);
        sql.push(", ").bind(Bind::Bytes(body.clone())).push(")");
        sql.typed::<()>().execute(connection)?;
    }
    Ok(())
}
