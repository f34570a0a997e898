//! Every client that people publish and install with, in every case that it has, against one index.
//!
//! [`matrix`] says which client has which case; `docs/reference/clients.md` is made of it. The index is served
//! twice over one data directory, over HTTP and over TLS with a certificate of a private authority, and asks
//! every reader for a token.

mod installers;
mod lab;
mod matrix;
mod publishers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use lab::Lab;
use matrix::{Case, Client};

/// Runs cases of clients, every client in a thread of its own, and tells of all that fail.
fn run(lab: &Lab, cases: impl Fn(Client) -> Vec<Case> + Sync) {
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in Client::ALL {
            let (failed, cases) = (&failed, &cases);
            scope.spawn(move || {
                for case in cases(client) {
                    let ran = catch_unwind(AssertUnwindSafe(|| matrix::run(lab, client, case)));
                    if ran.is_err() {
                        let what = format!("{}: {}", client.name(), case.title());
                        failed.lock().expect("a list").push(what);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("a list");
    assert!(failed.is_empty(), "{failed:#?}\n{}", lab.log());
    assert!(!lab.log().contains(&lab.index.token), "no token in the log");
}

/// Uploads and installs with every client that does.
fn upload_and_install(lab: &Lab) {
    run(lab, |client| {
        let pass = [Case::Upload, Case::Install];
        pass.into_iter().filter(|case| matrix::absent(client, *case).is_none()).collect()
    });
}

#[test]
fn i1_every_client_uploads_and_installs_with_a_url_and_a_token() {
    upload_and_install(&Lab::new());
}

#[test]
fn i1_uv_uploads_and_pip_installs_over_postgresql_and_s3() {
    run(&Lab::on_postgresql_and_s3("two_clients"), |client| match client {
        Client::Uv => vec![Case::Upload, Case::Again, Case::Changed],
        Client::Pip => vec![Case::Install],
        _ => Vec::new(),
    });
}

#[test]
#[ignore = "long: every client once more"]
fn long_i1_every_client_uploads_and_installs_over_postgresql_and_s3() {
    upload_and_install(&Lab::on_postgresql_and_s3("every_client"));
}

/// Runs every case of one client.
#[expect(clippy::print_stderr, reason = "says which version was tested")]
fn every_case(client: Client) {
    eprintln!("{} {}", client.name(), client.version());
    run(&Lab::new(), |other| {
        let has = |case: &Case| client == other && matrix::absent(client, *case).is_none();
        Case::ALL.into_iter().filter(has).collect()
    });
}

macro_rules! every_case {
    ($($name:ident: $client:ident,)*) => {
        $(
            #[test]
            #[ignore = "long: a client in all of its cases"]
            fn $name() {
                every_case(Client::$client);
            }
        )*
    };
}

every_case! {
    long_i1_pip_in_every_case: Pip,
    long_i1_uv_in_every_case: Uv,
    long_i1_twine_in_every_case: Twine,
    long_i1_poetry_in_every_case: Poetry,
    long_i1_pdm_in_every_case: Pdm,
    long_i1_hatch_in_every_case: Hatch,
    long_i1_flit_in_every_case: Flit,
    long_i1_devpi_in_every_case: Devpi,
}

#[test]
fn i1_the_table_of_clients_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/clients.md");
    let text = matrix::table();
    if std::env::var_os("SHIPWAY_REFRESH").is_some() {
        std::fs::write(path, &text).expect("a written table");
    }
    assert_eq!(std::fs::read_to_string(path).expect("a table"), text, "SHIPWAY_REFRESH=1 refreshes it");
}
