//! Tiles: the hashes of a log in files of at most 256, and bundles of its entries (C2SP tlog-tiles).

use super::{Hash, Hashes, node_hash};

/// The size of a hash in a tile.
pub const HASH_SIZE: usize = 32;
/// How many hashes or entries a full tile or bundle holds.
pub const ENTRIES_IN_TILE: u64 = 256;
/// The longest leaf: bundles give its length in two bytes.
pub const MAX_LEAF: usize = 0xffff;

/// A tile, or a bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// The level of tiles, 0 at the leaves; none for a bundle of entries.
    pub level: Option<u8>,
    /// The position at its level.
    pub index: u64,
    /// How many hashes or entries it holds, 1 to 256.
    pub width: u16,
}

/// A tile or bundle that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Bytes that are no whole number of hashes, or entries that end early.
    #[error("`{path}` is damaged: {why}")]
    Damaged {
        /// The tile's path.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A tile that cannot be had.
    #[error("`{path}` cannot be read: {why}")]
    Missing {
        /// The tile's path.
        path: String,
        /// Why.
        why: String,
    },
}

impl Tile {
    /// The path below the log's root: `tile/<level>/<index>[.p/<width>]`, three digits a part.
    pub fn path(&self) -> String {
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let level = self.level.map_or("entries".to_owned(), |level| level.to_string());
        let partial = if u64::from(self.width) < ENTRIES_IN_TILE {
            format!(".p/{}", self.width)
        } else {
            String::new()
        };
        format!("tile/{level}/{number}{partial}")
    }

    /// Reads a path below the log's root.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (level, rest) = rest.split_once('/')?;
        let level = match level {
            "entries" => None,
            digits => Some(digits.parse().ok().filter(|level| *level < 8)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..256).contains(width))?),
            None => (rest, 256),
        };
        let mut index: u64 = 0;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let is_number = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok().filter(|_| is_number)?)?;
        }
        let tile = Self { level, index, width };
        // One spelling for each tile.
        (tile.path() == path).then_some(tile)
    }
}

/// The tiles and bundles that a log of `new` leaves has and one of `old` leaves had not, partial ones included.
pub fn tiles_of(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut add = |level: Option<u8>, old: u64, new: u64| {
        for index in (old / ENTRIES_IN_TILE)..new.div_ceil(ENTRIES_IN_TILE) {
            let width = (new - index * ENTRIES_IN_TILE).min(ENTRIES_IN_TILE);
            tiles.push(Tile { level, index, width: u16::try_from(width).unwrap_or(256) });
        }
    };
    if old >= new {
        return tiles;
    }
    add(None, old, new);
    for level in 0..8_u8 {
        let (old, new) = (old >> (8 * u32::from(level)), new >> (8 * u32::from(level)));
        if new > old {
            add(Some(level), old, new);
        }
    }
    tiles
}

/// A bundle: each entry after its length in two bytes, big-endian.
///
/// # Errors
/// The position of an entry that is longer than [`MAX_LEAF`].
pub fn entry_bundle<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let length = u16::try_from(entry.len()).map_err(|_| at)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle.
///
/// # Errors
/// When the bytes end inside an entry, or hold another number of entries than the tile's width.
pub fn entries_of<'b>(tile: &Tile, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, TileError> {
    let damaged = |why: String| TileError::Damaged { path: tile.path(), why };
    let mut entries = Vec::with_capacity(usize::from(tile.width));
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let entry = after.get(..length).ok_or_else(|| damaged("it ends inside an entry".to_owned()))?;
        entries.push(entry);
        rest = &after[length..];
    }
    if !rest.is_empty() || entries.len() != usize::from(tile.width) {
        return Err(damaged(format!("it holds {} entries, expected {}", entries.len(), tile.width)));
    }
    Ok(entries)
}

/// Hashes of subtrees out of the tiles of a log of some size; `read` gives the bytes of a tile.
pub struct TileHashes<R> {
    size: u64,
    read: R,
}

impl<R: Fn(&Tile) -> Result<Vec<u8>, String>> TileHashes<R> {
    /// The hashes of a log of `size` leaves.
    pub fn new(size: u64, read: R) -> Self {
        Self { size, read }
    }

    fn tile(&self, level: u8, index: u64) -> Result<(Tile, Vec<u8>), TileError> {
        let at_level = self.size >> (8 * u32::from(level));
        let width = at_level.saturating_sub(index * ENTRIES_IN_TILE).min(ENTRIES_IN_TILE);
        let tile = Tile { level: Some(level), index, width: u16::try_from(width).unwrap_or(256) };
        let bytes = (self.read)(&tile).map_err(|why| TileError::Missing { path: tile.path(), why })?;
        if bytes.len() != usize::from(tile.width) * HASH_SIZE {
            let why =
                format!("it has {} bytes, expected {}", bytes.len(), usize::from(tile.width) * HASH_SIZE);
            return Err(TileError::Damaged { path: tile.path(), why });
        }
        Ok((tile, bytes))
    }
}

