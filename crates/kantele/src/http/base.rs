//! The absolute URL of the FHIR root as this client sees it, for links and `Location`.
//!
//! The configured URL wins. Forwarded headers are read only from trusted proxies; otherwise the
//! `Host` header counts, and where that is missing or odd, the address that was listened on.

use actix_web::http::header::{HOST, HeaderMap};

use crate::config::Network;

/// Path of the FHIR root.
pub(crate) const ROOT: &str = "/fhir";

/// The FHIR root without a trailing slash.
pub(crate) fn base_url(
    network: &Network,
    bound: &str,
    headers: &HeaderMap,
    is_proxied: bool,
) -> String {
    if let Some(configured) = &network.base_url {
        return configured.clone();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let forwarded = |name: &str, key: &str| {
        let own = || text(name).and_then(|list| list.split(',').next());
        let standard = || text("forwarded").and_then(|list| forwarded_part(list, key));
        is_proxied.then(|| standard().or_else(own)).flatten().map(str::trim)
    };
    let scheme = forwarded("x-forwarded-proto", "proto").filter(|s| ["http", "https"].contains(s));
    let host = forwarded("x-forwarded-host", "host")
        .or_else(|| headers.get(HOST).and_then(|value| value.to_str().ok()))
        .filter(|host| is_host(host));
    let prefix = forwarded("x-forwarded-prefix", "").filter(|prefix| is_prefix(prefix));
    let prefix = prefix.unwrap_or("").trim_end_matches('/');
    let own_scheme = if network.is_tls { "https" } else { "http" };
    format!("{}://{}{prefix}{ROOT}", scheme.unwrap_or(own_scheme), host.unwrap_or(bound))
}

/// The URL of another path beside the root at `root`.
pub(crate) fn below(root: &str, path: &str) -> String {
    format!("{}{path}", root.strip_suffix(ROOT).unwrap_or(root))
}

/// The value of `key` in the first element of a `Forwarded` header (RFC 7239).
fn forwarded_part<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    header.split(',').next()?.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case(key).then(|| value.trim_matches('"'))
    })
}

/// A host name or address with an optional port.
fn is_host(host: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b);
    !host.is_empty() && host.len() <= 255 && host.bytes().all(is_legal)
}

fn is_prefix(prefix: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b".-_~/".contains(&b);
    prefix.starts_with('/') && !prefix.starts_with("//") && prefix.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn base(pairs: &[(&str, &str)], is_proxied: bool, configured: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let network = Network { base_url: configured.map(str::to_owned), ..Network::for_tests() };
        base_url(&network, "127.0.0.1:8080", &headers, is_proxied)
    }

    #[test]
    fn the_host_header_is_the_plain_case() {
        assert_eq!(base(&[("host", "localhost:1")], false, None), "http://localhost:1/fhir");
        assert_eq!(base(&[], false, None), "http://127.0.0.1:8080/fhir");
        assert_eq!(base(&[("host", "a/b?c")], false, None), "http://127.0.0.1:8080/fhir");
    }

    #[test]
    fn forwarded_headers_count_only_behind_a_trusted_proxy() {
        let headers = [
            ("host", "inner:8080"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "fhir.example.org"),
            ("x-forwarded-prefix", "/r4/"),
        ];
        assert_eq!(base(&headers, false, None), "http://inner:8080/fhir");
        assert_eq!(base(&headers, true, None), "https://fhir.example.org/r4/fhir");
        let standard = [("host", "inner"), ("forwarded", "for=1.2.3.4;proto=https;host=\"h:8\"")];
        assert_eq!(base(&standard, true, None), "https://h:8/fhir");
    }

    #[test]
    fn the_configured_url_wins() {
        let headers = [("host", "inner"), ("x-forwarded-host", "other")];
        let configured = Some("https://fhir.example.org");
        assert_eq!(base(&headers, true, configured), "https://fhir.example.org");
    }

    #[test]
    fn forged_values_are_left_out() {
        let headers = [
            ("host", "ok"),
            ("x-forwarded-host", "evil\"><script>"),
            ("x-forwarded-proto", "javascript"),
            ("x-forwarded-prefix", "//evil"),
        ];
        assert_eq!(base(&headers, true, None), "http://127.0.0.1:8080/fhir");
    }
}
