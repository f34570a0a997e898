//! Finds the credential of an index where users keep theirs, and says which source it was.
//!
//! Order: `SHIPWAY_TOKEN`, `UV_PUBLISH_*`, `TWINE_*`, `.pypirc`, keyring; then the CI's identity
//! ([`super::identity`]), and last a prompt ([`ask`]). The value never leaves
//! a [`Secret`]; errors of parsers are not passed on, since they may quote the line with the password.

use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::config::{Environment, environment};
use crate::error::{Error, Result};
use crate::ini;
use crate::ops::process::Call;
use crate::ops::secret::{Secret, public_url};

/// A user and password (or token) and where they were found.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The user name; `__token__` for tokens.
    pub user: String,
    /// The password or token.
    pub secret: Secret,
    /// Where it was found, for people.
    pub source: String,
}

/// Asks a person for a password, where there is one to ask.
pub trait Ask {
    /// Asks, or gives none when nobody can answer.
    fn password(&self, prompt: &str) -> Option<Secret>;
}

/// Looks for the credential of `url`; `section` names one of `.pypirc`.
///
/// # Errors
/// When two sources of one rank disagree, or a section that was named does not exist.
pub fn find(
    url: &Url,
    section: Option<&str>,
    environment: &Environment,
    warn: &dyn Fn(&str),
) -> Result<Option<Credential>> {
    if let Some(credential) = from_environment(environment)? {
        return Ok(Some(credential));
    }
    if let Some(credential) = from_pypirc(url, section, environment, warn)? {
        return Ok(Some(credential));
    }
    Ok(from_keyring(url, environment))
}

/// Asks a person for the token of `url`, where there is one to ask.
pub fn ask(url: &Url, ask: Option<&dyn Ask>) -> Option<Credential> {
    let secret = ask?.password(&format!("token for {}", public_url(url)))?;
    Some(Credential { user: "__token__".to_owned(), secret, source: "prompt".to_owned() })
}

fn from_environment(env: &Environment) -> Result<Option<Credential>> {
    let token = |name: &str| {
        let secret = Secret::new(env.get(name)?);
        Some(Credential { user: "__token__".to_owned(), secret, source: name.to_owned() })
    };
    if let Some(credential) = token(environment::TOKEN) {
        return Ok(Some(credential));
    }
    let pair = |user: &str, password: &str| {
        let secret = Secret::new(env.get(password)?);
        Some(Credential {
            user: env.get(user).unwrap_or("__token__").to_owned(),
            secret,
            source: password.to_owned(),
        })
    };
    let by_token = token("UV_PUBLISH_TOKEN");
    let by_password = pair("UV_PUBLISH_USERNAME", "UV_PUBLISH_PASSWORD");
    match (by_token, by_password) {
        (Some(a), Some(b)) if a.secret != b.secret => {
            return Err(Error::usage(
                "two-credentials",
                "`UV_PUBLISH_TOKEN` and `UV_PUBLISH_PASSWORD` name different credentials",
            )
            .hint("unset one of them"));
        }
        (Some(found), _) | (None, Some(found)) => return Ok(Some(found)),
        (None, None) => {}
    }
    Ok(pair("TWINE_USERNAME", "TWINE_PASSWORD"))
}

fn from_pypirc(
    url: &Url,
    section: Option<&str>,
    env: &Environment,
    warn: &dyn Fn(&str),
) -> Result<Option<Credential>> {
    let Some(home) = env.path("HOME").or_else(|| env.path("USERPROFILE")) else { return Ok(None) };
    let path = home.join(".pypirc");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return no_section(section),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    warn_of_mode(&path, warn);
    let (entries, is_sound) = ini::entries(&text);
    if !is_sound {
        return Err(Error::usage("pypirc", format!("`{}` is not a valid .pypirc", path.display()))
            .cause("a line is neither a section, a key nor a comment"));
    }
    let same = |one: &str| one.parse::<Url>().is_ok_and(|one| without_slash(&one) == without_slash(url));
    let get = |section: &str, key: &str| ini::find(&entries, section, key).map(|entry| entry.value);
    for name in entries.iter().map(|entry| entry.section) {
        let is_it = match section {
            Some(section) => name == section,
            None => name != "distutils" && get(name, "repository").is_some_and(same),
        };
        if let (true, Some(password)) = (is_it, get(name, "password")) {
            let user = get(name, "username").unwrap_or("__token__").to_owned();
            let source = format!(".pypirc, section `{name}`");
            return Ok(Some(Credential { user, secret: Secret::new(password), source }));
        }
    }
    no_section(section)
}

