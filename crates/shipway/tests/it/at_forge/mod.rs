//! A release from the bump to the release at the forge: real git, the fake forge, a shipway index as a server, the
//! command as a process, each request counted.

mod canary;
mod ground;
mod killed;
mod released;
mod whole;
