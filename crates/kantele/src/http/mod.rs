//! HTTP: from bytes of a request to a call of `fhir-interaction`, and from its answer to bytes.
//!
//! [`edge`] is where every request enters and leaves. [`route`] knows paths and methods,
//! [`handler`] translates one call each, [`reply`] writes answers and failures. No FHIR logic and
//! no status code stands in a handler.

mod admission;
mod authorize;
mod base;
mod binary;
mod body;
mod coding;
mod conditions;
mod cors;
mod edge;
mod exchange;
mod handler;
mod health;
mod identity;
mod jobs;
mod media;
mod metrics;
mod negotiate;
mod once;
mod openapi;
mod reply;
pub(crate) mod route;
mod service;
mod smart;
mod status;
mod text;
mod trace;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use fhir_interaction::App;
use fhir_model::Limits as ParseLimits;
use fhir_store::Store;

use crate::access::Guard;
use crate::authorize::Authority;
use crate::config::{Cors, Limits, Network, Services};

pub(crate) use admission::{Admission, watch};
pub(crate) use base::ROOT;
pub(crate) use edge::handle;
pub(crate) use jobs::Jobs;
pub(crate) use metrics::Metrics;
pub(crate) use openapi::Documents;
pub(crate) use text::decode_percent;

/// What all requests share.
pub(crate) struct State {
    pub(crate) app: App,
    /// Whether every access leaves a record.
    pub(crate) is_traced: bool,
    /// Only asked whether it answers; data go through `app` and its gate.
    pub(crate) store: Store,
    pub(crate) network: Network,
    pub(crate) guard: Guard,
    /// The authorization server for development, where it is on.
    pub(crate) authority: Option<Arc<Authority>>,
    pub(crate) limits: Limits,
    pub(crate) cors: Cors,
    /// Interfaces with rules of their own.
    pub(crate) services: Services,
    pub(crate) jobs: Jobs,
    /// Bounds of parsed bodies; the size is that of [`Limits`].
    pub(crate) parse_limits: ParseLimits,
    /// `host:port` that was bound, for links where the client names no host.
    pub(crate) bound: String,
    pub(crate) metrics: Metrics,
    pub(crate) admission: Admission,
    /// The OpenAPI document, made when it is asked for.
    pub(crate) documents: Documents,
    /// Set once a stop was asked for: not ready any more.
    pub(crate) is_stopping: AtomicBool,
    /// Numbers the requests that bring no `X-Request-Id`; starts where no other process did.
    pub(crate) next_request: AtomicU64,
}
