//! The tables that a configuration holds several of: gates, probes, accepted breaks.

use std::collections::{BTreeMap, BTreeSet};

use shipway_dist::policy::Requirement;
use shipway_dist::{ChannelName, GateId, Globs, Severity};

use super::load::Merge;
use super::raw::{RawAccept, RawChannel, RawGate, RawLevel, RawProbe};
use super::{CommandGate, ForeignChannel, LevelOverride, Probe, ProbeKind};
use crate::error::Error;

impl Merge {
    pub(super) fn gate(&mut self, at: usize, raw: RawGate) -> Option<CommandGate> {
        let key = format!("gate[{at}]");
        let (Some(id), Some(run)) = (raw.id, raw.run) else {
            self.errors.push(Error::usage("config-value", format!("`{key}` needs `id` and `run`")));
            return None;
        };
        let gate = match id.parse::<GateId>() {
            Ok(gate @ (GateId::Lint | GateId::Format | GateId::Types | GateId::Tests)) => gate,
            Ok(_) | Err(_) => {
                self.errors.push(self.one_of(
                    &format!("{key}.id"),
                    &id,
                    "`lint`, `format`, `types` or `tests`",
                ));
                return None;
            }
        };
        Some(CommandGate { id: gate, run: self.command(&key, &run)?, timeout: raw.timeout.unwrap_or(1800) })
    }

    fn command(&mut self, key: &str, run: &str) -> Option<Vec<String>> {
        match shell_words::split(run) {
            Ok(words) if !words.is_empty() => Some(words),
            Ok(_) | Err(_) => {
                self.errors.push(Error::usage(
                    "config-value",
                    format!("`{key}.run` is `{run}`, which is no command"),
                ));
                None
            }
        }
    }

    pub(super) fn probes(&mut self, raw: Vec<RawProbe>) -> Vec<Probe> {
        let mut seen = BTreeSet::new();
        let mut probes = Vec::new();
        for (at, probe) in raw.into_iter().enumerate() {
            let key = format!("probe[{at}]");
            let (Some(id), Some(kind), Some(run)) = (probe.id, probe.kind, probe.run) else {
                self.errors
                    .push(Error::usage("config-value", format!("`{key}` needs `id`, `kind` and `run`")));
                continue;
            };
            if !seen.insert(id.clone()) {
                self.errors.push(Error::usage("config-value", format!("two probes are called `{id}`")));
            }
            let kind = match kind.as_str() {
                "smoke" => ProbeKind::Smoke,
                "safety" => ProbeKind::Safety,
                "error" => ProbeKind::Error,
                other => {
                    self.errors.push(self.one_of(
                        &format!("{key}.kind"),
                        other,
                        "`smoke`, `safety` or `error`",
                    ));
                    continue;
                }
            };
            if let Some(class) = &probe.class
                && !["invalid-input", "connection", "policy", "unavailable"].contains(&class.as_str())
            {
                let expected = "`invalid-input`, `connection`, `policy` or `unavailable`";
                self.errors.push(self.one_of(&format!("{key}.class"), class, expected));
            }
            let Some(run) = self.command(&key, &run) else { continue };
            probes.push(Probe {
                id,
                kind,
                class: probe.class,
                run,
                exit: probe.exit.unwrap_or(0),
                json: probe.json.unwrap_or_default(),
                stdout: probe.stdout,
                stderr: probe.stderr,
                env: probe.env.unwrap_or_default(),
                timeout: probe.timeout.unwrap_or(60),
            });
        }
        probes
    }

    pub(super) fn accepted(&mut self, raw: Vec<RawAccept>) -> Vec<shipway_pyapi::Acceptance> {
        let mut accepted = Vec::new();
        for (at, entry) in raw.into_iter().enumerate() {
            match (
                entry.id,
                entry.symbol,
                entry.reason.filter(|reason| !reason.trim().is_empty()),
                entry.expires,
            ) {
                (Some(id), Some(symbol), Some(reason), Some(expires))
                    if expires.parse::<jiff::civil::Date>().is_ok() =>
                {
                    accepted.push(shipway_pyapi::Acceptance { id, symbol, reason, expires: Some(expires) });
                }
                _ => self.errors.push(Error::usage(
                    "config-value",
                    format!(
                        "`accept[{at}]` needs `id`, `symbol`, `reason` and `expires` (a day, `YYYY-MM-DD`)"
                    ),
                )),
            }
        }
        accepted
    }

