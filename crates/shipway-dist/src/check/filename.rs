//! Judges a filename: characters, length, kind, form, tags (checks 52 to 59).

use crate::filename::{DistributionFilename, Kind};
use crate::finding::{Findings, shown};
use crate::rules::filename as rules;

/// The longest filename, with the `.metadata` that is appended for the file beside it (PEP 658).
const LONGEST: usize = 255 - ".metadata".len();

/// Reads and judges a filename.
pub(crate) fn judge(filename: &str, findings: &mut Findings) -> Option<DistributionFilename> {
    let before = findings.count();
    if filename.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) || filename.starts_with('.') {
        findings.push(
            &rules::CHARACTERS,
            format!("`{}` holds a control character or a separator, or begins with a dot", shown(filename)),
        );
    }
    if filename.len() > LONGEST {
        findings.push(&rules::LENGTH, format!("{} bytes, at most {LONGEST} are allowed", filename.len()));
    }
    let kind = if filename.ends_with(".whl") {
        Kind::Wheel
    } else if filename.ends_with(".tar.gz") {
        Kind::Sdist
    } else {
        findings
            .push(&rules::EXTENSION, format!("`{}` ends in neither `.whl` nor `.tar.gz`", shown(filename)));
        return None;
    };
    if findings.count() > before {
        return None;
    }
    let rule = if kind == Kind::Wheel { &rules::WHEEL } else { &rules::SDIST };
    let parsed = match filename.parse::<DistributionFilename>() {
        Ok(parsed) => parsed,
        Err(error) => {
            findings.push(rule, shown(&error.to_string()));
            return None;
        }
    };
    match kind {
        Kind::Sdist => check_sdist(&parsed, findings),
        Kind::Wheel => check_wheel(&parsed, findings),
    }
    Some(parsed)
}

fn check_sdist(parsed: &DistributionFilename, findings: &mut Findings) {
    let expected = format!("{}-{}.tar.gz", parsed.name.escaped(), parsed.version);
    if parsed.filename != expected {
        findings.add(&rules::SDIST, || {
            rules::SDIST
                .finding(format!("the filename is `{}`, expected `{expected}`", shown(&parsed.filename)))
                .differ(expected.as_str(), parsed.filename.as_str())
        });
    }
}

fn check_wheel(parsed: &DistributionFilename, findings: &mut Findings) {
    let expected = parsed.name.escaped();
    if parsed.name_part != expected {
        findings.add(&rules::NAME, || {
            rules::NAME
                .finding(format!("the name part is `{}`, expected `{expected}`", shown(&parsed.name_part)))
                .differ(expected.as_str(), parsed.name_part.as_str())
        });
    }
    let expected = parsed.version.to_string();
    if parsed.version_part != expected {
        findings.add(&rules::VERSION_FORM, || {
            rules::VERSION_FORM
                .finding(format!(
                    "the version part is `{}`, expected `{expected}`",
                    shown(&parsed.version_part)
                ))
                .differ(expected.as_str(), parsed.version_part.as_str())
        });
    }
    let known: [fn(&str) -> bool; 3] = [is_python_tag, is_abi_tag, is_platform_tag];
    for ((set, is_known), what) in parsed.tags.iter().zip(known).zip(["python", "ABI", "platform"]) {
        let tags: Vec<&str> = set.split('.').collect();
        for tag in &tags {
            if tag.starts_with("linux_") && what == "platform" {
                findings.push(&rules::LINUX_TAG, format!("platform tag `{}`", shown(tag)));
            } else if !is_known(tag) {
                findings.push(&rules::TAG, format!("unknown {what} tag `{}`", shown(tag)));
            }
        }
        if !tags.is_sorted_by(|left, right| left < right) {
            findings.push(
                &rules::TAG_ORDER,
                format!("the {what} tags `{}` are unsorted or repeated", shown(set)),
            );
        }
    }
}

/// An interpreter and its version: `py3`, `cp313`, `pp310`, `graalpy311`.
fn is_python_tag(tag: &str) -> bool {
    let letters = tag.bytes().take_while(u8::is_ascii_lowercase).count();
    let version = &tag[letters..];
    matches!(&tag[..letters], "py" | "cp" | "pp" | "ip" | "jy" | "graalpy")
        && version.split('_').all(is_number)
}

