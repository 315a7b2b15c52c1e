//! Tags kept *aside*: in side tables, separate from the blocks that they belong to.
//!
//! An allocator with size classes has no byte to spare behind a block that fills its class, as all
//! powers of two do. A tag behind such a block would push it into the next class, a quarter larger
//! or twice as large. So the tags of such blocks are here: two bytes for each *granule*, a range of
//! addresses that is so small that no two blocks of a size begin in the same one.
//!
//! The two bytes are an *entry*: the index of a line's id in [`LINES`]. A block that was allocated
//! in a [scope](crate::scope::handle), or whose line finds no free place in `LINES`, has the entry
//! [`WIDE`], and its whole tag in a second table.
//!
//! # Which blocks
//!
//! [`holds`] decides by the size alone, so that a thread that frees a block knows where its tag is.
//! A block of such a size is at least as large as its granule, and blocks don't overlap, so no two
//! live blocks share an entry, whatever the allocator.
//!
//! # Memory
//!
//! The tables are [leaves](Leaf): each covers a range of addresses, is mapped when the first block
//! there is allocated, and is never given back. The system provides leaves as zeroes, and a page
//! takes memory only when it is written to: for sizes from 64 bytes, at most 1/32 of the blocks'
//! addresses. If the system refuses a leaf, its blocks are untracked; nothing else changes for
//! them.
//!
//! # Ordering
//!
//! An entry belongs to its block as the block's own bytes do. It is written before the block is
//! handed out, and read when the block is freed or resized, before the inner allocator gets it
//! back. In a program without data races, the allocation happens before a free on another thread;
//! and an allocator that reuses an address does so after its free. So what is read is what was
//! written for this block, and the stores need no ordering of their own. They are atomic for
//! programs that free a block twice. The same holds for a line's id in [`LINES`], which was there
//! before its index was written to an entry. A leaf is published with its number in it, and stays
//! once published: all threads find the same one.
//!
//! # Forks
//!
//! Each step is one atomic operation after which the tables are consistent, so a child that is
//! forked in between has a usable copy of all that was there.
//!
//! # What may not happen here
//!
//! Reading and writing tags happens inside the allocator: it doesn't allocate from it, lock, wait
//! or panic.
#![allow(unsafe_code)] // Tables are mapped as zeroes, and have no other way.

use crate::count::tag::{self, Tag};
use crate::sys::leak::{Leaked, Zeroes, leak_zeroes};
use crate::sys::os;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Whether this platform has side tables: they need a large address space, and a system that maps
/// pages.
pub(crate) const IS_THERE: bool = cfg!(all(unix, target_pointer_width = "64"));

/// Granules have 8, 16, 32 or 64 bytes.
const SMALLEST_SHIFT: u32 = 3;
const LARGEST_SHIFT: u32 = 6;
const SHIFT_COUNT: usize = (LARGEST_SHIFT - SMALLEST_SHIFT + 1) as usize;

/// Blocks of at least this many bytes are held, up to `NONE_FROM`.
const ALL_FROM: usize = 1 << LARGEST_SHIFT;
/// Blocks of at least this many bytes are not held: they have pages of their own. With a tag they
/// fall into a larger class, but its extra pages are never touched, so they take no memory.
const NONE_FROM: usize = 16 << 10;

const ENTRY_COUNT: usize = 1 << 20;
/// This many leaves cover 512 GiB of blocks of 64 bytes and more.
const LEAF_COUNT: usize = 1 << 13;
/// How many places are examined for a leaf or for a line.
const MOST_TRIES: usize = 64;

/// The entry of a block whose tag is in the second table. The id at this index of [`LINES`] is
/// [`NO_LINE`] once that table has a tag.
const WIDE: u16 = u16::MAX;
const NO_LINE: u32 = u32::MAX;

/// The entries of blocks in a range of addresses.
#[repr(C)] // Keeps the number beside the first entries, not far behind them.
struct Leaf {
    /// Which range it is: the address divided by the granule's size and by the number of entries.
    number: AtomicUsize,
    wide: Leaked<WideLeaf>,
    entries: [AtomicU16; ENTRY_COUNT],
}

struct WideLeaf([AtomicU64; ENTRY_COUNT]);

// SAFETY: all bytes 0 are valid integers, and an empty `Leaked`.
unsafe impl Zeroes for Leaf {}
// SAFETY: all bytes 0 are valid integers.
unsafe impl Zeroes for WideLeaf {}

/// The leaves by granule size, each at its number modulo the array's length, or in one of the
/// places after it.
static LEAVES: [[Leaked<Leaf>; LEAF_COUNT]; SHIFT_COUNT] =
    [const { [const { Leaked::empty() }; LEAF_COUNT] }; SHIFT_COUNT];

/// The ids of lines that have allocated blocks, each at the index that it hashes to or at one of
/// the next. Index 0 is for no line, which is also what an entry says that was never written.
static LINES: [AtomicU32; 1 << 16] = [const { AtomicU32::new(tag::UNTRACKED) }; 1 << 16];

