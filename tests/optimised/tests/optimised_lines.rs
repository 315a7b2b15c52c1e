//! The probe of a line is the store of a number, which the compiler could move past an allocation
//! or leave out, if it knew everything about the program. Here it knows as much as it ever does:
//! the allocator, memprof and the program are optimised together.

use memprof::memprofile;
use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::rc::Rc;

#[global_allocator]
static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();

#[derive(Debug, Default)]
struct Kept {
    boxes: Vec<Box<u64>>,
    texts: Vec<String>,
    numbers: Vec<Vec<u8>>,
    maps: Vec<BTreeMap<u8, Box<u8>>>,
    shared: Vec<Rc<[u16]>>,
    hashes: Vec<HashMap<u8, u8>>,
}

/// Each line says how many bytes it allocates, without what the lists grow by.
#[memprofile(print = "never")]
#[rustfmt::skip]
fn allocates(length: usize, kept: &mut Kept) {
    let first = Box::new(1); // 8
    let second = Box::new(length as u64); // 8
    kept.boxes.push(first);
    let zeroes = vec![0_u8; length]; // 100
    let ones = vec![1_u8; length]; // 100
    let mut room = Vec::with_capacity(length); // 100
    room.extend_from_slice(&ones);
    kept.numbers.extend([zeroes, ones]);
    room.reserve_exact(2 * length); // 200
    kept.numbers.push(room);
    let text = "x".repeat(length); // 100
    let longer = text.clone() + "y"; // 200
    kept.texts.extend([text, longer]);
    for number in 0..3 {
        let shared: Rc<[u16]> = vec![number; 4].into(); // 96
        kept.shared.push(shared);
    }
    let boxed = |number: u8| Box::new(number); // 2
    let map = BTreeMap::from([(1, boxed(1)), (2, boxed(2))]); // map
    kept.maps.push(map);
    if length > 50 {
        kept.boxes.push(second);
    } else {
        kept.texts.push("a".repeat(5)); // 0
    }
    let squares: u64 = (0..length as u64).map(|number| number * number).sum();
    let parsed = match squares % 2 {
        0 => format!("{squares:>10}"), // text
        _ => "odd".to_owned(), // 0
    };
    kept.texts.push(parsed);
    let mut hashes = HashMap::new();
    hashes.insert(1, 2); // hash
    kept.hashes.push(hashes);
    grows(length, kept);
}

#[memprofile(print = "never")]
#[rustfmt::skip]
fn grows(length: usize, kept: &mut Kept) {
    let before: usize = kept.numbers.iter().map(Vec::len).sum();
    for number in &mut kept.numbers {
        number.shrink_to_fit();
        number.reserve_exact(length); // 300
    }
    let after: usize = kept.numbers.iter().map(Vec::len).sum();
    assert_eq!(before, after);
}

#[test]
fn each_block_is_of_the_line_that_allocated_it() {
    let mut kept = Kept {
        boxes: Vec::with_capacity(10),
        texts: Vec::with_capacity(10),
        numbers: Vec::with_capacity(10),
        maps: Vec::with_capacity(10),
        shared: Vec::with_capacity(10),
        hashes: Vec::with_capacity(10),
    };
    allocates(black_box(100), black_box(&mut kept));

    let report = memprof::report();
    let mut lines_with_blocks = 0;
    for line in report.functions.iter().flat_map(|function| &function.lines) {
        let expected = line.source.rsplit_once("// ").map_or("0", |(_, bytes)| bytes);
        let allocated = line.own.allocated_bytes;
        lines_with_blocks += u32::from(allocated > 0);
        match expected.parse() {
            Ok(bytes) => assert_eq!(allocated, bytes, "{line:?}"),
            Err(_) => assert!(allocated > 0, "{line:?}"),
        }
    }
    assert_eq!(lines_with_blocks, 14);
    drop(kept);
    let alive = memprof::report();
    let alive = alive.functions.iter().flat_map(|function| &function.lines);
    assert!(alive.map(|line| line.own.live_bytes()).all(|bytes| bytes == 0));
}