    pub(super) fn levels(&mut self, raw: Vec<RawLevel>) -> Vec<LevelOverride> {
        let mut levels = Vec::new();
        for (at, entry) in raw.into_iter().enumerate() {
            let key = format!("level[{at}]");
            let (Some(id), Some(level), Some(reason)) =
                (entry.id, entry.level, entry.reason.filter(|reason| !reason.trim().is_empty()))
            else {
                let what = format!("`{key}` needs `id`, `level` and `reason`");
                self.errors.push(Error::usage("config-value", what));
                continue;
            };
            if !crate::rules::is_of_distributions(&id) {
                let what = format!("`{key}.id` is `{id}`, which no check of distribution files has");
                self.errors.push(
                    Error::usage("config-value", what)
                        .hint("`shipway explain` lists every id; `shipway check` prints them"),
                );
                continue;
            }
            let level = match level.as_str() {
                "error" => Severity::Error,
                "warning" => Severity::Warning,
                other => {
                    self.errors.push(self.one_of(&format!("{key}.level"), other, "`error` or `warning`"));
                    continue;
                }
            };
            levels.push(LevelOverride { id, level, reason });
        }
        levels
    }

    /// The channels of a foreign index: those that have URLs.
    pub(super) fn foreign(
        &mut self,
        raw: &BTreeMap<String, RawChannel>,
    ) -> BTreeMap<ChannelName, ForeignChannel> {
        let mut foreign = BTreeMap::new();
        for (name, channel) in raw {
            let (upload, simple) = match (&channel.upload, &channel.simple) {
                (Some(upload), Some(simple)) => (upload, simple),
                (None, None) => continue,
                (Some(_), None) | (None, Some(_)) => {
                    let what = format!("channel `{name}` needs both `upload` and `simple`");
                    self.errors.push(Error::usage("config-value", what));
                    continue;
                }
            };
            let name = self.parse::<ChannelName>("channel", name);
            let upload = self.url("channel.upload", upload);
            let simple = self.url("channel.simple", simple);
            if let (Some(name), Some(upload), Some(simple)) = (name, upload, simple) {
                foreign.insert(name, ForeignChannel { upload, simple });
            }
        }
        foreign
    }

    /// What the project asks of its channels besides their policies.
    pub(super) fn requires(
        &mut self,
        raw: &BTreeMap<String, RawChannel>,
        channels: &[ChannelName],
    ) -> BTreeMap<ChannelName, Vec<Requirement>> {
        let mut requires = BTreeMap::new();
        for (name, channel) in raw {
            let Some(name) = self.parse::<ChannelName>("channel", name) else { continue };
            let texts = channel.requires.iter().flatten();
            let key = format!("channel.{name}.requires");
            let asks: Vec<Requirement> = texts.filter_map(|text| self.parse(&key, text)).collect();
            let named = std::iter::once(&name).chain(asks.iter().filter_map(|ask| ask.channel.as_ref()));
            for unknown in named.filter(|channel| !channels.contains(channel)) {
                let what = format!("`{key}` speaks of `{unknown}`, which is no channel");
                self.errors.push(Error::usage("config-value", what));
            }
            if !asks.is_empty() {
                requires.insert(name, asks);
            }
        }
        requires
    }

    /// Refuses what is no glob.
    pub(super) fn globs(&mut self, key: &str, patterns: &[String]) {
        for pattern in patterns {
            if let Err(error) = Globs::new([pattern.as_str()]) {
                let what = format!("`{key}` holds `{pattern}`, which is no glob");
                self.errors.push(Error::usage("config-value", what).cause(error.to_string()));
            }
        }
    }
}
