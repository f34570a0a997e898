//! Finds the index that an installer on this machine would use.
//!
//! A company's settings are honoured without being repeated, and no public host is known here: the last
//! resort is what pip itself has built in, asked from pip.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use url::Url;

use crate::config::Upstream;
use crate::error::IndexError;

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) url: Url,
    /// Files with further root certificates.
    pub(super) roots: Vec<PathBuf>,
}

pub(super) fn find(setting: &Upstream) -> Result<Found, IndexError> {
    match setting {
        Upstream::Off => Err(IndexError::Upstream { why: "there is none".to_owned() }),
        Upstream::Url(url) => Ok(Found { url: parse(url)?, roots: Vec::new() }),
        Upstream::Discover { python, env } => discover(python, env),
    }
}

fn discover(python: &Path, env: &BTreeMap<String, String>) -> Result<Found, IndexError> {
    let set = |key: &str| env.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
    let mut pip = None;
    let mut ask_pip = || pip.get_or_insert_with(|| pip_config(python, env)).clone();
    let url = if let Some(url) =
        set("PIP_INDEX_URL").or_else(|| set("UV_DEFAULT_INDEX")).or_else(|| set("UV_INDEX_URL"))
    {
        parse(without_name(url))?
    } else if let Some(url) = ask_pip().get("index-url") {
        parse(url)?
    } else if let Some(url) = uv_config(env) {
        parse(without_name(&url))?
    } else {
        parse(&run(
            python,
            env,
            &["-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"],
        )?)?
    };
    let mut roots = Vec::new();
    if url.scheme() == "https" {
        let configured = ask_pip().get("cert").map(PathBuf::from);
        let named = ["PIP_CERT", "SSL_CERT_FILE"].into_iter().filter_map(set).map(PathBuf::from);
        for root in named.chain(configured) {
            if root.is_file() && !roots.contains(&root) {
                roots.push(root);
            }
        }
    }
    Ok(Found { url, roots })
}

/// uv allows `name=url`.
fn without_name(text: &str) -> &str {
    match text.split_once('=') {
        Some((name, url)) if !name.contains([':', '/']) => url,
        _ => text,
    }
}

fn parse(text: &str) -> Result<Url, IndexError> {
    let url =
        Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    // The text is not repeated: it may hold credentials.
    url.ok_or_else(|| IndexError::Upstream { why: "its URL is not one of http or https".to_owned() })
}

/// The options `index-url` and `cert` of pip's configuration files, the most specific section first.
fn pip_config(python: &Path, env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let text = run(python, env, &["-m", "pip", "--disable-pip-version-check", "config", "list"]);
    read_pip_config(&text.unwrap_or_default())
}

fn read_pip_config(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for section in [":env:.", "install.", "download.", "global."] {
        for line in text.lines() {
            let Some((key, value)) = line.trim().strip_prefix(section).and_then(|rest| rest.split_once('='))
            else {
                continue;
            };
            // pip prints values as Python literals.
            let value = value.trim();
            let quoted = value.len() > 1 && value.starts_with(['\'', '"']);
            let value = if quoted { &value[1..value.len() - 1] } else { value };
            if matches!(key, "index-url" | "cert") && !value.is_empty() {
                found.entry(key.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
    }
    found
}

/// The default index of uv's configuration files.
fn uv_config(env: &BTreeMap<String, String>) -> Option<String> {
    let folder = |key: &str, below: &str| env.get(key).map(|folder| Path::new(folder).join(below));
    let user = folder("XDG_CONFIG_HOME", "uv/uv.toml")
        .or_else(|| folder("HOME", ".config/uv/uv.toml"))
        .or_else(|| folder("APPDATA", "uv/uv.toml"));
    let explicit = env.get("UV_CONFIG_FILE").map(PathBuf::from);
    let files = match explicit {
        Some(file) => vec![file],
        None => user.into_iter().chain([PathBuf::from("/etc/uv/uv.toml")]).collect(),
    };
    files.iter().find_map(|file| read_uv_config(&std::fs::read_to_string(file).ok()?))
}

fn read_uv_config(text: &str) -> Option<String> {
    let document: toml_edit::DocumentMut = text.parse().ok()?;
    let tables = document.get("index").and_then(|item| item.as_array_of_tables());
    let default = tables
        .into_iter()
        .flatten()
        .find(|table| table.get("default").and_then(|item| item.as_bool()).unwrap_or(false));
    let url = default.and_then(|table| table.get("url")).and_then(|item| item.as_str());
    let older = || document.get("index-url").or_else(|| document.get("pip")?.get("index-url"));
    url.or_else(|| older().and_then(|item| item.as_str())).map(str::to_owned)
}

fn run(python: &Path, env: &BTreeMap<String, String>, arguments: &[&str]) -> Result<String, IndexError> {
    let failed = |why: String| IndexError::Upstream {
        why: format!("cannot ask pip of `{}` for the index that it uses: {why}", python.display()),
    };
    let environment = env.iter().map(|(key, value)| (OsStr::new(key), OsStr::new(value)));
    let output = Command::new(python).args(arguments).env_clear().envs(environment).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_config_takes_the_most_specific_section() {
        let text = "global.cert='/c.pem'\nglobal.index-url='https://a.example/simple'\n\
                    install.index-url='https://b.example/simple'\n:env:.find-links='/w'\n";
        let found = read_pip_config(text);
        assert_eq!(found["index-url"], "https://b.example/simple");
        assert_eq!(found["cert"], "/c.pem");
    }

    #[test]
    fn uv_config_in_both_spellings() {
        let tables = "[[index]]\nname = \"x\"\nurl = \"https://x.example\"\n\
                      [[index]]\nurl = \"https://y.example/simple\"\ndefault = true\n";
        assert_eq!(read_uv_config(tables).unwrap(), "https://y.example/simple");
        assert_eq!(read_uv_config("index-url = \"https://z.example\"").unwrap(), "https://z.example");
        assert_eq!(read_uv_config("[[index]]\nurl = \"https://x.example\"\n"), None);
    }

    #[test]
    fn the_environment_goes_first_and_no_process_is_started() {
        let env =
            BTreeMap::from([("UV_DEFAULT_INDEX".to_owned(), "corp=http://u:p@c.example/simple".to_owned())]);
        let setting = Upstream::Discover { python: "/nonexistent/python".into(), env };
        assert_eq!(find(&setting).unwrap().url.as_str(), "http://u:p@c.example/simple");
        let error = find(&Upstream::Url("ftp://u:secret@c.example".into())).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
