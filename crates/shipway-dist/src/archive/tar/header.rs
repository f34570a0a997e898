//! One tar header block.

use super::BLOCK;

/// Which dialect a header is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Ustar,
    Gnu,
    V7,
}

/// A header as it stands there, without what extended headers say.
#[derive(Debug)]
pub(super) struct RawHeader {
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) kind: u8,
    pub(super) mode: u64,
    pub(super) size: u64,
    pub(super) format: Format,
}

impl RawHeader {
    /// Reads a block; the error says what is malformed.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, String> {
        let stated = number(&block[148..156]).map_err(|why| format!("checksum: {why}"))?;
        let sum = block.iter().map(|&byte| u64::from(byte)).sum::<u64>()
            - block[148..156].iter().map(|&byte| u64::from(byte)).sum::<u64>()
            + 8 * u64::from(b' ');
        if stated != sum {
            return Err(format!("checksum {stated} is stated, the bytes have {sum}"));
        }
        let format = match &block[257..265] {
            b"ustar\x0000" => Format::Ustar,
            b"ustar  \0" => Format::Gnu,
            // Some writers leave the version out; everybody reads it as ustar.
            magic if magic.starts_with(b"ustar\0") => Format::Ustar,
            magic if magic.iter().all(|&byte| byte == 0) => Format::V7,
            _ => return Err("the magic is not that of a tar header".to_owned()),
        };
        let field = |what: &str, range: std::ops::Range<usize>| {
            number(&block[range]).map_err(|why| format!("{what}: {why}"))
        };
        let mode = field("mode", 100..108)?;
        let size = field("size", 124..136)?;
        field("owner", 108..116)?;
        field("group", 116..124)?;
        signed(&block[136..148]).map_err(|why| format!("time: {why}"))?;
        field("device", 329..337)?;
        field("device", 337..345)?;
        let prefix = text(&block[345..500]);
        let mut name = text(&block[..100]).to_vec();
        if !prefix.is_empty() {
            // Some readers take these bytes for a prefix in every dialect, some only in this one.
            if format != Format::Ustar {
                return Err("the name has a prefix, which this dialect does not know".to_owned());
            }
            name = [prefix, b"/", &name].concat();
        }
        Ok(Self { name, link: text(&block[157..257]).to_vec(), kind: block[156], mode, size, format })
    }
}

/// The bytes up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A number: octal digits between blanks, or the GNU base-256 form.
fn number(field: &[u8]) -> Result<u64, String> {
    if field.first() == Some(&0x80) {
        return field[1..].iter().try_fold(0_u64, |number, &byte| {
            number
                .checked_mul(256)
                .map(|number| number | u64::from(byte))
                .ok_or_else(|| "the number is too large".to_owned())
        });
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().take_while(|byte| **byte == b' ').count();
    let digits = field[start..].iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    if !field[start + digits..].iter().all(is_blank) {
        return Err("not an octal number".to_owned());
    }
    field[start..start + digits].iter().try_fold(0_u64, |number, &digit| {
        number
            .checked_mul(8)
            .map(|number| number + u64::from(digit - b'0'))
            .ok_or_else(|| "the number is too large".to_owned())
    })
}

/// A number that may be negative in the base-256 form: a time before 1970.
fn signed(field: &[u8]) -> Result<(), String> {
    if field.first() == Some(&0xff) { Ok(()) } else { number(field).map(|_| ()) }
}
