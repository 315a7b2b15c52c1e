//! Resident memory: how much of the process the kernel keeps in RAM.
//!
//! On Linux, it is read from `/proc/self/statm`, which is kept open: one `pread`, and a parse on
//! the stack. Opening the file each time costs six times that, and reading `/proc/self/smaps` a
//! hundred times. Elsewhere, and where `/proc` isn't mounted, it comes from the `memory-stats`
//! crate.

/// Returns how many bytes of this process are in RAM now, shared pages included.
///
/// The kernel counts pages. Recent Linux kernels are exact to the page; those from 6.2 to the
/// middle of 2025 rounded in steps of 128 KiB or more. `None` where the system doesn't report it.
///
/// ```
/// let before = memprof::resident_bytes();
/// let touched = vec![1_u8; 64 << 20];
/// # if before.is_some() {
/// assert!(memprof::resident_bytes() > before);
/// # }
/// # drop(touched);
/// ```
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    if let Some(bytes) = linux::resident_bytes() {
        return Some(bytes);
    }
    memory_stats::memory_stats().map(|stats| stats.physical_mem as u64)
}

/// Whether the kernel's number is exact to the page, which is determined once by touching pages.
/// `None` where that isn't known.
pub(crate) fn is_exact() -> Option<bool> {
    #[cfg(target_os = "linux")]
    return linux::is_exact();
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::sys::os;
    use std::fs::File;
    use std::io::ErrorKind;
    use std::os::fd::IntoRawFd;
    use std::sync::atomic::{AtomicI32, Ordering};
    use std::sync::{Once, OnceLock};

    const NOT_OPEN: i32 = -1;
    const UNAVAILABLE: i32 = -2;

    /// The descriptor of this process's `/proc/self/statm`, or one of the two constants.
    static STATM: AtomicI32 = AtomicI32::new(NOT_OPEN);

    /// Whether [`reopen_in_child`] was registered.
    static FORKS: Once = Once::new();

    pub(super) fn resident_bytes() -> Option<u64> {
        // Relaxed: a descriptor is a plain number that refers to no memory of ours.
        match STATM.load(Ordering::Relaxed) {
            UNAVAILABLE => None,
            NOT_OPEN => read(open()?),
            // Programs that close every descriptor, as daemons do, close this one, too, and may get
            // its number for another file.
            descriptor => read(descriptor).or_else(|| read(open()?)),
        }
    }

    fn read(descriptor: i32) -> Option<u64> {
        let mut buffer = [0; 128];
        let length = os::read_start(descriptor, &mut buffer)?;
        Some(parse_statm(buffer.get(..length)?)?.wrapping_mul(page_size()))
    }

    /// The second of the seven numbers, in pages.
    ///
    /// `None` if there aren't seven: then it was another file.
    pub(super) fn parse_statm(text: &[u8]) -> Option<u64> {
        let mut fields = text.strip_suffix(b"\n")?.split(|byte| *byte == b' ');
        let mut resident_pages = None;
        for index in 0..7 {
            let field = fields.next()?;
            if index == 1 {
                let number = |sum: u64, byte: &u8| {
                    let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
                    sum.checked_mul(10)?.checked_add(digit)
                };
                resident_pages = Some(
                    field
                        .iter()
                        .try_fold(0, number)
                        .filter(|_| !field.is_empty())?,
                );
            }
        }
        fields.next().is_none().then_some(())?;
        resident_pages
    }

    pub(super) fn is_exact() -> Option<bool> {
        const PAGES: usize = 16;
        static IS_EXACT: OnceLock<Option<bool>> = OnceLock::new();
        *IS_EXACT.get_or_init(|| {
            let mut readings = [0; PAGES + 1];
            let mut places = readings.iter_mut();
            let is_touched = os::touch_pages(PAGES, || {
                if let (Some(place), Some(bytes)) = (places.next(), resident_bytes()) {
                    *place = bytes;
                }
            });
            (is_touched && readings[0] > 0).then_some(!is_rounded(&readings))
        })
    }

    /// Whether most of the readings equal the one before, although a page was touched in between.
    ///
    /// By how much readings differ says nothing, since other threads touch pages meanwhile.
    pub(super) fn is_rounded(readings: &[u64]) -> bool {
        let pairs = readings.windows(2);
        let unchanged = readings
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .count();
        unchanged > pairs.len() / 2
    }

    fn page_size() -> u64 {
        static PAGE_SIZE: OnceLock<u64> = OnceLock::new();
        *PAGE_SIZE.get_or_init(os::page_size)
    }

    #[cold]
    fn open() -> Option<i32> {
        let file = match File::open("/proc/self/statm") {
            Ok(file) => file,
            Err(error) => {
                // With another error, such as no free descriptor, it may work next time.
                if error.kind() == ErrorKind::NotFound {
                    STATM.store(UNAVAILABLE, Ordering::Relaxed);
                }
                return None;
            }
        };
        FORKS.call_once(|| os::in_forked_children(reopen_in_child));
        let descriptor = file.into_raw_fd();
        match STATM.compare_exchange(NOT_OPEN, descriptor, Ordering::Relaxed, Ordering::Relaxed) {
            // Another thread opened it first.
            Err(theirs) if theirs >= 0 && read(theirs).is_some() => {
                os::close(descriptor);
                Some(theirs)
            }
            // The descriptor that was there is no longer ours, so it isn't closed.
            Err(_) => {
                STATM.store(descriptor, Ordering::Relaxed);
                Some(descriptor)
            }
            Ok(_) => Some(descriptor),
        }
    }

    /// The file belongs to the process that opened it: a child that kept it would read its parent's
    /// memory.
    extern "C" fn reopen_in_child() {
        let parents = STATM.swap(NOT_OPEN, Ordering::Relaxed);
        // Unless the number belongs to another file by now, see `resident_bytes`.
        if parents >= 0 && read(parents).is_some() {
            os::close(parents);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::{is_rounded, parse_statm};

    #[test]
    fn whether_the_kernel_is_exact_is_found_out() {
        assert!(super::is_exact().is_some());
    }

    #[test]
    fn numbers_that_stay_though_pages_are_touched_are_rounded() {
        assert!(is_rounded(&[64, 64, 64, 64, 96, 96, 96]));
        assert!(!is_rounded(&[64, 65, 66, 67, 68, 69, 70]));
    }

    #[test]
    fn numbers_that_other_threads_move_too_are_not_rounded() {
        assert!(!is_rounded(&[64, 67, 69, 70, 75, 70, 71]));
        assert!(!is_rounded(&[64, 65, 65, 66, 80, 81, 82]));
    }

    #[test]
    fn statm_gives_its_second_number() {
        assert_eq!(parse_statm(b"2048 613 512 3 0 300 0\n"), Some(613));
    }

    #[test]
    fn whatever_is_not_statm_gives_nothing() {
        let others: [&[u8]; 8] = [
            b"2048  512 3 0 300 0\n",
            b"",
            b"\n",
            b"2048 613\n",
            b"2048 613 512 3 0 300 0",
            b"2048 613 512 3 0 300 0 1\n",
            b"2048 -613 512 3 0 300 0\n",
            b"2048 99999999999999999999999 512 3 0 300 0\n",
        ];
        for other in others {
            assert_eq!(
                parse_statm(other),
                None,
                "{}",
                String::from_utf8_lossy(other)
            );
        }
    }
}
