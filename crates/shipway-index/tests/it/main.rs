//! The index from outside: over a socket, against a data directory of its own, each test alone.

mod channels;
mod crash;
mod files;
mod kit;
mod pages;
mod processes;
mod races;
mod readers;
mod sessions;
mod upload;
mod upstream;
