//! Where the forge is: its API, its pages, the repository, the token; from the configuration, the environment of a
//! CI run, or the URL of the git remote.

use url::Url;

use crate::config::environment as names;
use crate::config::{Config, Environment, ForgeKind, forge::is_repository};
use crate::error::{Error, Result};
use crate::ops::git::Git;
use crate::ops::secret::Secret;

/// The host whose API is not below its own name.
const HOSTED: (&str, &str) = ("github.com", "https://api.github.com/");
/// The host that is never one with GitHub's API.
const HOSTED_GITLAB: &str = "gitlab.com";

/// The variables of a CI run that say where its forge is.
struct Names {
    api: &'static str,
    server: &'static str,
    repository: &'static str,
    repository_id: &'static str,
}

fn names_of(kind: ForgeKind) -> Names {
    match kind {
        ForgeKind::GitHub => Names {
            api: names::FORGE_API,
            server: names::FORGE_SERVER,
            repository: names::FORGE_REPOSITORY,
            repository_id: names::FORGE_REPOSITORY_ID,
        },
        ForgeKind::GitLab => Names {
            api: names::GITLAB_API,
            server: names::GITLAB_SERVER,
            repository: names::GITLAB_REPOSITORY,
            repository_id: names::GITLAB_REPOSITORY_ID,
        },
    }
}

/// Where a repository is on its forge.
#[derive(Debug, Clone)]
pub struct Location {
    /// Which program runs it.
    pub kind: ForgeKind,
    /// The root of the API, with a final slash.
    pub api: Url,
    /// The root of the pages for people, with a final slash; none when it is not known.
    pub server: Option<Url>,
    /// `OWNER/NAME`, on GitLab the whole path.
    pub repository: String,
    /// The number of the repository, where it is known without asking.
    pub repository_id: Option<u64>,
    /// The token.
    pub token: Option<Secret>,
    /// Whether that is the token of a job, which GitLab wants in another header and lets do little.
    pub is_job_token: bool,
}

/// Who vouches for the jobs of that host.
const HOSTED_ISSUER: &str = "https://token.actions.githubusercontent.com";

impl Location {
    /// Who vouches for the identity of a CI job, where the configuration does not say otherwise.
    pub fn usual_issuer(&self) -> String {
        match &self.server {
            Some(server) if server.host_str() != Some(HOSTED.0) => format!("{server}_services/token"),
            _ => HOSTED_ISSUER.to_owned(),
        }
    }

