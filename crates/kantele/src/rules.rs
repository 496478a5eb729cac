//! Rules of access while the server runs: those of the file and those that are stored are looked at
//! again and again, and put in force when they change.
//!
//! What cannot be used is told in the log, and what was in force stays. Each server process of a
//! database looks for itself.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fhir_access::{AccessPolicy, AccessSettings, Rule};
use fhir_interaction::App;
use fhir_model::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Error;
use crate::config::{Rights, RulesFile, read_rules};

/// Looks at the rules for as long as the server runs.
pub(crate) struct Follower {
    rights: Rights,
    policy: Arc<AccessPolicy>,
    app: App,
    /// Rules that were put in force last.
    from_file: RulesFile,
    stored: Vec<Rule>,
    seen: Option<(SystemTime, u64)>,
    hangup: Signal,
}

impl Follower {
    /// Puts the rules in force that are there now.
    ///
    /// # Errors
    /// Where stored rules cannot be used: nobody is served by half of the rules.
    pub(crate) async fn start(
        rights: Rights,
        policy: Arc<AccessPolicy>,
        app: App,
    ) -> Result<Self, Error> {
        let access = &rights.access;
        let from_file = RulesFile { rules: access.rules.clone(), labels: access.labels.clone() };
        let seen = rights.rules_file.as_deref().and_then(state);
        // From here on SIGHUP asks for new rules, and ends nothing.
        let hangup = signal(SignalKind::hangup())?;
        let mut own = Self { rights, policy, app, from_file, stored: Vec::new(), seen, hangup };
        if own.rights.access.has_stored_rules {
            own.stored = own.app.stored_rules().await.map_err(|failure| {
                let told = told(&failure);
                format!("access.stored_rules: a stored rule cannot be used: {told}")
            })?;
        }
        own.put_in_force();
        Ok(own)
    }

    /// Never ends.
    pub(crate) async fn follow(mut self) {
        if self.rights.rules_file.is_none() && !self.rights.access.has_stored_rules {
            return;
        }
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(self.rights.rules_every) => false,
                _ = self.hangup.recv() => true,
            };
            let is_new_file = self.look_at_file(is_asked);
            let is_new_store = self.look_at_store().await;
            if is_new_file || is_new_store {
                self.put_in_force();
                let rules = self.from_file.rules.len() + self.stored.len();
                tracing::info!(rules, "rules of access were read again; they hold from now on");
            }
        }
    }

    /// Whether the file has other rules now.
    fn look_at_file(&mut self, is_asked: bool) -> bool {
        let Some(path) = self.rights.rules_file.as_deref() else { return false };
        let found = state(path);
        if found == self.seen && !is_asked {
            return false;
        }
        self.seen = found;
        match read_rules(path) {
            Ok(mut file) => {
                file.labels = self.rights.labels(&file.labels);
                let is_other = file != self.from_file;
                self.from_file = file;
                is_other
            }
            Err(faults) => {
                let faults = faults.join("; ");
                tracing::error!("access.rules_file: the rules stay as they were: {faults}");
                false
            }
        }
    }

    /// Whether other rules are stored now.
    async fn look_at_store(&mut self) -> bool {
        if !self.rights.access.has_stored_rules {
            return false;
        }
        match self.app.stored_rules().await {
            Ok(rules) => {
                let is_other = rules != self.stored;
                self.stored = rules;
                is_other
            }
            Err(failure) => {
                let told = told(&failure);
                tracing::error!("stored rules stay in force as they were: {told}");
                false
            }
        }
    }

    fn put_in_force(&self) {
        let from_file = self.from_file.rules.iter();
        let rules: Vec<Rule> = from_file.chain(&self.stored).cloned().collect();
        let labels = self.from_file.labels.clone();
        for rule in rules.iter().filter(|rule| !rule.is_understood(&self.app)) {
            tracing::warn!(
                rule.name = rule.name(),
                "the search of a rule of access is not understood for all of its types: there it \
                 allows nothing, or denies everything",
            );
        }
        self.policy.replace(AccessSettings { rules, labels, ..self.rights.access.clone() });
    }
}

/// When the file was last written, and how long it is.
fn state(path: &Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn told(failure: &Failure) -> String {
    let texts: Vec<&str> = failure.issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
    texts.join("; ")
}
