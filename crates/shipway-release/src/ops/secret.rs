//! Secrets, in a type that cannot be printed or serialized, and URLs without their credentials.

use std::fmt;

/// A password or token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The URL without user and password, for people, logs and evidence.
pub fn public_url(url: &url::Url) -> url::Url {
    let mut public = url.clone();
    // Both fail only on URLs that cannot have credentials at all.
    let _ = public.set_username("");
    let _ = public.set_password(None);
    public
}

/// Whether a URL leads to this machine and nowhere else.
pub fn is_here(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        // RFC 6761, section 6.3: names below `localhost` are this machine as well.
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Whether a secret may be sent there, and a program taken from there: over TLS, or on this machine.
pub fn is_private(url: &url::Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_here(url))
}

/// A text with the user and password of every `scheme://user:password@` replaced by `…`.
///
/// For what tools print: a remote's or an index's URL may hold a credential.
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail
            .find(|c: char| c == '/' || c.is_whitespace() || matches!(c, '\'' | '"' | '`'))
            .unwrap_or(tail.len());
        let authority = &tail[..end];
        if let Some(host) = authority.rfind('@') {
            out.push('…');
            out.push_str(&authority[host..]);
        } else {
            out.push_str(authority);
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f8_secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "Secret(…)");
        let url: url::Url = "https://user:canary@index.example/simple/".parse().unwrap();
        assert_eq!(public_url(&url).as_str(), "https://index.example/simple/");
        let text =
            redact("fatal: unable to access 'https://user:canary@host.example/x.git/': no, http://plain/");
        assert_eq!(text, "fatal: unable to access 'https://…@host.example/x.git/': no, http://plain/");
    }

    #[test]
    fn f10_an_open_line_is_good_for_this_machine_alone() {
        for (url, expected) in [
            ("https://index.example/", true),
            ("http://127.0.0.1:8080/", true),
            ("http://127.8.8.8/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://forge.localhost/", true),
            ("http://index.example/", false),
            ("http://localhost.example/", false),
            ("http://127.0.0.1.example/", false),
            ("http://10.0.0.1/", false),
            ("ftp://127.0.0.1/", false),
        ] {
            assert_eq!(is_private(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