/// Whether any leaf was mapped.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// How many blocks became untracked because there was no memory for a leaf.
static DISOWNED_COUNT: AtomicU64 = AtomicU64::new(0);

/// Refusals of the system, plus tables that were needed since: the system isn't asked each time.
static REFUSED_COUNT: AtomicU32 = AtomicU32::new(0);

/// The sizes below [`ALL_FROM`] that are held, as bits: those that leave fewer than the eight bytes
/// of a tag in their class. Classes are 8 and multiples of 16.
const SMALL_SIZES: u64 = {
    let mut sizes = 0;
    let mut size = 1 << SMALLEST_SHIFT;
    while size < ALL_FROM {
        let is_full = size == 8 || (size - 1) % 16 >= 8;
        if is_full {
            sizes |= 1 << size;
        }
        size += 1;
    }
    sizes
};

/// Whether the tags of blocks of this size are kept here.
#[inline(always)]
pub(crate) const fn holds(size: usize) -> bool {
    let is_large = size.wrapping_sub(ALL_FROM) < NONE_FROM - ALL_FROM;
    let is_small = size < ALL_FROM && SMALL_SIZES >> size & 1 == 1;
    IS_THERE && (is_large || is_small)
}

/// Where a block's entry is.
#[derive(Clone, Copy)]
struct Place {
    leaves: &'static [Leaked<Leaf>; LEAF_COUNT],
    /// The number of the entry's leaf.
    number: usize,
    index: usize,
}

impl Place {
    #[inline(always)]
    fn of(address: usize, size: usize) -> Self {
        if size >= ALL_FROM {
            Self::by_shift(address, LARGEST_SHIFT)
        } else {
            // At least the smallest granule: `holds` is false for smaller sizes.
            Self::by_shift(address, (size | 1 << SMALLEST_SHIFT).ilog2())
        }
    }

    #[inline(always)]
    fn by_shift(address: usize, shift: u32) -> Self {
        let granule = address >> shift;
        Self {
            leaves: &LEAVES[(shift - SMALLEST_SHIFT) as usize % SHIFT_COUNT],
            number: granule / ENTRY_COUNT,
            index: granule % ENTRY_COUNT,
        }
    }

    /// The block's leaf, if it is in its first place, as nearly always.
    #[inline(always)]
    fn leaf_at_once(&self) -> Option<&'static Leaf> {
        match self.leaves[self.number % LEAF_COUNT].get() {
            Some(leaf) if leaf.number() == self.number => Some(leaf),
            _ => None,
        }
    }

    /// The block's leaf, if there is one.
    fn leaf(&self) -> Option<&'static Leaf> {
        for next in 0..MOST_TRIES {
            let leaf = self.leaves[(self.number + next) % LEAF_COUNT].get()?;
            if leaf.number() == self.number {
                return Some(leaf);
            }
        }
        None
    }

    /// The block's leaf, mapped if there is none. `None` if there is no memory for it, or no place
    /// for it among the others.
    fn leaf_or_new(&self) -> Option<&'static Leaf> {
        let mut new = None;
        for next in 0..MOST_TRIES {
            let place = &self.leaves[(self.number + next) % LEAF_COUNT];
            let leaf = match place.get() {
                Some(leaf) => leaf,
                None => {
                    let mine = match new {
                        Some(mine) => mine,
                        None => Leaf::map(self.number)?,
                    };
                    // Another thread may have set one first. If it is the leaf we need, the first
                    // page of ours is lost.
                    new = Some(mine);
                    place.set(mine)
                }
            };
            if leaf.number() == self.number {
                return Some(leaf);
            }
        }
        None
    }
}

impl Leaf {
    fn map(number: usize) -> Option<&'static Self> {
        let leaf: &Self = map()?;
        // Relaxed: other threads find the leaf through `Leaked`, which publishes it.
        leaf.number.store(number, Ordering::Relaxed);
        IS_USED.store(true, Ordering::Relaxed);
        Some(leaf)
    }

    #[inline(always)]
    fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed)
    }
}

/// Maps a table. After the system has refused one, it is asked again only once in `PATIENCE` times.
fn map<T: Zeroes + Sync>() -> Option<&'static T> {
    const PATIENCE: u32 = 1024;
    if REFUSED_COUNT.load(Ordering::Relaxed) != 0 {
        let count = REFUSED_COUNT.fetch_add(1, Ordering::Relaxed);
        if !count.is_multiple_of(PATIENCE) {
            return None;
        }
    }
    let table = leak_zeroes();
    if table.is_none() {
        REFUSED_COUNT.fetch_add(1, Ordering::Relaxed);
    }
    table
}

/// The index in [`LINES`] that a line hashes to. 0 for no line.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "these bits are left")]
fn home(line: u32) -> u16 {
    // 2^32 divided by the golden ratio.
    (line.wrapping_mul(0x9E37_79B9) >> 16) as u16
}

