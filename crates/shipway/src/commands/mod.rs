//! One file a command: arguments, a request, one call, an outcome.

pub(crate) mod api;
pub(crate) mod approve;
pub(crate) mod build;
pub(crate) mod bump;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod evidence;
pub(crate) mod explain;
pub(crate) mod forge;
pub(crate) mod gate;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod mark;
pub(crate) mod notes;
pub(crate) mod promote;
pub(crate) mod publish;
pub(crate) mod ready;
pub(crate) mod release;
pub(crate) mod serve;
pub(crate) mod smoke;
pub(crate) mod status;
pub(crate) mod tour;
pub(crate) mod workflows;

/// A channel named on the command line.
pub(crate) fn channel(text: &str) -> shipway_release::Result<shipway_dist::ChannelName> {
    text.parse().map_err(|error: shipway_dist::channel::ChannelError| {
        shipway_release::Error::usage("bad-channel", error.to_string())
    })
}
