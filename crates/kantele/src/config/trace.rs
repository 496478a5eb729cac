//! The trace of accesses: whether there is one, who vouches for it, how long it is kept.

use std::path::PathBuf;

use super::layers::{Layers, Setting};

static MODE: Setting = Setting {
    key: "trace.mode",
    default: "auto",
    flag: None,
    about: "on: every access is traced, before its answer leaves. off: none is. auto: on where \
            callers are required. See docs/trace.md.",
};
static KEY_FILE: Setting = Setting {
    key: "trace.key_file",
    default: "",
    flag: None,
    about: "Private key that seals the trace; made at the first start. Keep it where nobody who may \
            write the database can read it. Empty: a key made from the database's own secret.",
};
static SEAL_EVERY_S: Setting = Setting {
    key: "trace.seal_every_s",
    default: "5",
    flag: None,
    about: "The longest time between an access and the next seal.",
};
static KEPT_DAYS: Setting = Setting {
    key: "trace.kept_days",
    default: "4383",
    flag: None,
    about: "Days after which accesses are forgotten (12 years); 0 keeps them for ever.",
};

/// How accesses are traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) is_on: bool,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) seal_every_ms: u32,
    /// None keeps them for ever.
    pub(crate) kept_days: Option<u64>,
}

#[derive(Clone, Copy, Default)]
enum Mode {
    #[default]
    Auto,
    On,
    Off,
}

impl Trace {
    pub(crate) const SETTINGS: &[&Setting] = &[&MODE, &KEY_FILE, &SEAL_EVERY_S, &KEPT_DAYS];

    /// `asks` says whether callers are required.
    pub(crate) fn read(layers: &mut Layers, asks: bool) -> Self {
        let words = [("auto", Mode::Auto), ("on", Mode::On), ("off", Mode::Off)];
        let is_on = match layers.word(&MODE, &words).unwrap_or_default() {
            Mode::Auto => asks,
            Mode::On => true,
            Mode::Off => false,
        };
        let seal_every_s = layers.number(&SEAL_EVERY_S, 1..=3_600);
        let key_file = Some(layers.text(&KEY_FILE)).filter(|path| !path.is_empty());
        Self {
            is_on,
            key_file: key_file.map(PathBuf::from),
            seal_every_ms: u32::try_from(seal_every_s).unwrap_or(1).saturating_mul(1_000),
            kept_days: Some(layers.number(&KEPT_DAYS, 0..=100_000)).filter(|days| *days > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_callers_traces_them() {
        let read = |mode: &str, asks| {
            let mut layers = Layers::new(Trace::SETTINGS.iter().copied());
            layers.add("trace.mode", mode, "test");
            Trace::read(&mut layers, asks).is_on
        };
        assert!(read("auto", true) && !read("auto", false));
        assert!(read("on", false) && !read("off", true));
    }
}
