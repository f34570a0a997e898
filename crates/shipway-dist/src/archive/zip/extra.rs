//! Extra fields of zip headers (APPNOTE 4.5, 4.6).

use super::{u16_at, u64_at};

/// What the extra fields of a header say, as far as it matters here.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// The values of the zip64 field, in the order the standard gives.
    zip64: Option<Vec<u64>>,
    zip64_length: usize,
    /// The name in the Info-ZIP Unicode path field.
    pub(super) unicode_path: Option<Vec<u8>>,
}

/// The values of a header that zip64 may replace.
pub(super) struct Sized64 {
    pub(super) size: u64,
    pub(super) compressed: u64,
    pub(super) offset: Option<u64>,
}

impl Extra {
    /// Reads the extra fields; the error says what is malformed.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, String> {
        let mut extra = Self::default();
        while !bytes.is_empty() {
            if bytes.len() < 4 {
                return Err(format!("{} stray bytes after the last extra field", bytes.len()));
            }
            let (id, length) = (u16_at(bytes, 0), usize::from(u16_at(bytes, 2)));
            let Some(value) = bytes.get(4..4 + length) else {
                return Err(format!("extra field {id:#06x} is longer than the header"));
            };
            match id {
                0x0001 => {
                    if extra.zip64.is_some() {
                        return Err("the zip64 extra field stands there twice".to_owned());
                    }
                    if !matches!(length, 0 | 8 | 16 | 24 | 28) {
                        return Err(format!("a zip64 extra field of {length} bytes"));
                    }
                    extra.zip64 = Some((0..length / 8).map(|at| u64_at(value, at * 8)).collect());
                    extra.zip64_length = length;
                }
                0x7075 => {
                    if extra.unicode_path.is_some() {
                        return Err("the Unicode path extra field stands there twice".to_owned());
                    }
                    let name = value.get(5..).ok_or("a Unicode path extra field without a name")?;
                    extra.unicode_path = Some(name.to_vec());
                }
                _ => {}
            }
            bytes = &bytes[4 + length..];
        }
        Ok(extra)
    }

    /// Replaces the values that are the sentinel by those of the zip64 field.
    ///
    /// The field holds exactly the values whose header fields are the sentinel. Writers that always
    /// put both sizes into the local header are common; those must equal the plain values.
    pub(super) fn resolve(&self, values: &mut Sized64) -> Result<(), String> {
        const SENTINEL: u64 = 0xffff_ffff;
        let asked = [Some(values.size), Some(values.compressed), values.offset]
            .iter()
            .filter(|value| **value == Some(SENTINEL))
            .count();
        let Some(zip64) = &self.zip64 else {
            return if asked == 0 {
                Ok(())
            } else {
                Err("a value refers to a zip64 extra field that is not there".to_owned())
            };
        };
        if self.zip64_length == 28 {
            return Err("the zip64 extra field names a disk".to_owned());
        }
        if zip64.len() == asked {
            let mut next = zip64.iter().copied();
            for value in [Some(&mut values.size), Some(&mut values.compressed), values.offset.as_mut()]
                .into_iter()
                .flatten()
            {
                if *value == SENTINEL {
                    *value = next.next().unwrap_or(SENTINEL);
                }
            }
            return Ok(());
        }
        // Superfluous values are accepted only where they repeat what the header says.
        let plain = [Some(values.size), Some(values.compressed), values.offset];
        let repeats = asked == 0 && zip64.iter().zip(plain).all(|(value, plain)| plain == Some(*value));
        if repeats {
            Ok(())
        } else {
            Err(format!("the zip64 extra field holds {} values, the header asks for {asked}", zip64.len()))
        }
    }
}
