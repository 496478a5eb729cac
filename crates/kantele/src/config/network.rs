//! Where the server listens, who may stand in front of it, and what its links start with.
//!
//! Without TLS and access settings the server answers everybody who reaches it. It therefore
//! listens on loopback only, unless trusted proxies are named; then it answers nobody else. With
//! TLS and `access.mode=required` it may listen anywhere.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use super::layers::{Layers, Setting};

static LISTEN: Setting = Setting {
    key: "listen",
    default: "127.0.0.1:8080",
    flag: Some("--listen"),
    about: "Address and port; port 0 takes a free one. Other than loopback needs \
            `trusted_proxies`, or TLS and `access.mode=required`.",
};
static BASE_URL: Setting = Setting {
    key: "base_url",
    default: "",
    flag: Some("--base-url"),
    about: "Absolute URL of the FHIR root as clients see it. Empty: taken from the request.",
};
static TRUSTED_PROXIES: Setting = Setting {
    key: "trusted_proxies",
    default: "",
    flag: Some("--trusted-proxy"),
    about: "Networks (CIDR) of the proxies in front. Only they are answered then, and only their \
            forwarded headers are read.",
};
static WORKERS: Setting = Setting {
    key: "workers",
    default: "0",
    flag: None,
    about: "Threads that answer requests; 0 means one for each processor.",
};

/// Listening, proxies and links.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) listen: SocketAddr,
    pub(crate) base_url: Option<String>,
    pub(crate) trusted_proxies: Vec<Cidr>,
    pub(crate) workers: usize,
    /// Whether the server speaks TLS itself.
    pub(crate) is_tls: bool,
    /// Whether anybody may be answered, because everybody is asked who they are over TLS.
    pub(crate) is_guarded: bool,
}

impl Network {
    pub(crate) const SETTINGS: &[&Setting] = &[&LISTEN, &BASE_URL, &TRUSTED_PROXIES, &WORKERS];

    pub(crate) fn read(layers: &mut Layers) -> Self {
        Self {
            listen: read_listen(layers),
            base_url: read_base_url(layers),
            trusted_proxies: read_proxies(layers),
            workers: usize::try_from(layers.number(&WORKERS, 0..=1_024)).unwrap_or(0),
            is_tls: false,
            is_guarded: false,
        }
    }

    /// Holds the address against what protects the server there.
    pub(crate) fn secure(&mut self, layers: &mut Layers, is_tls: bool, asks_everybody: bool) {
        self.is_tls = is_tls;
        self.is_guarded = is_tls && asks_everybody;
        let is_shut = self.listen.ip().is_loopback() || !self.trusted_proxies.is_empty();
        if !is_shut && !self.is_guarded {
            let why = "without TLS and access settings only a loopback address is served; set \
                       tls.certificate, tls.key and access.mode=required, or name the proxies \
                       that stand in front with --trusted-proxy CIDR";
            layers.refuse(&LISTEN, why);
        }
    }

    /// Loopback, a free port, one worker.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen,
            base_url: None,
            trusted_proxies: Vec::new(),
            workers: 1,
            is_tls: false,
            is_guarded: false,
        }
    }

    /// Whether forwarded headers of this peer are to be believed.
    pub(crate) fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// Whether this peer is answered at all.
    pub(crate) fn admits(&self, peer: IpAddr) -> bool {
        let on_loopback = self.listen.ip().is_loopback() && peer.to_canonical().is_loopback();
        let is_open = self.is_guarded && self.trusted_proxies.is_empty();
        on_loopback || is_open || self.is_trusted_proxy(peer)
    }
}

fn read_listen(layers: &mut Layers) -> SocketAddr {
    let found = layers.text(&LISTEN).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.unwrap_or_else(|| {
        layers.refuse(&LISTEN, "must be an address with a port, such as 127.0.0.1:8080");
        SocketAddr::from(([127, 0, 0, 1], 8080))
    })
}

fn read_base_url(layers: &mut Layers) -> Option<String> {
    let text = layers.text(&BASE_URL).trim_end_matches('/').to_owned();
    if text.is_empty() {
        return None;
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>?#\\".contains(c);
    if rest.is_none_or(|rest| rest.is_empty() || !rest.chars().all(is_plain)) {
        layers.refuse(&BASE_URL, "must be an http or https URL without query and fragment");
    }
    Some(text)
}

fn read_proxies(layers: &mut Layers) -> Vec<Cidr> {
    let mut networks = Vec::new();
    for item in layers.list(&TRUSTED_PROXIES) {
        match item.parse() {
            Ok(network) => networks.push(network),
            Err(error) => layers.refuse(&TRUSTED_PROXIES, &format!("{error}")),
        }
    }
    networks
}

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: IpAddr,
    bits: u32,
}

