//! Which line made each block, kept aside from the blocks.
//!
//! An allocator with size classes gives a block whose size is that of its class, as all
//! powers of two are, no byte more. A tag behind such a block would have it be of the next
//! class, a quarter larger or twice as large. So what such a block would carry behind its
//! end is here instead: two bytes for each stretch of addresses, a granule, that is so
//! small that no two blocks of a size begin in the same one.
//!
//! The two bytes are the place of a line's id in [`LINES`]. Whatever has no place there,
//! which is a block made in a [scope](crate::scope::handle) and a line for which there is none
//! left, is [`WIDE`]: its tag is in a second table, as a whole.
//!
//! # Which blocks
//!
//! [`holds`] decides by the size alone, so that a thread that frees a block knows where its
//! owner is. A block of that size has at least as many bytes as its granule, and blocks
//! don't overlap, so that no two that are alive share an entry, whatever the allocator.
//!
//! # Memory
//!
//! The tables are [leaves](Leaf), mapped when the first block in their range of addresses
//! is made and never given back. They come from the system as zeroes, and a page of them
//! takes memory when something is written to it: from 64 bytes on that is 1/32 of the
//! blocks' addresses at the most. Where the system refuses one, its blocks have no owner,
//! and nothing else is different for them.
//!
//! # Order between threads
//!
//! An entry belongs to its block as the block's own bytes do. It is written before the
//! block is handed out, and read when the block is freed or resized, before the allocator
//! inside has it back. A program that frees a block on another thread has that happen
//! after its making, or it would race for the block's bytes, too; and an allocator that
//! gives the address away again has that happen after its freeing. So what is read is what
//! was written for this block, and the stores need no order of their own; they are atomic
//! for programs that free a block twice. The same goes for an id in [`LINES`], which was
//! there before its place was written to an entry. A leaf is published with its number in
//! it, and once there stays: all threads find the same one.
//!
//! Each step is one atomic operation after which the tables are whole, so that a child
//! which is forked in between has what it needs: a copy of all that was there.
#![allow(unsafe_code)] // Tables are mapped as zeroes, and have no other way.

use crate::count::tag::{self, Tag};
use crate::sys::leak::{Leaked, Zeroes, leak_zeroes};
use crate::sys::os;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Whether there is such a table on this platform: it takes room for addresses, and a
/// system that maps pages.
pub(crate) const IS_THERE: bool = cfg!(all(unix, target_pointer_width = "64"));

/// Granules are 8, 16, 32 or 64 bytes.
const SMALLEST_SHIFT: u32 = 3;
const LARGEST_SHIFT: u32 = 6;
const SHIFT_COUNT: usize = (LARGEST_SHIFT - SMALLEST_SHIFT + 1) as usize;

/// From here on, all blocks are here.
const ALL_FROM: usize = 1 << LARGEST_SHIFT;
/// From here on, none is: allocators have pages for such a block, and the class that a tag
/// would have it be of is one whose last pages nothing is written to.
const NONE_FROM: usize = 16 << 10;

const ENTRY_COUNT: usize = 1 << 20;
/// So many leaves are 512 GiB of blocks of 64 bytes and more.
const LEAF_COUNT: usize = 1 << 13;
/// How many places are looked at for a leaf or for a line.
const MOST_TRIES: usize = 64;

/// Says that the tag is in the second table. The line at this place in [`LINES`] is
/// [`NO_LINE`], once there is a tag in that table.
const WIDE: u16 = u16::MAX;
const NO_LINE: u32 = u32::MAX;

/// The owners of blocks in a range of addresses.
#[repr(C)] // The number is to be where entries are, and not far behind them.
struct Leaf {
    /// Which range it is: the address by the granule and the number of entries.
    number: AtomicUsize,
    wide: Leaked<WideLeaf>,
    entries: [AtomicU16; ENTRY_COUNT],
}

struct WideLeaf([AtomicU64; ENTRY_COUNT]);

// SAFETY: zeroes are integers, and a place that is empty.
unsafe impl Zeroes for Leaf {}
// SAFETY: zeroes are integers.
unsafe impl Zeroes for WideLeaf {}

/// By granule, and in each by number, or in one of the next places.
static LEAVES: [[Leaked<Leaf>; LEAF_COUNT]; SHIFT_COUNT] =
    [const { [const { Leaked::empty() }; LEAF_COUNT] }; SHIFT_COUNT];

/// The ids of lines that made blocks, each at the place that it hashes to or in one of the
/// next. The first is for no line, which is also what an entry says that was never written.
static LINES: [AtomicU32; 1 << 16] = [const { AtomicU32::new(tag::UNTRACKED) }; 1 << 16];

/// Whether there is a leaf.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// How many blocks have no owner since there was no memory for a leaf.
static DISOWNED_COUNT: AtomicU64 = AtomicU64::new(0);

/// How often the system has refused a leaf, and how often one was asked for since.
static REFUSED_COUNT: AtomicU32 = AtomicU32::new(0);