    /// Finds the forge; none when nothing names one.
    ///
    /// The repository is the configured one, else that of the CI run; the API is that of the CI run, else the
    /// configured one. The URL of the remote is the last resort, and only when it is one of a host with `OWNER/NAME`.
    ///
    /// # Errors
    /// When what names it is no URL or no repository.
    pub fn find(config: &Config, environment: &Environment, git: Option<&Git>) -> Result<Option<Self>> {
        let remote = match git {
            Some(git) => git.ask(["remote", "get-url", &config.remote])?,
            None => None,
        };
        let settings = &config.forge;
        let kind = settings.kind;
        let remote = remote.as_deref().and_then(|url| parse_remote(kind, url));
        let variables = names_of(kind);
        let own = environment.get(variables.repository).map(str::to_owned);
        let own_id = environment.get(variables.repository_id).and_then(|text| text.parse().ok());
        let named = settings.repository.clone().or(own.clone());
        let Some(repository) = named.or_else(|| remote.as_ref().map(|(_, repository)| repository.clone()))
        else {
            return if settings.configured {
                Err(Error::usage("no-forge", "nothing says which repository of the forge this is")
                    .hint("set `forge.repository = \"OWNER/NAME\"` in [tool.shipway]"))
            } else {
                Ok(None)
            };
        };
        if !is_repository(kind, &repository) {
            return Err(Error::usage("bad-repository", format!("`{repository}` is not `OWNER/NAME`")));
        }
        let url = |name: &str| environment.get(name).map(|text| parse(name, text)).transpose();
        let host = remote.as_ref().map(|(host, _)| host.as_str());
        let api = match (url(variables.api)?, &settings.api, host) {
            (Some(api), _, _) => with_slash(api),
            (None, Some(api), _) => with_slash(api.clone()),
            (None, None, Some(host)) if kind == ForgeKind::GitLab => {
                parse("api", &format!("https://{host}/api/v4/"))?
            }
            (None, None, Some(HOSTED_GITLAB)) => {
                return Err(Error::usage("no-forge", format!("`{repository}` is on `{HOSTED_GITLAB}`"))
                    .hint("set `forge.kind = \"gitlab\"` in [tool.shipway]"));
            }
            (None, None, Some(host)) if host == HOSTED.0 => parse("api", HOSTED.1)?,
            (None, None, Some(host)) => parse("api", &format!("https://{host}/api/v3/"))?,
            (None, None, None) => {
                return Err(Error::usage(
                    "no-forge",
                    format!("nothing says which forge holds `{repository}`"),
                )
                .hint(format!("set {}, or `forge.api` in [tool.shipway]", variables.api)));
            }
        };
        let server = match (url(variables.server)?, host) {
            (Some(server), _) => Some(with_slash(server)),
            (None, Some(host)) => Some(parse("server", &format!("https://{host}/"))?),
            (None, None) => None,
        };
        // The number in the environment is that of the repository in the environment, and of no other.
        let is_own = own.is_some_and(|own| own.eq_ignore_ascii_case(&repository));
        let repository_id = settings.repository_id.or(own_id.filter(|_| is_own));
        let (token, is_job_token) = match kind {
            ForgeKind::GitHub => (names::FORGE_TOKEN.iter().find_map(|name| environment.get(name)), false),
            ForgeKind::GitLab => match environment.get(names::GITLAB_TOKEN) {
                Some(token) => (Some(token), false),
                None => (environment.get(names::GITLAB_JOB_TOKEN), true),
            },
        };
        let token = token.map(Secret::new);
        Ok(Some(Self { kind, api, server, repository, repository_id, token, is_job_token }))
    }

    /// The variable that names the API.
    pub fn api_variable(&self) -> &'static str {
        names_of(self.kind).api
    }

    /// The owner.
    pub fn owner(&self) -> &str {
        self.repository.split_once('/').map_or("", |(owner, _)| owner)
    }
}

fn parse(what: &str, text: &str) -> Result<Url> {
    match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(with_slash(url)),
        Ok(_) | Err(_) => Err(Error::usage("bad-url", format!("`{what}` is no http or https URL"))),
    }
}

fn with_slash(mut url: Url) -> Url {
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url
}

/// Host and `OWNER/NAME` of a remote's URL; none for a path, and on GitHub for anything deeper.
fn parse_remote(kind: ForgeKind, text: &str) -> Option<(String, String)> {
    let (host, path) = match text.parse::<Url>() {
        Ok(url) if matches!(url.scheme(), "https" | "http" | "ssh" | "git") => {
            (url.host_str()?.to_owned(), url.path().to_owned())
        }
        // `git@host:owner/name.git`, which is no URL; a Windows drive has one letter before the colon.
        _ => {
            let (head, path) = text.split_once(':')?;
            let host = head.rsplit('@').next()?;
            if host.len() < 2 || host.contains('/') {
                return None;
            }
            (host.to_owned(), path.to_owned())
        }
    };
    let path = path.trim_matches('/');
    let repository = path.strip_suffix(".git").unwrap_or(path);
    is_repository(kind, repository).then(|| (host.to_ascii_lowercase(), repository.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_name_their_host_and_repository() {
        let found =
            |text: &str| parse_remote(ForgeKind::GitHub, text).map(|(host, name)| format!("{host} {name}"));
        for text in [
            "https://Forge.example/o/r.git",
            "https://user:secret@forge.example/o/r",
            "ssh://git@forge.example:22/o/r.git",
            "git@forge.example:o/r.git",
        ] {
            assert_eq!(found(text).as_deref(), Some("forge.example o/r"), "{text}");
        }
        for text in
            ["/srv/git/r.git", "../r.git", "C:\\r", "file:///srv/o/r", "https://forge.example/a/b/c", "o/r"]
        {
            assert_eq!(found(text), None, "{text}");
        }
        let (host, path) = parse_remote(ForgeKind::GitLab, "git@forge.example:a/b/c.git").unwrap();
        assert_eq!((host.as_str(), path.as_str()), ("forge.example", "a/b/c"));
    }
}
