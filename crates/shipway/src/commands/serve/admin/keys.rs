//! `shipway admin key`

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use shipway_dist::policy::Role;
use shipway_dist::signing::PublicKey;
use shipway_dist::wire::KeyRecord;
use shipway_index::Admin;
use shipway_release::{Error, Result};

use super::refused;
use crate::embedded::index_error;
use crate::output::{Outcome, write_stderr};

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a key and register its public half; the private half is written once and kept nowhere else
    Create(Create),
    /// Register the public half of a key, or an enrolled key by its name
    Add(Add),
    /// List every key ever known
    List,
    /// Revoke a key: what it signs from now on is refused
    Revoke {
        /// The key's name or id
        #[arg(value_name = "NAME|ID")]
        key: String,
        /// Nothing that it ever signed counts any more
        #[arg(long)]
        compromised: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it speaks as: ci, release-manager or index
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Who it is: a person, a pipeline
    // Stands in for the global option of that name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where the private key goes, readable by its owner alone; default: stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What it speaks as: ci, release-manager or index
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// Who it is: a person, a pipeline
    // Stands in for the global option of that name.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The public key, PEM
    #[arg(long, value_name = "FILE")]
    public: PathBuf,
}

pub(super) async fn act(admin: &Admin, key: &Key) -> Result<Outcome> {
    match key {
        Key::Create(create) => self::create(admin, create).await,
        Key::Add(add) => {
            let pem = std::fs::read_to_string(&add.public)
                .map_err(|error| Error::io("read", &add.public, &error))?;
            let public = PublicKey::from_pem(&pem).map_err(|error| {
                Error::usage("bad-key", format!("`{}` holds no public key", add.public.display()))
                    .cause(error.to_string())
                    .hint("a PEM as `openssl pkey -pubout` writes it")
            })?;
            let record =
                admin.add_key(role(&add.role)?, &add.name, &public).await.map_err(|error| refused(&error))?;
            let said = format!("`{}` signs as `{}` with key {}", record.name, record.role, record.id);
            Ok(Outcome::new(&document(&record)).say(said))
        }
        Key::List => {
            let keys = admin.keys().await.map_err(|error| index_error(&error))?;
            let mut text = String::new();
            for key in &keys {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{:<20} {:<16} {}  {}",
                    key.name,
                    key.role.as_str(),
                    &key.id.to_hex()[..16],
                    state(key)
                );
            }
            let list: Vec<_> = keys.iter().map(document).collect();
            Ok(Outcome::new(&json!({ "keys": list })).print(text))
        }
        Key::Revoke { key, compromised } => {
            let record = admin.revoke_key(key, *compromised).await.map_err(|error| refused(&error))?;
            let says = if record.compromised {
                "nothing that it ever signed counts"
            } else {
                "what it signed before still counts"
            };
            let said = format!("revoked key {} of `{}`: {says}", record.id, record.name);
            Ok(Outcome::new(&document(&record)).say(said))
        }
    }
}

async fn create(admin: &Admin, create: &Create) -> Result<Outcome> {
    let role = role(&create.role)?;
    // Before the key is registered: one that cannot be written is of no use to anybody.
    let mut file =
        create.out.as_deref().map(|path| Ok::<_, Error>((path, private_file(path)?))).transpose()?;
    let made = admin.create_key(role, &create.name).await;
    let key = match made {
        Ok(key) => key,
        Err(error) => {
            if let Some((path, _)) = &file {
                // Empty, and made by this call.
                let _ = std::fs::remove_file(path);
            }
            return Err(refused(&error));
        }
    };
    let id = key.public().id();
    let report = json!({
        "id": id, "name": create.name, "role": role, "public": key.public(), "out": create.out,
    });
    let said = format!("`{}` signs as `{role}` with key {id}", create.name);
    match &mut file {
        Some((path, file)) => {
            let written = file.write_all(key.to_pem().as_bytes()).and_then(|()| file.sync_all());
            written.map_err(|error| {
                Error::io("write", path, &error).hint(format!("shipway admin key revoke {id}"))
            })?;
            Ok(Outcome::new(&report).say(said))
        }
        None => {
            write_stderr(&said);
            // The private key is what was asked for, and stands nowhere else.
            let mut report = report;
            report["private"] = json!(key.to_pem());
            Ok(Outcome::new(&report).print(key.to_pem()))
        }
    }
}

/// A file that is not there yet, for its owner alone.
fn private_file(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let open = || {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        options.open(path)
    };
    open().map_err(|error| Error::io("create", path, &error))
}

fn role(text: &str) -> Result<Role> {
    text.parse().map_err(|error: shipway_dist::policy::RoleError| Error::usage("key", error.to_string()))
}

fn state(key: &KeyRecord) -> String {
    let known = if key.registered { "registered" } else { "enrolled" };
    match (&key.revoked_at, key.compromised) {
        (Some(at), true) => format!("compromised, revoked {at}"),
        (Some(at), false) => format!("revoked {at}"),
        (None, _) => format!("{known} {}", key.since),
    }
}

fn document(key: &KeyRecord) -> serde_json::Value {
    json!({
        "id": key.id, "name": key.name, "role": key.role, "public": key.public, "registered": key.registered,
        "since": key.since, "revoked_at": key.revoked_at, "compromised": key.compromised,
    })
}
