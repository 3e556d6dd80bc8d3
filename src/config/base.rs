//! `base`: a word, or a section that also says which of the vendor's images.

use super::fields::{Section, one_of};
use super::raw::Marked;
use super::yaml::shown;
use crate::kinds::{Base, Release};
use crate::problems::Problems;

/// What is said about the base.
#[derive(Debug, Default)]
pub struct RawBase {
    pub name: Option<Marked<String>>,
    pub channel: Option<Marked<String>>,
    pub version: Option<Marked<String>>,
}

/// Reads `base`.
pub fn read(top: &mut Section, problems: &mut Problems) -> RawBase {
    let (name, section) = top.named("base", "base: {name: flatcar, channel: beta}", problems);
    let mut raw = RawBase { name, ..RawBase::default() };
    if let Some(mut section) = section {
        raw.channel = section.text("channel", problems);
        raw.version = section.text("version", problems);
    }
    raw
}

/// Which of the vendor's images it is; none for a base that hab builds.
pub fn release(base: Base, said: &RawBase, problems: &mut Problems) -> Option<Release> {
    let channels = base.channels();
    let Some(default) = channels.first() else {
        let keys = [("channel", &said.channel), ("version", &said.version)];
        for (key, said) in keys.into_iter().filter_map(|(key, said)| Some((key, said.as_ref()?))) {
            let message = format!("`base.{key}` means nothing for {}, which hab builds itself", base.name());
            problems.error(said.place, message, Some("remove it; hab.lock pins its packages".to_owned()));
        }
        return None;
    };
    let channel = match &said.channel {
        None => *default,
        Some(said) => channels.iter().find(|channel| **channel == said.value).copied().unwrap_or_else(|| {
            let message = format!("{} has no channel \"{}\"", base.name(), shown(&said.value));
            problems.error(said.place, message, Some(one_of(&said.value, channels)));
            *default
        }),
    };
    if let Some(said) = &said.version
        && !base.is_version(&said.value)
    {
        let message = format!("\"{}\" is no version of {}", shown(&said.value), base.name());
        problems.error(said.place, message, Some(format!("such as {}", base.example())));
    }
    Some(Release { channel, version: said.version.as_ref().map(|said| said.value.clone()) })
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn said(base: &str) -> String {
        read("hab.yaml", format!("lab: demo\nbase: {base}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    fn release(base: &str) -> Option<Release> {
        let reading = read("hab.yaml", format!("lab: demo\nbase: {base}\n").as_bytes(), &|_| Ok(()));
        assert_eq!(reading.problems.to_string(), "");
        reading.config.unwrap().release
    }

    #[test]
    fn a_word_is_the_newest_of_the_first_channel() {
        assert_eq!(release("debian"), None);
        assert_eq!(release("{name: debian}"), None);
        for base in ["flatcar", "fedora-coreos"] {
            assert_eq!(release(base), Some(Release { channel: "stable", version: None }));
        }
    }

    #[test]
    fn a_channel_and_a_version_can_be_said() {
        let of = |channel, version: Option<&str>| Some(Release { channel, version: version.map(str::to_owned) });
        assert_eq!(release("{name: flatcar, channel: lts}"), of("lts", None));
        assert_eq!(release("{name: flatcar, version: 4593.2.5}"), of("stable", Some("4593.2.5")));
        let fedora = release("{name: fedora-coreos, channel: next, version: 44.20260707.1.1}");
        assert_eq!(fedora, of("next", Some("44.20260707.1.1")));
    }

    #[test]
    fn every_mistake_is_at_its_place_with_what_there_is() {
        for (base, expected) in [
            ("flatcra", "2:7: error: `base` can't be \"flatcra\"\n"),
            ("flatcra", "did you mean `flatcar`?"),
            ("coreos", "there is: debian, flatcar, fedora-coreos"),
            ("{name: flatcar, channel: betta}", "2:32: error: flatcar has no channel \"betta\""),
            ("{name: flatcar, channel: betta}", "did you mean `beta`?"),
            ("{name: fedora-coreos, channel: lts}", "there is: stable, testing, next"),
            ("{name: flatcar, version: latest}", "2:32: error: \"latest\" is no version of flatcar"),
            ("{name: flatcar, version: ../1.2.3}", "such as 4593.2.5"),
            ("{name: flatcar, version: 4593.2}", "`base.version` must be text"),
            ("{name: fedora-coreos, version: 4593.2.5}", "such as 44.20260707.3.1"),
            ("{name: debian, channel: stable}", "2:31: error: `base.channel` means nothing for debian"),
            ("{channel: beta}", "2:1: error: the key `base.name` is missing"),
            ("{name: flatcar, chanel: beta}", "did you mean `channel`?"),
            ("[flatcar]", "`base` must be text, not a list"),
        ] {
            assert!(said(base).contains(expected), "{base}: {}", said(base));
        }
    }
}
