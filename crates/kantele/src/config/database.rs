//! Where the data are and how the store is run.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fhir_model::Instant;
use fhir_model::date::Zone;
use fhir_store::{Clock, DatabaseUrl, StoreSettings};

use super::layers::{Layers, Setting};

static URL: Setting = Setting {
    key: "database",
    default: "sqlite:data/kantele.sqlite",
    flag: Some("--database"),
    about: "sqlite:PATH (its folder is made) or postgres://USER@HOST/NAME.",
};
static ZONE: Setting = Setting {
    key: "store.zone",
    default: "Europe/Helsinki",
    flag: None,
    about: "Time zone of dates and times that name none. Kept in the database; another one is \
            refused later.",
};
static FULL_TEXT: Setting = Setting {
    key: "store.full_text",
    default: "true",
    flag: None,
    about: "Index the words of resources for `_text` and `_content`. false refuses both with 400 and \
            drops the words that are there; true again indexes them in the background (`$reindex` \
            tells how far). Servers on one database must agree.",
};
static CACHE_KIB: Setting = Setting {
    key: "store.cache_kib",
    default: "16384",
    flag: None,
    about: "Page cache of each SQLite connection.",
};
static MMAP_MIB: Setting = Setting {
    key: "store.mmap_mib",
    default: "2047",
    flag: None,
    about: "How much of a SQLite file is mapped into memory; SQLite maps no more than 2047.",
};
static QUEUE_LENGTH: Setting = Setting {
    key: "store.write_queue_length",
    default: "4096",
    flag: None,
    about: "Writes that may wait for the writer; more are answered with 503.",
};
static READ_TIMEOUT_MS: Setting = Setting {
    key: "store.read_timeout_ms",
    default: "30000",
    flag: None,
    about: "Time for one query of the database.",
};
static CONNECTIONS: Setting = Setting {
    key: "store.connections",
    default: "8",
    flag: None,
    about: "Connections to PostgreSQL.",
};
static REINDEX_PERCENT: Setting = Setting {
    key: "store.reindex_percent",
    default: "40",
    flag: None,
    about: "Share of the time that the building of index rows in the background takes while \
            requests are served; it takes all of it while there are none.",
};

/// The database and the store over it.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) url: DatabaseUrl,
    pub(crate) store: StoreSettings,
}

impl Database {
    pub(crate) const SETTINGS: &[&Setting] = &[
        &URL,
        &ZONE,
        &FULL_TEXT,
        &CACHE_KIB,
        &MMAP_MIB,
        &QUEUE_LENGTH,
        &READ_TIMEOUT_MS,
        &CONNECTIONS,
        &REINDEX_PERCENT,
    ];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        let zone = read_zone(layers);
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let mut store = StoreSettings::new(system_clock(), zone);
        store.full_text =
            layers.word(&FULL_TEXT, &[("true", true), ("false", false)]).unwrap_or(true);
        store.cache_kib = small(layers.number(&CACHE_KIB, 64..=1 << 24));
        store.mmap_mib = small(layers.number(&MMAP_MIB, 0..=1 << 20));
        let length = layers.number(&QUEUE_LENGTH, 1..=1 << 20);
        store.queue_length = usize::try_from(length).unwrap_or(usize::MAX);
        store.read_timeout_ms = layers.number(&READ_TIMEOUT_MS, 1..=3_600_000);
        store.connections = small(layers.number(&CONNECTIONS, 1..=1_000));
        store.reindex_percent = small(layers.number(&REINDEX_PERCENT, 1..=100));
        Self { url: read_url(layers), store }
    }

    /// Makes the folder of a SQLite file.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn make_folder(&self) -> std::io::Result<()> {
        let DatabaseUrl::Sqlite(path) = &self.url else { return Ok(()) };
        match path.parent() {
            Some(folder) if folder != Path::new("") => std::fs::create_dir_all(folder),
            Some(_) | None => Ok(()),
        }
    }
}

fn read_url(layers: &mut Layers) -> DatabaseUrl {
    layers.text(&URL).parse().unwrap_or_else(|error| {
        layers.refuse(&URL, &format!("{error}"));
        DatabaseUrl::Sqlite("data/kantele.sqlite".into())
    })
}

fn read_zone(layers: &mut Layers) -> Zone {
    Zone::named(layers.text(&ZONE)).unwrap_or_else(|_| {
        layers.refuse(&ZONE, "must be a zone of the IANA database, such as Europe/Helsinki");
        Zone::default()
    })
}

/// The one place where the system is asked for the time of the data.
#[expect(clippy::disallowed_methods, reason = "all others are given this clock")]
fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    })
}
