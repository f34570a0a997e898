//! What of the upstream is passed on: reserved names never lead there, and young files wait.

use jiff::{SignedDuration, Timestamp};
use pep440_rs::Version;
use shipway_dist::name::normalize;

use crate::config::UpstreamRules;

/// The rules, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    reserved: Vec<String>,
    cool_down: SignedDuration,
    except: Vec<(String, Option<Version>)>,
}

/// The rules at one moment.
#[derive(Debug, Clone)]
pub(super) struct CoolDown {
    rules: Rules,
    now: Timestamp,
}

impl Rules {
    pub(super) fn new(rules: &UpstreamRules) -> Self {
        let except = |text: &String| match text.split_once("==") {
            Some((name, version)) => (normalize(name.trim()), version.trim().parse().ok()),
            None => (normalize(text.trim()), None),
        };
        // A version that cannot be read excepts nothing, rather than every release.
        let sound = |text: &&String| {
            text.split_once("==").is_none_or(|(_, version)| version.trim().parse::<Version>().is_ok())
        };
        Self {
            reserved: rules.reserved.iter().map(|name| name.normalized().to_owned()).collect(),
            cool_down: SignedDuration::try_from(rules.cool_down).unwrap_or(SignedDuration::MAX),
            except: rules.cool_down_except.iter().filter(sound).map(except).collect(),
        }
    }

    /// Whether a normalized name belongs to this index whether or not it is used (PEP 752).
    pub(super) fn reserves(&self, name: &str) -> bool {
        let below = |prefix: &String| {
            name.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.reserved.iter().any(below)
    }

    pub(super) fn at(&self, now: Timestamp) -> CoolDown {
        CoolDown { rules: self.clone(), now }
    }
}

impl CoolDown {
    /// Whether a file is old enough. One without a time is not, as long as there is a rule.
    pub(super) fn passes(&self, name: &str, version: &Version, uploaded: Option<&str>) -> bool {
        if self.rules.cool_down.is_zero() {
            return true;
        }
        let excepted = |(project, only): &(String, Option<Version>)| {
            project == name && only.as_ref().is_none_or(|only| only == version)
        };
        if self.rules.except.iter().any(excepted) {
            return true;
        }
        let uploaded = uploaded.and_then(|text| text.parse::<Timestamp>().ok());
        uploaded.is_some_and(|uploaded| self.now.duration_since(uploaded) >= self.rules.cool_down)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn i10_a_prefix_reserves_itself_and_what_is_below() {
        let reserved = vec!["Acme".parse().unwrap(), "lab.tools".parse().unwrap()];
        let rules = Rules::new(&UpstreamRules { reserved, ..UpstreamRules::default() });
        for (name, expected) in [
            ("acme", true),
            ("acme-core", true),
            ("acmecore", false),
            ("not-acme", false),
            ("lab-tools", true),
            ("lab-tools-x", true),
            ("lab", false),
        ] {
            assert_eq!(rules.reserves(name), expected, "{name}");
        }
    }

    #[test]
    fn i10_young_files_wait() {
        let rules = Rules::new(&UpstreamRules {
            cool_down: Duration::from_secs(7 * 86_400),
            cool_down_except: vec!["Urgent".into(), "fixed==1.0.1".into(), "broken==nonsense".into()],
            ..UpstreamRules::default()
        });
        let now = rules.at("2030-01-10T00:00:00Z".parse().unwrap());
        let version = |text: &str| text.parse::<Version>().unwrap();
        let passes = |name: &str, text: &str, time: Option<&str>| now.passes(name, &version(text), time);
        let (young, old) = (Some("2030-01-09T00:00:00Z"), Some("2030-01-03T00:00:00.000000Z"));
        assert!(passes("demo", "1.0", old));
        assert!(!passes("demo", "1.0", young));
        assert!(!passes("demo", "1.0", None));
        assert!(!passes("demo", "1.0", Some("yesterday")));
        assert!(passes("urgent", "1.0", young));
        assert!(passes("fixed", "1.0.1", young) && !passes("fixed", "1.0.2", young));
        assert!(!passes("broken", "1.0", young));
        let off = Rules::new(&UpstreamRules::default()).at(Timestamp::UNIX_EPOCH);
        assert!(off.passes("demo", &version("1.0"), None));
    }
}