/// A text that is no network.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no network in CIDR form, such as 10.0.0.0/8 or fd00::/8")]
pub(crate) struct InvalidCidr(String);

impl FromStr for Cidr {
    type Err = InvalidCidr;
    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let parsed = || {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
            (bits <= most).then_some(Self { address, bits })
        };
        parsed().ok_or_else(|| InvalidCidr(text.to_owned()))
    }
}

impl Cidr {
    /// Whether `peer` lies in the network; an IPv4 address in IPv6 clothes counts as IPv4.
    pub(crate) fn contains(self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(peer)) => {
                let differ = u32::from(own) ^ u32::from(peer);
                self.bits == 0 || differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(peer)) => {
                let differ = u128::from(own) ^ u128::from(peer);
                self.bits == 0 || differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(pairs: &[(&str, &str)]) -> (Network, Vec<String>) {
        secured(pairs, false, false)
    }

    fn secured(pairs: &[(&str, &str)], tls: bool, required: bool) -> (Network, Vec<String>) {
        let mut layers = Layers::new(Network::SETTINGS.iter().copied());
        for (key, text) in pairs {
            layers.add(key, text, "test");
        }
        let mut network = Network::read(&mut layers);
        network.secure(&mut layers, tls, required);
        (network, layers.take_faults())
    }

    #[test]
    fn another_address_than_loopback_needs_a_trusted_proxy() {
        assert!(network(&[]).1.is_empty());
        assert!(network(&[("listen", "[::1]:0")]).1.is_empty());
        let (_, faults) = network(&[("listen", "0.0.0.0:8080")]);
        assert!(faults.join("").contains("--trusted-proxy"), "{faults:?}");
        let proxied = network(&[("listen", "0.0.0.0:8080"), ("trusted_proxies", "10.0.0.0/8")]);
        assert!(proxied.1.is_empty());
    }

    #[test]
    fn with_tls_and_callers_any_address_is_served() {
        let everywhere = [("listen", "0.0.0.0:8443")];
        assert!(!secured(&everywhere, true, false).1.is_empty());
        assert!(!secured(&everywhere, false, true).1.is_empty());
        let (network, faults) = secured(&everywhere, true, true);
        assert!(faults.is_empty() && network.is_tls, "{faults:?}");
        assert!(network.admits("192.0.2.1".parse().unwrap()));
        let proxied = [everywhere[0], ("trusted_proxies", "10.0.0.0/8")];
        assert!(!secured(&proxied, true, true).0.admits("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn only_the_named_proxies_are_answered() {
        let settings = [("listen", "0.0.0.0:80"), ("trusted_proxies", "10.1.0.0/16, fd00::/8")];
        let (network, faults) = network(&settings);
        assert!(faults.is_empty(), "{faults:?}");
        let admits = |peer: &str| network.admits(peer.parse().unwrap());
        assert!(admits("10.1.2.3") && admits("::ffff:10.1.2.3") && admits("fd12::1"));
        assert!(!admits("10.2.2.3") && !admits("127.0.0.1") && !admits("fe80::1"));
    }

    #[test]
    fn on_loopback_local_peers_are_answered_but_not_believed() {
        let network = Network::for_tests();
        let local = "127.0.0.1".parse().unwrap();
        assert!(network.admits(local) && !network.is_trusted_proxy(local));
    }

    #[test]
    fn networks_are_checked() {
        for bad in ["10.0.0.0/33", "x", "10.0.0.0/", "::/129", ""] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        let all: Cidr = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()));
        let one: Cidr = "192.0.2.1".parse().unwrap();
        assert!(one.contains("192.0.2.1".parse().unwrap()));
        assert!(!one.contains("192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn the_base_url_is_checked_and_loses_its_last_slash() {
        let (network, faults) = network(&[("base_url", "https://fhir.example.org/r4/")]);
        assert_eq!(network.base_url.as_deref(), Some("https://fhir.example.org/r4"));
        assert!(faults.is_empty());
        for bad in ["fhir.example.org", "https://", "https://x/?q=1", "https://x/#f", "http://a b"]
        {
            assert!(!self::network(&[("base_url", bad)]).1.is_empty(), "{bad}");
        }
    }
}