/// The sizes below [`ALL_FROM`] that are here, as bits: those that have less than the eight
/// bytes of a tag left in their class. Classes are 8 and multiples of 16.
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

/// Whether the owners of blocks of this size are here.
#[inline(always)]
pub(crate) const fn holds(size: usize) -> bool {
    let is_large = size.wrapping_sub(ALL_FROM) < NONE_FROM - ALL_FROM;
    let is_small = size < ALL_FROM && SMALL_SIZES >> size & 1 == 1;
    IS_THERE && (is_large || is_small)
}

/// Where a block's owner is.
#[derive(Clone, Copy)]
struct Place {
    leaves: &'static [Leaked<Leaf>; LEAF_COUNT],
    /// The number of its leaf.
    number: usize,
    index: usize,
}

impl Place {
    #[inline(always)]
    fn of(address: usize, size: usize) -> Self {
        if size >= ALL_FROM {
            Self::by_shift(address, LARGEST_SHIFT)
        } else {
            // At least the smallest, by what `holds` says.
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

    /// Its leaf, if that is where it is nearly always.
    #[inline(always)]
    fn leaf_at_once(&self) -> Option<&'static Leaf> {
        match self.leaves[self.number % LEAF_COUNT].get() {
            Some(leaf) if leaf.number() == self.number => Some(leaf),
            _ => None,
        }
    }

    /// Its leaf, if there is one.
    fn leaf(&self) -> Option<&'static Leaf> {
        for next in 0..MOST_TRIES {
            let leaf = self.leaves[(self.number + next) % LEAF_COUNT].get()?;
            if leaf.number() == self.number {
                return Some(leaf);
            }
        }
        None
    }

    /// Its leaf, which is made if there is none. Nothing if there is no memory for it, or
    /// no place among the others.
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
                    // Another thread may have been faster with one. Where that is the one
                    // that is looked for, this one's first page is lost.
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
        // Relaxed: others find it by `Leaked`, after this.
        leaf.number.store(number, Ordering::Relaxed);
        IS_USED.store(true, Ordering::Relaxed);
        Some(leaf)
    }

    #[inline(always)]
    fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed)
    }
}

/// Maps a table. A system that has refused one isn't asked again for each block.
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

/// The place in [`LINES`] that a line has if no other has it. Of no line, the first.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "these bits are left")]
fn home(line: u32) -> u16 {
    // 2^32 by the golden ratio.
    (line.wrapping_mul(0x9E37_79B9) >> 16) as u16
}

/// The place in [`LINES`] that a line has or gets, if there is one left near its own.
fn place_in_lines(line: u32) -> Option<u16> {
    if line == tag::UNTRACKED {
        return Some(0);
    }
    let mut number = home(line);
    for _ in 0..MOST_TRIES {
        if number != 0 && number != WIDE {
            let place = &LINES[usize::from(number)];
            let (none, order) = (tag::UNTRACKED, Ordering::Relaxed);
            // Looked at first, since an exchange that fails takes the place from other
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

/// Writes the owner of a new block, which is of a size that is [here](holds), unless that
/// takes long; whether it did.
#[inline(always)]
pub(crate) fn write_at_once(address: usize, size: usize, tag: Tag) -> bool {
    let place = Place::of(address, size);
    let number = home(tag.line());
    // Of a scope's block, the tag is no line alone.
    if tag.0 != u64::from(LINES[usize::from(number)].load(Ordering::Relaxed)) {
        return false;
    }
    let Some(leaf) = place.leaf_at_once() else {
        return false;
    };
    leaf.entries[place.index].store(number, Ordering::Relaxed);
    true
}

/// Writes the owner of a new block. Not if there is no memory for it: then the block is
/// nobody's, until it is written again.
pub(crate) fn write(address: usize, size: usize, tag: Tag) -> bool {
    let is_written = try_write(Place::of(address, size), tag).is_some();
    // What was never written is untracked, too.
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
    // Until all is written: an earlier block's may be there.
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

/// Reads the owner of a block, which is of a size that is [here](holds), unless that takes
/// long: then it is a tag that no line has.
#[inline(always)]
pub(crate) fn read_at_once(address: usize, size: usize) -> Tag {
    let place = Place::of(address, size);
    let line = place.leaf_at_once().map_or(NO_LINE, |leaf| {
        let number = leaf.entries[place.index].load(Ordering::Relaxed);
        LINES[usize::from(number)].load(Ordering::Relaxed)
    });
    Tag(line.into())
}

/// Reads the owner of a block, which is of a size that is [here](holds).
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

/// How many blocks of lines are untracked, since there was no memory for noting whose they
/// are.
pub(crate) fn disowned_count() -> u64 {
    DISOWNED_COUNT.load(Ordering::Relaxed)
}

/// Whether there is a table.
pub(crate) fn is_used() -> bool {
    IS_USED.load(Ordering::Relaxed)
}

/// How much memory the tables take: their pages that something was written to, as far as
/// the system keeps them in RAM. Nothing where it can't be known.
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
