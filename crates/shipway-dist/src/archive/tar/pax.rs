//! Extended headers: pax records (POSIX.1-2001) and GNU long names.

use crate::rules::Rule;
use crate::rules::framing as rules;

/// What extended headers say about the next member.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    seen: bool,
    pax: bool,
}

type Refusal = (&'static Rule, String);
type EachRecord<'e> = &'e mut dyn FnMut(&[u8], &[u8]) -> Result<(), Refusal>;

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err((&rules::TAR_EXTENSION, why.into()))
}

impl Extended {
    /// Whether none was added that speaks of the next member.
    pub(super) fn is_empty(&self) -> bool {
        !self.seen
    }

    /// Adds one extended header.
    pub(super) fn add(&mut self, kind: u8, content: &[u8]) -> Result<(), Refusal> {
        match kind {
            b'L' | b'K' => {
                self.seen = true;
                let name = content.strip_suffix(b"\0").unwrap_or(content);
                if name.contains(&0) {
                    return refuse("a NUL within a long name");
                }
                let place = if kind == b'L' { &mut self.path } else { &mut self.link };
                set(place, name.to_vec(), "name")
            }
            b'g' => records(content, &mut |key, value| match key {
                b"path" | b"linkpath" | b"size" | b"hdrcharset" => {
                    refuse(format!("a global header sets `{}`", String::from_utf8_lossy(key)))
                }
                key if key.starts_with(b"GNU.sparse") => {
                    Err((&rules::TAR_SPARSE, "a global header declares sparse members".to_owned()))
                }
                _ => check_number(key, value),
            }),
            _ => {
                if std::mem::replace(&mut self.pax, true) {
                    return refuse("two of them precede one member");
                }
                self.seen = true;
                let mut keys = Vec::new();
                records(content, &mut |key, value| {
                    if keys.iter().any(|known| known == key) {
                        return refuse(format!("`{}` twice", String::from_utf8_lossy(key)));
                    }
                    keys.push(key.to_vec());
                    if keys.len() > 200 {
                        return refuse("more than 200 records");
                    }
                    self.record(key, value)
                })
            }
        }
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        match key {
            b"path" => set(&mut self.path, value.to_vec(), "path"),
            b"linkpath" => set(&mut self.link, value.to_vec(), "link path"),
            b"size" => {
                let size = std::str::from_utf8(value).ok().filter(|text| is_decimal(text));
                let Some(size) = size.and_then(|text| text.parse().ok()) else {
                    return refuse("the size is no number");
                };
                if self.size.replace(size).is_some() {
                    return refuse("two sizes");
                }
                Ok(())
            }
            b"hdrcharset" if value != b"ISO-IR 10646 2000 UTF-8" => {
                refuse("a character set other than UTF-8")
            }
            key if key.starts_with(b"GNU.sparse") => {
                Err((&rules::TAR_SPARSE, "the member is sparse".to_owned()))
            }
            _ => check_number(key, value),
        }
    }
}

fn set(place: &mut Option<Vec<u8>>, value: Vec<u8>, what: &str) -> Result<(), Refusal> {
    if value.is_empty() {
        return refuse(format!("an empty {what}"));
    }
    if place.replace(value).is_some() { refuse(format!("the {what} is given twice")) } else { Ok(()) }
}

/// Refuses a time or an owner that is no number: GNU tar fails there, others read on.
fn check_number(key: &[u8], value: &[u8]) -> Result<(), Refusal> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let is_number = match key {
        b"atime" | b"ctime" | b"mtime" => {
            let time = text.strip_prefix('-').unwrap_or(text);
            let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
            is_decimal(whole) && is_decimal(fraction)
        }
        b"uid" | b"gid" => is_decimal(text) && text.parse::<u32>().is_ok(),
        _ => true,
    };
    if is_number { Ok(()) } else { refuse(format!("the {} is no number", String::from_utf8_lossy(key))) }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads `length key=value\n` records.
fn records(mut content: &[u8], each: EachRecord<'_>) -> Result<(), Refusal> {
    while !content.is_empty() {
        let digits = content.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = std::str::from_utf8(&content[..digits]).ok().and_then(|text| text.parse::<usize>().ok());
        let record = length
            .and_then(|length| content.get(..length))
            .filter(|record| record.get(digits) == Some(&b' ') && record.ends_with(b"\n"));
        let Some(record) = record.filter(|_| digits > 0 && content[0] != b'0') else {
            return refuse("a record without a correct length");
        };
        let body = &record[digits + 1..];
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let Some(equals) = body.iter().position(|&byte| byte == b'=').filter(|&at| at > 0) else {
            return refuse("a record without `key=value`");
        };
        each(&body[..equals], &body[equals + 1..])?;
        content = &content[record.len()..];
    }
    Ok(())
}
