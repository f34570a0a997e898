//! What tests need and the product does not: places, projects, servers, clients, small wheels.
//!
//! A place is a temporary directory with a HOME of its own and a cleared environment. Nothing here is ever a
//! normal dependency, and everything here panics when it cannot do its work: a test has no better answer.

mod authority;
mod cluster;
pub mod forge;
mod forwarder;
mod http;
mod interrupter;
mod listener;
pub mod oidc;
mod place;
mod postgres;
mod program;
mod project;
pub mod public;
mod random;
mod s3;
mod server;
mod sigstore;
mod tools;
mod wheel;

pub use authority::Authority;
pub use cluster::Cluster;
pub use forwarder::{Exchange, Forwarder, Trouble};
pub use http::{Answer, get, post, request};
pub use interrupter::{Interrupter, Moment, Strike};
pub use listener::{Reply, Request, listen};
pub use place::Place;
pub use postgres::Postgres;
pub use program::{Program, Ran};
pub use project::Project;
pub use random::Random;
pub use s3::S3;
pub use server::{Running, Server};
pub use sigstore::{Signed, Sigstore};
pub use tools::{Tools, target_directory};
pub use wheel::{FileOfWheel, Wheel, zip_of};