impl<R: Fn(&Tile) -> Result<Vec<u8>, String>> Hashes for TileHashes<R> {
    type Error = TileError;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, TileError> {
        // A tile at level T holds the hashes at level 8 T; what lies between is made of them.
        let (tile_level, above) = (level / 8, level % 8);
        let first = index << above;
        let (tile, bytes) = self.tile(tile_level, first / ENTRIES_IN_TILE)?;
        let at = usize::try_from(first % ENTRIES_IN_TILE).unwrap_or(0);
        let (hashes, _) = bytes.as_chunks::<HASH_SIZE>();
        let Some(slice) = hashes.get(at..at + (1 << above)) else {
            let why = format!("it does not reach hash {}", at + (1 << above));
            return Err(TileError::Damaged { path: tile.path(), why });
        };
        let mut row = slice.to_vec();
        while row.len() > 1 {
            row = row.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        Ok(row[0])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::tests::Memory;
    use super::super::{Frontier, consistency_proof, inclusion_proof, leaf_hash, verify_inclusion};
    use super::*;

    fn tile(level: u8, index: u64, width: u16) -> Tile {
        Tile { level: Some(level), index, width }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile(0, 0, 256).path(), "tile/0/000");
        assert_eq!(tile(0, 273, 112).path(), "tile/0/273.p/112");
        assert_eq!(tile(1, 1_234_067, 256).path(), "tile/1/x001/x234/067");
        assert_eq!(Tile { level: None, index: 1, width: 8 }.path(), "tile/entries/001.p/8");
        for path in ["tile/0/000", "tile/0/273.p/112", "tile/1/x001/x234/067", "tile/entries/001.p/8"] {
            assert_eq!(Tile::parse(path).map(|tile| tile.path()).as_deref(), Some(path));
        }
        for path in [
            "tile/0/00",
            "tile/8/000",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/0/001/000",
            "tile/0/x000/001",
            "tile/../x",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn seventy_thousand_leaves_have_the_tiles_that_the_specification_counts() {
        let tiles = tiles_of(0, 70_000);
        let count =
            |level, width| tiles.iter().filter(|tile| tile.level == level && tile.width == width).count();
        assert_eq!((count(Some(0), 256), count(Some(0), 112)), (273, 1));
        assert_eq!((count(Some(1), 256), count(Some(1), 17)), (1, 1));
        assert_eq!(count(Some(2), 1), 1);
        assert_eq!((count(None, 256), count(None, 112)), (273, 1));
        assert_eq!(tiles.iter().filter(|tile| tile.level > Some(2)).count(), 0);
        assert!(tiles_of(70_000, 70_000).is_empty());
        assert_eq!(tiles_of(256, 257), [Tile { level: None, index: 1, width: 1 }, tile(0, 1, 1)]);
        assert_eq!(tiles_of(255, 256).len(), 3, "a full tile gives the one above its hash");
    }

    /// The tiles of a log in memory, by path.
    fn tiles(memory: &Memory, size: u64) -> HashMap<String, Vec<u8>> {
        let mut all = HashMap::new();
        for tile in tiles_of(0, size).into_iter().filter(|tile| tile.level.is_some()) {
            let level = tile.level.unwrap();
            let hashes = (0..u64::from(tile.width))
                .flat_map(|at| memory.hash(level * 8, tile.index * ENTRIES_IN_TILE + at).unwrap());
            all.insert(tile.path(), hashes.collect());
        }
        all
    }

    #[test]
    fn proofs_out_of_tiles_are_those_out_of_memory_and_flipped_bytes_are_found() {
        for size in [1, 2, 255, 256, 257, 300, 1_025] {
            let memory = Memory::of(size);
            let stored = tiles(&memory, size);
            let read =
                |tile: &Tile| stored.get(&tile.path()).cloned().ok_or_else(|| "no such file".to_owned());
            let hashes = TileHashes::new(size, read);
            assert_eq!(Frontier::load(size, &hashes).unwrap(), memory.frontier);
            for index in (0..size).step_by(61) {
                assert_eq!(
                    inclusion_proof(index, size, &hashes).unwrap(),
                    inclusion_proof(index, size, &memory).unwrap()
                );
                assert_eq!(
                    consistency_proof(index, size, &hashes).unwrap(),
                    consistency_proof(index, size, &memory).unwrap()
                );
            }
        }
        let size = 300;
        let memory = Memory::of(size);
        let stored = tiles(&memory, size);
        let root = memory.frontier.root();
        for at in (0..256 * 32).step_by(37) {
            let mut broken = stored.clone();
            broken.get_mut("tile/0/000").unwrap()[at] ^= 1;
            let hashes = TileHashes::new(size, |tile: &Tile| Ok(broken[&tile.path()].clone()));
            let changed = Frontier::load(size, &hashes).unwrap().root() != root
                || (0..256_u64).any(|index| {
                    let proof = inclusion_proof(index, size, &hashes).unwrap();
                    let leaf = leaf_hash(&index.to_be_bytes());
                    verify_inclusion(&leaf, index, size, &root, &proof).is_err()
                });
            assert!(changed, "byte {at}");
        }
        let cut = TileHashes::new(size, |_: &Tile| Ok(vec![0; 31]));
        assert!(matches!(cut.hash(0, 0), Err(TileError::Damaged { .. })));
        let absent = TileHashes::new(size, |_: &Tile| Err("no such file".to_owned()));
        assert!(matches!(absent.hash(0, 0), Err(TileError::Missing { .. })));
    }

    #[test]
    fn bundles_hold_entries_with_their_lengths() {
        let tile = Tile { level: None, index: 0, width: 2 };
        let bytes = entry_bundle([b"ab".as_slice(), b""]).unwrap();
        assert_eq!(bytes, [0, 2, b'a', b'b', 0, 0]);
        assert_eq!(entries_of(&tile, &bytes).unwrap(), [b"ab".as_slice(), b""]);
        assert!(entries_of(&tile, &bytes[..3]).is_err());
        assert!(entries_of(&tile, &bytes[..4]).is_err());
        assert_eq!(entry_bundle([vec![0; MAX_LEAF + 1].as_slice()]), Err(0));
    }
}
