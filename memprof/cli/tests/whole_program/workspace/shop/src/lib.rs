use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// ```
/// assert_eq!(shop::basket(1).len(), 1);
/// ```
pub fn basket(count: usize) -> Vec<String> {
    (0..count).map(|_| "item".repeat(25)).collect() // basket
}

pub struct Counting { count: AtomicUsize }
impl Counting {
    pub const fn new() -> Self { Self { count: AtomicUsize::new(0) } }
    pub fn count(&self) -> usize { self.count.load(Ordering::Relaxed) }
}
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) { unsafe { System.dealloc(block, layout) } }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_basket_has_its_items() { assert_eq!(super::basket(3).len(), 3); }
}