fn is_abi_tag(tag: &str) -> bool {
    if matches!(tag, "none" | "abi3" | "abi3t") {
        return true;
    }
    if let Some(rest) = tag.strip_prefix("cp") {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        return digits > 0 && rest[digits..].bytes().all(|flag| matches!(flag, b'm' | b'd' | b'u' | b't'));
    }
    tag.split_once('_').is_some_and(|(left, right)| {
        ["pypy", "graalpy", "pp"].iter().any(|name| left.starts_with(name))
            && !right.is_empty()
            && right.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn is_platform_tag(tag: &str) -> bool {
    if matches!(
        tag,
        "any" | "win32" | "win_amd64" | "win_arm64" | "win_arm32" | "wasm32" | "wasi_0_0_0_wasm32"
    ) {
        return true;
    }
    for legacy in ["manylinux1_", "manylinux2010_", "manylinux2014_"] {
        if let Some(machine) = tag.strip_prefix(legacy) {
            return is_machine(machine);
        }
    }
    // Platforms with a version of two numbers before the machine.
    for prefix in ["manylinux_", "musllinux_", "macosx_", "ios_", "pyodide_", "pyemscripten_", "emscripten_"]
    {
        if let Some(rest) = tag.strip_prefix(prefix) {
            let mut parts = rest.splitn(3, '_');
            return parts.next().is_some_and(is_number)
                && parts.next().is_some_and(is_number)
                && parts.next().is_some_and(is_machine);
        }
    }
    let android = tag.strip_prefix("android_").and_then(|rest| rest.split_once('_'));
    android.is_some_and(|(level, machine)| is_number(level) && is_machine(machine))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_machine(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(filename: &str) -> Vec<String> {
        let mut findings = Findings::default();
        judge(filename, &mut findings);
        findings.finish(true).into_iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn accepts_what_installers_accept() {
        for filename in [
            "demo-1.0.tar.gz",
            "my_demo-1.0rc1.tar.gz",
            "demo-1.0-py3-none-any.whl",
            "demo-1.0-1-py2.py3-none-any.whl",
            "demo-1.0+local.1-cp313-cp313t-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
            "demo-1.0-cp39-abi3-macosx_10_12_x86_64.whl",
            "demo-1.0-pp310-pypy310_pp73-win_amd64.whl",
            "demo-1.0-cp313-cp313-ios_13_0_arm64_iphoneos.whl",
            "demo-1.0-cp313-cp313-android_21_arm64_v8a.whl",
            "demo-1.0-cp312-cp312-pyodide_2024_0_wasm32.whl",
            "demo-1.0-graalpy311-graalpy242_311_native-musllinux_1_2_aarch64.whl",
        ] {
            assert_eq!(ids(filename), Vec::<String>::new(), "{filename}");
        }
    }

    #[test]
    fn refuses_each_defect_with_its_own_identifier() {
        for (filename, id) in [
            ("demo\n-1.0.tar.gz", "filename-characters-52"),
            (".demo-1.0.tar.gz", "filename-characters-52"),
            (&format!("{}-1.0.tar.gz", "d".repeat(250)), "filename-length-52"),
            ("demo-1.0.zip", "filename-extension-53"),
            ("demo-1.0.tar.bz2", "filename-extension-53"),
            ("My.Demo-1.0.tar.gz", "filename-sdist-54"),
            ("demo-1.0.0-rc1.tar.gz", "filename-sdist-54"),
            ("demo.tar.gz", "filename-sdist-54"),
            ("demo-1.0-py3-none.whl", "filename-wheel-55"),
            ("demo-1.0-x1-py3-none-any.whl", "filename-wheel-55"),
            ("Demo-1.0-py3-none-any.whl", "filename-name-56"),
            ("demo-01.0-py3-none-any.whl", "filename-version-form-57"),
            ("demo-1.0-py3-none-solaris.whl", "filename-tag-58"),
            ("demo-1.0-cp313-cp313-linux_x86_64.whl", "filename-linux-tag-58"),
            ("demo-1.0-py3.py2-none-any.whl", "filename-tag-order-59"),
        ] {
            assert_eq!(ids(filename), [id], "{filename}");
        }
    }
}
