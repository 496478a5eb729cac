//! Packages on PostgreSQL: read over a connection of their own, so that whoever asks in the middle
//! of a read waits for no thread of the pool.

use diesel::connection::Connection;
use diesel::result::OptionalExtension;
use diesel::sql_types::{BigInt, Binary};
use diesel::{PgConnection, RunQueryDsl};
use fhir_model::Instant;

use super::Engine;
use crate::backend::{packages, row};
use crate::error::StoreError;
use crate::packages::{NewPackage, PackageChange, PackageShelf, StoredPackages};
use crate::sql::{Bind, Sql};

/// Resources that one statement writes.
const BATCH: usize = 500;

impl Engine {
    /// Reads over the connection for packages; one that fails is opened anew, once.
    pub(super) fn aside<T>(
        &self,
        work: impl Fn(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut aside = self.aside.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kept = aside.take();
        let was_kept = kept.is_some();
        let mut open = match kept {
            Some(open) => open,
            None => self.connect()?,
        };
        let mut done = work(&mut open);
        if done.is_err() && was_kept {
            open = self.connect()?;
            done = work(&mut open);
        }
        if done.is_ok() {
            *aside = Some(open);
        }
        done
    }

    fn connect(&self) -> Result<PgConnection, StoreError> {
        PgConnection::establish(&self.url).map_err(|error| StoreError::Open(error.into()))
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
            connection.build_transaction().read_only().repeatable_read().run(|connection| {
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
        self.task(move |core, connection| write(connection, &change, core.now()))
    }
}

fn write(
    connection: &mut PgConnection,
    change: &PackageChange,
    now: Instant,
) -> Result<Option<i64>, StoreError> {
    // The row is locked by this, so that changes of several servers stand in a line.
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

fn fill(connection: &mut PgConnection, package: i64, new: &NewPackage) -> Result<(), StoreError> {
    for batch in new.resources.chunks(BATCH) {
        let numbers: Vec<i64> = batch.iter().map(|(one, _)| i64::from(one.number)).collect();
        let resources = || batch.iter().map(|(one, _)| one);
        let mut sql = Sql::new(
            "INSERT INTO package_resource \
             (package, number, type, id, url, version, status, date) SELECT ",
        );
        sql.integer(package).push(", * FROM unnest(").bind(Bind::Integers(numbers.clone()));
        let types = resources().map(|one| row::number_of(one.resource_type)).collect();
        sql.push(", ").bind(Bind::Numbers(types));
        let columns: [Vec<String>; 5] = [
            resources().map(|one| one.id.clone()).collect(),
            resources().map(|one| one.url.clone()).collect(),
            resources().map(|one| one.version.clone()).collect(),
            resources().map(|one| one.status.clone()).collect(),
            resources().map(|one| one.date.clone()).collect(),
        ];
        for column in columns {
            sql.push(", ").bind(Bind::Texts(column));
        }
        sql.push(")").typed::<()>().execute(connection)?;
        let bodies = batch.iter().map(|(_, body)| body.clone()).collect();
        let mut sql = Sql::new("INSERT INTO package_body (package, number, body) SELECT ");
        sql.integer(package).push(", * FROM unnest(").bind(Bind::Integers(numbers));
        sql.push(", ").bind(Bind::Blobs(bodies)).push(")");
        sql.typed::<()>().execute(connection)?;
    }
    Ok(())
}
