//! The keys that statements are signed with: one of this machine, made when it is first needed, or one that the
//! environment names.
//!
//! A private key never leaves its file but to sign. Whether an index listens to it is the index's decision.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use shipway_dist::policy::Role;
use shipway_dist::signing::PrivateKey;

use crate::config::environment;
use crate::context::Context;
use crate::error::{Error, Result};

/// The key that gates and steps of this run sign with.
///
/// `SHIPWAY_KEY` holds it, or the path of its file; else it is `keys/ci.pem` in the data directory, made now when
/// it is not there.
///
/// # Errors
/// When it cannot be read or made.
pub fn pipeline_key(context: &Context<'_>) -> Result<PrivateKey> {
    if let Some(text) = context.environment.get(environment::KEY) {
        return if text.trim_start().starts_with("-----BEGIN") {
            parse(text, environment::KEY)
        } else {
            read(Path::new(text))
        };
    }
    let path = path_of(&context.config.data_dir, Role::Ci);
    if !path.exists() {
        make(&path)?;
    }
    read(&path)
}

/// The key of a release manager: a file, or `keys/release-manager.pem` in the data directory.
///
/// # Errors
/// When there is none.
pub fn manager_key(context: &Context<'_>, file: Option<&Path>) -> Result<PrivateKey> {
    let path = match file {
        Some(path) => path.to_owned(),
        None => path_of(&context.config.data_dir, Role::ReleaseManager),
    };
    if file.is_none() && !path.exists() {
        return Err(Error::refused("no-key", format!("there is no release manager's key in `{}`", path.display())).hint(
            format!(
                "make one: `shipway admin key create --role release-manager --name NAME --out {}`, or give `--key FILE`",
                path.display()
            ),
        ));
    }
    read(&path)
}

fn path_of(data_dir: &Path, role: Role) -> PathBuf {
    data_dir.join("keys").join(format!("{role}.pem"))
}

fn read(path: &Path) -> Result<PrivateKey> {
    let pem = std::fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    parse(&pem, &path.display().to_string())
}

fn parse(pem: &str, what: &str) -> Result<PrivateKey> {
    PrivateKey::from_pem(pem).map_err(|error| {
        Error::usage("bad-key", format!("`{what}` holds no key"))
            .cause(error.to_string())
            .hint("a PKCS#8 PEM as `openssl genpkey -algorithm ed25519` writes it")
    })
}

/// Makes a key that only its owner reads; of two runs that make it at once, both take the first one's.
fn make(path: &Path) -> Result<()> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        Error::incomplete("random", "the system gives no random bytes").cause(error.to_string())
    })?;
    let write = || -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        // A temporary file is readable by its owner alone.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(PrivateKey::from_seed(&seed).to_pem().as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.error),
            _ => Ok(()),
        }
    };
    write().map_err(|error| Error::io("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), Role::Ci);
        make(&path).unwrap();
        let first = read(&path).unwrap().public();
        make(&path).unwrap();
        assert_eq!(read(&path).unwrap().public(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "not a key").unwrap();
        let error = read(&path).unwrap_err();
        assert_eq!((error.code(), error.exit_code()), ("bad-key", 2));
    }

    #[test]
    fn the_environment_is_not_shown() {
        let environment = Environment::from_pairs([(environment::KEY, "-----BEGIN")]);
        assert!(!format!("{environment:?}").contains("BEGIN"));
    }
}
