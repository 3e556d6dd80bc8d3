//! The way out of the lab: asked for by one word, with proxies that nodes can reach and no password in them.

use super::super::Provider;
use super::super::internet::{Internet, RawInternet};
use super::super::raw::Marked;
use super::super::reference;
use super::super::yaml::shown;
use super::{HasFile, lab_file};
use crate::problems::Problems;
use crate::provider::{Facts, facts, hint};

/// Checks the keys of the way out. `None` when no packet leaves the lab.
pub fn check(
    said: &RawInternet,
    providers: &[Provider],
    has_file: &HasFile<'_>,
    problems: &mut Problems,
) -> Option<Internet> {
    let https = proxy("https", said.https.as_ref(), problems);
    let http = proxy("http", said.http.as_ref(), problems);
    let no_proxy = said.no_proxy.iter().filter_map(|said| exception(said, problems)).collect();
    let certificates =
        lab_file("network.trustedCertificates", "ca.pem", said.certificates.as_ref(), has_file, problems);
    let wanted = said.wanted.as_ref().is_some_and(|wanted| wanted.value);
    if !wanted {
        return None;
    }
    for Facts { title, .. } in providers.iter().map(|provider| facts(*provider)).filter(|facts| !facts.can.lead_out) {
        let place = said.wanted.as_ref().and_then(|wanted| wanted.place);
        let message = format!("`network.internet`: a network of {title} between host and nodes leads no further");
        problems.error(place, message, hint(|can| can.lead_out));
    }
    Some(Internet { http_proxy: http, https_proxy: https, no_proxy, certificates })
}

/// The URL of a proxy: scheme, host and port, and nothing else.
fn proxy(key: &str, said: Option<&Marked<String>>, problems: &mut Problems) -> Option<String> {
    let said = said?;
    let url = said.value.trim_end_matches('/');
    let host = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)).map(|(_, host)| host);
    let name = |host: &str| host.split(':').next().unwrap_or_default().to_owned();
    let why = match host {
        None => Some("is no URL that begins with `http://` or `https://`".to_owned()),
        // Not shown: it is a password.
        Some(host) if host.contains('@') => {
            let message = format!("`network.proxy.{key}` has a user or a password in it, which every node would have");
            let hint = "take a proxy that knows the lab by this host's address".to_owned();
            problems.error(said.place, message, Some(hint));
            return None;
        }
        Some(host) if name(host) == "localhost" || name(host).starts_with("127.") => {
            Some("is on the loopback, which on a node is the node's own".to_owned())
        }
        Some(host) => reference::host(host).err().map(|_| "has behind `://` what is no host and port".to_owned()),
    };
    if let Some(why) = why {
        let hint = "such as `http://proxy.example.com:3128`; the host itself is the first address of `network.nodes`";
        problems.error(said.place, format!("`network.proxy.{key}` {why}"), Some(hint.to_owned()));
        return None;
    }
    Some(url.to_owned())
}

/// One entry of `NO_PROXY`: what Go's programs take for one (`golang.org/x/net/http/httpproxy`).
fn exception(said: &Marked<String>, problems: &mut Problems) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'/' | b':' | b'*' | b'_');
    if said.value.is_empty() || !said.value.bytes().all(plain) {
        let message = format!("`network.proxy.noProxy` has {}, which is no host, domain or range", shown(&said.value));
        problems.error(said.place, message, Some("such as `.example.com` or `10.0.0.0/8`".to_owned()));
        return None;
    }
    Some(said.value.clone())
}

#[cfg(test)]
mod tests {
    use super::super::super::{Internet, read};

    fn said(network: &str) -> String {
        let text = format!("lab: a\nnetwork: {network}\n");
        read("hab.yaml", text.as_bytes(), &|_| Ok(())).problems.to_string()
    }

    fn internet(network: &str) -> Option<Internet> {
        let text = format!("lab: a\nnetwork: {network}\n");
        let reading = read("hab.yaml", text.as_bytes(), &|_| Ok(()));
        assert_eq!(reading.problems.to_string(), "");
        reading.config.unwrap().internet
    }

    #[test]
    fn no_packet_leaves_unless_it_is_said() {
        for none in ["{}", "{internet: false}", "{proxy: {http: \"http://a:1\"}, trustedCertificates: ca.pem}"] {
            assert_eq!(internet(none), None, "{none}");
        }
        assert_eq!(internet("{internet: true}"), Some(Internet::default()));
        let text = "{internet: true, trustedCertificates: ca.pem, proxy: {http: \"http://p.example.com:3128/\", \
                    https: \"https://10.0.0.1\", noProxy: [.example.com, 10.0.0.0/8]}}";
        let expected = Internet {
            http_proxy: Some("http://p.example.com:3128".to_owned()),
            https_proxy: Some("https://10.0.0.1".to_owned()),
            no_proxy: vec![".example.com".to_owned(), "10.0.0.0/8".to_owned()],
            certificates: Some("ca.pem".into()),
        };
        assert_eq!(internet(text), Some(expected));
    }

    #[test]
    fn every_mistake_is_at_its_place_with_a_way_out() {
        for (network, expected) in [
            ("{internet: yes}", "`network.internet` must be true or false"),
            ("{proxy: {http: proxy}}", "2:25: error: `network.proxy.http` is no URL"),
            ("{internet: true, proxy: {http: proxy}}", "is no URL that begins with `http://`"),
            ("{internet: true, proxy: {https: \"socks5://a\"}}", "`network.proxy.https` is no URL"),
            ("{internet: true, proxy: {http: \"http://u:p@a:1\"}}", "has a user or a password in it"),
            ("{internet: true, proxy: {http: \"http://localhost:1\"}}", "is on the loopback"),
            ("{internet: true, proxy: {http: \"http://127.0.0.1:1\"}}", "is on the loopback"),
            ("{internet: true, proxy: {http: \"http://a b\"}}", "what is no host and port"),
            ("{internet: true, proxy: {http: \"http://a/path\"}}", "what is no host and port"),
            ("{internet: true, proxy: {noProxy: [\"a b\"]}}", "which is no host, domain or range"),
            ("{internet: true, proxi: {}}", "did you mean `proxy`?"),
            ("{internet: true, trustedCertificates: ../ca.pem}", "leads out of the lab's folder"),
        ] {
            assert!(said(network).contains(expected), "{network}: {}", said(network));
        }
        assert!(!said("{internet: true, proxy: {http: \"http://u:secret@a:1\"}}").contains("hint: secret"));
        let text = b"lab: a\nprovider: virtualbox\nnetwork: {internet: true}\n";
        let said = read("hab.yaml", text, &|_| Ok(())).problems.to_string();
        assert!(said.contains("3:21: error: `network.internet`: a network of VirtualBox"), "{said}");
    }
}