fn no_section(section: Option<&str>) -> Result<Option<Credential>> {
    match section {
        None => Ok(None),
        Some(section) => {
            Err(Error::usage("pypirc", format!("`.pypirc` has no section `{section}` with a password")))
        }
    }
}

fn without_slash(url: &Url) -> String {
    public_url(url).as_str().trim_end_matches('/').to_owned()
}

#[cfg(unix)]
fn warn_of_mode(path: &Path, warn: &dyn Fn(&str)) {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        warn(&format!("`{}` can be read by others; `chmod 600` it", path.display()));
    }
}

#[cfg(not(unix))]
fn warn_of_mode(_path: &Path, _warn: &dyn Fn(&str)) {}

fn from_keyring(url: &Url, env: &Environment) -> Option<Credential> {
    let path = env.path("PATH")?;
    let program = which::which_in("keyring", Some(path), "/").ok()?;
    let user = env.get("TWINE_USERNAME").or(env.get("UV_PUBLISH_USERNAME")).unwrap_or("__token__");
    let directory = std::env::temp_dir();
    let call = Call::new(program, &directory).users(env).args(["get", without_slash(url).as_str(), user]);
    let output = call.timeout(Duration::from_secs(15)).run().ok()?;
    let text = output.stdout_text();
    let secret = text.trim_end_matches(['\r', '\n']);
    (output.success() && !secret.is_empty()).then(|| Credential {
        user: user.to_owned(),
        secret: Secret::new(secret),
        source: "keyring".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(pairs: &[(&str, &str)], section: Option<&str>) -> Result<Option<(String, String, String)>> {
        let environment = Environment::from_pairs(pairs.iter().copied());
        let url = "https://index.example/dev/".parse().unwrap();
        let found = find(&url, section, &environment, &|_| {})?;
        Ok(found.map(|one| (one.user, one.secret.expose().to_owned(), one.source)))
    }

    #[test]
    fn sources_are_asked_in_order() {
        let home = tempfile::tempdir().unwrap();
        let pypirc = "[distutils]\nindex-servers =\n    team\n    other\n\n[team]\nrepository: https://index.example/dev\nusername = u\npassword = a%b\\c\"d\n";
        std::fs::write(home.path().join(".pypirc"), pypirc).unwrap();
        let home = home.path().to_str().unwrap();
        let text = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        let pypirc = text("u", "a%b\\c\"d", ".pypirc, section `team`");
        assert_eq!(look(&[("HOME", home)], None).unwrap(), pypirc);
        assert_eq!(look(&[("HOME", home)], Some("team")).unwrap(), pypirc);
        assert!(look(&[("HOME", home)], Some("other")).is_err());
        let twine = [("HOME", home), ("TWINE_USERNAME", "me"), ("TWINE_PASSWORD", "t")];
        assert_eq!(look(&twine, None).unwrap(), text("me", "t", "TWINE_PASSWORD"));
        let uv = [("TWINE_PASSWORD", "t"), ("UV_PUBLISH_TOKEN", "v")];
        assert_eq!(look(&uv, None).unwrap(), text("__token__", "v", "UV_PUBLISH_TOKEN"));
        let own = [("SHIPWAY_TOKEN", "s"), ("UV_PUBLISH_TOKEN", "v")];
        assert_eq!(look(&own, None).unwrap(), text("__token__", "s", "SHIPWAY_TOKEN"));
        assert_eq!(look(&[], None).unwrap(), None);
    }

    #[test]
    fn two_sources_of_one_rank_that_disagree_are_both_named() {
        let error =
            look(&[("UV_PUBLISH_TOKEN", "canary1"), ("UV_PUBLISH_PASSWORD", "canary2")], None).unwrap_err();
        let text = format!("{error} {:?}", error.problems());
        assert!(
            text.contains("UV_PUBLISH_TOKEN")
                && text.contains("UV_PUBLISH_PASSWORD")
                && !text.contains("canary")
        );
    }

    #[test]
    fn f8_a_broken_pypirc_is_not_quoted() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".pypirc"), "[x\npassword canary").unwrap();
        let error = look(&[("HOME", home.path().to_str().unwrap())], None).unwrap_err();
        assert!(!format!("{error} {:?}", error.problems()).contains("canary"));
    }
}