/// The index in [`LINES`] that a line has or gets, if one is free near the one it hashes to.
fn place_in_lines(line: u32) -> Option<u16> {
    if line == tag::UNTRACKED {
        return Some(0);
    }
    let mut number = home(line);
    for _ in 0..MOST_TRIES {
        if number != 0 && number != WIDE {
            let place = &LINES[usize::from(number)];
            let (none, order) = (tag::UNTRACKED, Ordering::Relaxed);
            // Loaded first, since a failed exchange would take the cache line from other
            // processors, too.
            let there = match place.load(order) {
                tag::UNTRACKED => match place.compare_exchange(none, line, order, order) {
                    Ok(_) => line,
                    Err(theirs) => theirs,
                },
                there => there,
            };
            if there == line {
                return Some(number);
            }
        }
        number = number.wrapping_add(1);
    }
    None
}

/// Writes a new block's tag if that is quick; whether it did. The block's size has to be
/// [held](holds).
#[inline(always)]
pub(crate) fn write_at_once(address: usize, size: usize, tag: Tag) -> bool {
    let place = Place::of(address, size);
    let number = home(tag.line());
    // The tag of a block that was allocated in a scope is more than a line's id, and never equal.
    if tag.0 != u64::from(LINES[usize::from(number)].load(Ordering::Relaxed)) {
        return false;
    }
    let Some(leaf) = place.leaf_at_once() else {
        return false;
    };
    leaf.entries[place.index].store(number, Ordering::Relaxed);
    true
}

/// Writes a new block's tag. Returns false if there is no memory for it: the block is untracked
/// then, until its tag is written again.
pub(crate) fn write(address: usize, size: usize, tag: Tag) -> bool {
    let is_written = try_write(Place::of(address, size), tag).is_some();
    // An entry that was never written is untracked, too.
    let is_right = is_written || tag == Tag::UNTRACKED;
    if !is_right {
        DISOWNED_COUNT.fetch_add(1, Ordering::Relaxed);
    }
    is_right
}

fn try_write(place: Place, tag: Tag) -> Option<()> {
    let leaf = place.leaf_or_new()?;
    let entry = &leaf.entries[place.index];
    let number = match tag.scope() {
        0 => place_in_lines(tag.line()),
        _ => None,
    };
    if let Some(number) = number {
        entry.store(number, Ordering::Relaxed);
        return Some(());
    }
    // Untracked until everything is written: the entry may still be an earlier block's.
    entry.store(0, Ordering::Relaxed);
    let wide = match leaf.wide.get() {
        Some(wide) => wide,
        None => leaf.wide.set(map()?),
    };
    LINES[usize::from(WIDE)].store(NO_LINE, Ordering::Relaxed);
    wide.0[place.index].store(tag.0, Ordering::Relaxed);
    entry.store(WIDE, Ordering::Relaxed);
    Some(())
}

/// Reads a block's tag if that is quick, else returns a tag that no line has. The block's size has
/// to be [held](holds).
#[inline(always)]
pub(crate) fn read_at_once(address: usize, size: usize) -> Tag {
    let place = Place::of(address, size);
    let line = place.leaf_at_once().map_or(NO_LINE, |leaf| {
        let number = leaf.entries[place.index].load(Ordering::Relaxed);
        LINES[usize::from(number)].load(Ordering::Relaxed)
    });
    Tag(line.into())
}

/// Reads a block's tag. The block's size has to be [held](holds).
pub(crate) fn read(address: usize, size: usize) -> Tag {
    let place = Place::of(address, size);
    let Some(leaf) = place.leaf() else {
        return Tag::UNTRACKED;
    };
    match leaf.entries[place.index].load(Ordering::Relaxed) {
        WIDE => leaf.wide.get().map_or(Tag::UNTRACKED, |wide| {
            Tag(wide.0[place.index].load(Ordering::Relaxed))
        }),
        number => Tag(LINES[usize::from(number)].load(Ordering::Relaxed).into()),
    }
}

/// How many blocks of lines are untracked because there was no memory for their tags.
pub(crate) fn disowned_count() -> u64 {
    DISOWNED_COUNT.load(Ordering::Relaxed)
}

/// Whether there is any table.
pub(crate) fn is_used() -> bool {
    IS_USED.load(Ordering::Relaxed)
}

/// How much memory the tables take, in bytes: their pages that the system keeps in RAM. `None`
/// where that isn't known.
pub(crate) fn resident_bytes() -> Option<u64> {
    let leaves = LEAVES.iter().flatten().filter_map(Leaked::get);
    leaves
        .map(|leaf| {
            let wide = leaf.wide.get().map(os::resident_bytes_of);
            Some(os::resident_bytes_of(leaf)? + wide.unwrap_or(Some(0))?)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_here_if_its_class_has_no_room_for_a_tag() {
        let here: Vec<usize> = (0..ALL_FROM).filter(|size| holds(*size)).collect();
        if IS_THERE {
            let full = (25..=32).chain(41..=48).chain(57..=63);
            let expected: Vec<usize> = [8].into_iter().chain(9..=16).chain(full).collect();
            assert_eq!(here, expected);
            assert!((ALL_FROM..NONE_FROM).all(holds));
            assert!(
                ![NONE_FROM, 1 << 20, isize::MAX as usize]
                    .into_iter()
                    .any(holds)
            );
        }
    }
}
