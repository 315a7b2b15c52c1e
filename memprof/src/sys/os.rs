//! System calls: reading a file that stays open, notifications of forks and of the end of threads
//! and of the process, writing past `std`'s locks, signals.
//!
//! Each function does about one system call's worth of work; none keeps state of the profiler. On
//! systems other than Unix, functions do what `std` can, and on Windows what the C library can.

#[cfg(unix)]
pub(crate) use unix::*;

/// The stack pointer.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: the instruction copies a register, and changes nothing else.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}

/// An address in the current stack frame.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let place = 0_u8;
    std::ptr::from_ref(&place).addr()
}

#[cfg(unix)]
#[allow(unsafe_code)]
mod unix {
    use std::fs::File;
    use std::io::{self, Write};
    use std::mem::ManuallyDrop;
    use std::os::fd::{FromRawFd, RawFd};
    use std::ptr::{self, NonNull};

    /// The size of a page of memory, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn page_size() -> u64 {
        // SAFETY: `sysconf` takes any name and touches no memory of ours.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        u64::try_from(size).unwrap_or(4096)
    }

    /// Reads the beginning of the file `descriptor` into `buffer`, and returns how many bytes.
    ///
    /// `None` if `descriptor` isn't open for reading, or isn't a file.
    #[cfg(target_os = "linux")]
    pub(crate) fn read_start(descriptor: RawFd, buffer: &mut [u8]) -> Option<usize> {
        // SAFETY: the pointer and the length are those of one slice, which is borrowed for the
        // call; a bad descriptor makes the call fail.
        let length =
            unsafe { libc::pread(descriptor, buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        usize::try_from(length).ok()
    }

    /// Touches pages of fresh memory, one after the other, and calls `look` before the first and
    /// after each. Returns whether there was memory for it.
    #[cfg(target_os = "linux")]
    pub(crate) fn touch_pages(count: usize, mut look: impl FnMut()) -> bool {
        let page_size = usize::try_from(page_size()).unwrap_or(4096);
        let size = count * page_size;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping at an address of the system's choice, so no existing
        // memory changes.
        let start = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return false;
        }
        // SAFETY: the mapping has `size` bytes. If the call fails, as where there are no huge
        // pages, nothing changes.
        unsafe { libc::madvise(start, size, libc::MADV_NOHUGEPAGE) };
        look();
        for page in 0..count {
            // SAFETY: the address is within the mapping, which is writable and which `look` can't
            // refer to.
            unsafe { start.cast::<u8>().add(page * page_size).write_volatile(1) };
            look();
        }
        // SAFETY: the mapping has `size` bytes, and nothing refers to it.
        unsafe { libc::munmap(start, size) };
        true
    }

    /// The stack that the system gave to the calling thread: its lowest address, and its size in
    /// bytes. `None` where the system doesn't tell.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn stack() -> Option<(usize, usize)> {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        let mut lowest = std::ptr::null_mut();
        let mut size = 0;
        // SAFETY: the thread is the calling one, and the memory for its attributes is borrowed for
        // the call.
        if unsafe { libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: the attributes were initialised above, and are destroyed once; the memory for the
        // answers is borrowed for the call.
        let failed = unsafe {
            let attributes = attributes.as_mut_ptr();
            let failed = libc::pthread_attr_getstack(attributes, &raw mut lowest, &raw mut size);
            libc::pthread_attr_destroy(attributes);
            failed
        };
        (failed == 0).then_some((lowest.addr(), size))
    }

    /// As on Linux.
    #[cfg(target_vendor = "apple")]
    pub(crate) fn stack() -> Option<(usize, usize)> {
        // SAFETY: the thread is the calling one, and the calls write to no memory of ours.
        let (highest, size) = unsafe {
            let thread = libc::pthread_self();
            let highest = libc::pthread_get_stackaddr_np(thread);
            (highest.addr(), libc::pthread_get_stacksize_np(thread))
        };
        Some((highest.checked_sub(size)?, size))
    }

    /// Not available on these systems.
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    pub(crate) fn stack() -> Option<(usize, usize)> {
        None
    }

    /// Maps pages full of zeroes, which are never unmapped, and take memory only when they are
    /// written to. The system maps them, so no allocator is involved.
    pub(crate) fn map_zeroes(size: usize) -> Option<NonNull<u8>> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // Most of the pages will never be touched.
        #[cfg(target_os = "linux")]
        let flags = flags | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the system's choice, so no existing
        // memory changes.
        let start = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        // A touched page must not become a huge page.
        #[cfg(target_os = "linux")]
        // SAFETY: the mapping has `size` bytes. If the call fails, nothing changes.
        unsafe {
            libc::madvise(start, size, libc::MADV_NOHUGEPAGE)
        };
        NonNull::new(start.cast())
    }

    /// How many bytes of a value that has pages of its own are in RAM.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_bytes_of<T>(value: &T) -> Option<u64> {
        const PAGES_AT_ONCE: usize = 512;
        let page_size = usize::try_from(page_size()).ok()?;
        let start = ptr::from_ref(value).cast::<u8>();
        let mut count: u64 = 0;
        for offset in (0..size_of::<T>()).step_by(PAGES_AT_ONCE * page_size) {
            let length = (size_of::<T>() - offset).min(PAGES_AT_ONCE * page_size);
            let mut pages = [0_u8; PAGES_AT_ONCE];
            // SAFETY: the range is within the value's own pages, and the call writes one byte for
            // each of them, for which `pages` has room.
            let failed = unsafe {
                let first = start.add(offset).cast_mut().cast();
                libc::mincore(first, length, pages.as_mut_ptr())
            };
            if failed != 0 {
                return None;
            }
            count += pages.iter().map(|page| u64::from(page & 1)).sum::<u64>();
        }
        Some(count * page_size as u64)
    }

    /// Not known on these systems.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn resident_bytes_of<T>(_: &T) -> Option<u64> {
        None
    }

    /// Closes a descriptor. Can be called between `fork` and `exec`.
    ///
    /// The caller has opened it, and knows that it still refers to the same file.
    #[cfg(target_os = "linux")]
    pub(crate) fn close(descriptor: RawFd) {
        // SAFETY: the caller owns `descriptor`.
        unsafe { libc::close(descriptor) };
    }

    /// Registers `run` to be called in each forked child, before `fork` returns there.
    ///
    /// `run` may do only what a signal handler may.
    pub(crate) fn in_forked_children(run: unsafe extern "C" fn()) {
        // SAFETY: `run` can be called for as long as this code is loaded, and the C library drops
        // the registration when the code is unloaded. A failure (out of memory) is ignored:
        // children then read their parent's numbers.
        unsafe { libc::pthread_atfork(None, None, Some(run)) };
    }

    /// Stops the calling thread in a debugger. Without a debugger, ends the process.
    #[cfg(feature = "timeline")]
    pub(crate) fn trap() {
        // SAFETY: `raise` takes any number and touches no memory of ours. What follows is what the
        // program has set for the signal.
        unsafe { libc::raise(libc::SIGTRAP) };
    }

    /// Registers functions to be called around each `fork` of the process: one before it, and one
    /// after it in the parent and in the child.
    pub(crate) fn around_forks(
        before: unsafe extern "C" fn(),
        in_parent: unsafe extern "C" fn(),
        in_child: unsafe extern "C" fn(),
    ) {
        // SAFETY: as for `in_forked_children`. After a failure (out of memory), forks aren't
        // handled.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    }

    /// Registers `run` to be called when the calling thread ends, after its thread-locals were
    /// dropped, but not when the thread ends with the process. Returns whether that worked.
    ///
    /// The call uses up the registration. A registration in the middle of the thread's end causes a
    /// call a little later, for as many rounds as the system has, which is four.
    #[cfg(target_os = "linux")]
    pub(crate) fn at_thread_end(run: extern "C" fn(*mut libc::c_void)) -> bool {
        use std::sync::OnceLock;
        static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();
        let key = KEY.get_or_init(|| late_key(run));
        let any_value = std::ptr::without_provenance(1);
        // SAFETY: the key was created, and its value is never dereferenced.
        key.is_some_and(|key| unsafe { libc::pthread_setspecific(key, any_value) } == 0)
    }

    /// Creates a key that comes after those of others: systems run destructors in the order of the
    /// keys, and give away the first key that is free. So `run` is called in the last round, too,
    /// however late in it a thread registers.
    #[cfg(target_os = "linux")]
    fn late_key(run: extern "C" fn(*mut libc::c_void)) -> Option<libc::pthread_key_t> {
        /// The last key whose value glibc stores in the thread without allocating.
        const LATE: libc::pthread_key_t = 31;
        let new_key = || {
            let mut key = 0;
            // SAFETY: the memory for the key is borrowed for the call, and `run` can be called for
            // as long as this code is loaded.
            let failed = unsafe { libc::pthread_key_create(&raw mut key, Some(run)) };
            (failed == 0).then_some(key)
        };
        let mut key = new_key()?;
        let mut early_keys = [None; LATE as usize];
        for place in &mut early_keys {
            if key >= LATE {
                break;
            }
            let Some(later) = new_key() else { break };
            *place = Some(std::mem::replace(&mut key, later));
        }
        for early in early_keys.into_iter().flatten() {
            // SAFETY: the key was created above, and no thread has a value for it.
            unsafe { libc::pthread_key_delete(early) };
        }
        Some(key)
    }

    /// Runs `work` while the calling thread blocks all signals. A thread that it starts keeps them
    /// blocked.
    #[cfg(any(feature = "export", target_os = "linux"))]
    pub(crate) fn without_signals<T>(work: impl FnOnce() -> T) -> T {
        // SAFETY: a signal set is made of integers, for which all zeroes is valid.
        let [mut all, mut before]: [libc::sigset_t; 2] = unsafe { std::mem::zeroed() };
        // SAFETY: both sets are borrowed for the calls, which change only the thread's own mask.
        unsafe {
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        }
        let answer = work();
        // SAFETY: as above; `before` was written by the first call.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut())
        };
        answer
    }

    /// Runs `work`, which writes to files, without the two signals that would end the process for
    /// it: a write past the file size limit, or to a pipe without a reader, then fails with an
    /// error. What the program has set for these signals doesn't change.
    pub(crate) fn without_signals_of_writing<T>(work: impl FnOnce() -> T) -> T {
        let _held = HeldBack::new();
        work()
    }

    /// Blocks the signals of writing for the calling thread while it lives. Those that have come
    /// meanwhile are discarded with it.
    struct HeldBack {
        ours: libc::sigset_t,
        before: libc::sigset_t,
    }

    const OF_WRITING: [libc::c_int; 2] = [libc::SIGXFSZ, libc::SIGPIPE];

    impl HeldBack {
        fn new() -> Self {
            // SAFETY: a signal set is made of integers, for which all zeroes is valid.
            let [mut ours, mut before]: [libc::sigset_t; 2] = unsafe { std::mem::zeroed() };
            let mut waiting = ours;
            // SAFETY: the sets are borrowed for the calls, which change only the thread's own mask.
            unsafe {
                libc::sigemptyset(&raw mut ours);
                libc::sigpending(&raw mut waiting);
                for signal in OF_WRITING {
                    // A signal that is pending already isn't ours, and is delivered later.
                    if libc::sigismember(&raw const waiting, signal) == 0 {
                        libc::sigaddset(&raw mut ours, signal);
                    }
                }
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const ours, &raw mut before);
            }
            Self { ours, before }
        }
    }

    impl Drop for HeldBack {
        fn drop(&mut self) {
            // SAFETY: the set is borrowed for the call, so it can be read.
            while unsafe { take_waiting(&raw const self.ours) } {}
            // SAFETY: as in `new`, which has written `before`.
            unsafe {
                libc::pthread_sigmask(
                    libc::SIG_SETMASK,
                    &raw const self.before,
                    std::ptr::null_mut(),
                )
            };
        }
    }

    /// Takes one of these signals that is pending for the thread; whether there was one.
    ///
    /// # Safety
    ///
    /// `signals` has to be valid for reads.
    #[cfg(not(any(target_vendor = "apple", target_os = "openbsd")))]
    unsafe fn take_waiting(signals: *const libc::sigset_t) -> bool {
        let at_once = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the caller promises that `signals` can be read; the null pointer means that no
        // information on the signal is wanted.
        unsafe { libc::sigtimedwait(signals, std::ptr::null_mut(), &raw const at_once) > 0 }
    }

    /// As above. These systems can only wait for a signal, so it is checked first that one is
    /// pending.
    ///
    /// # Safety
    ///
    /// `signals` has to be valid for reads.
    #[cfg(any(target_vendor = "apple", target_os = "openbsd"))]
    unsafe fn take_waiting(signals: *const libc::sigset_t) -> bool {
        // SAFETY: a signal set is made of integers, for which all zeroes is valid.
        let mut waiting: libc::sigset_t = unsafe { std::mem::zeroed() };
        let mut taken = 0;
        // SAFETY: the caller promises that `signals` can be read; the others are borrowed for the
        // calls.
        unsafe {
            libc::sigpending(&raw mut waiting);
            let is_one = |signal: &libc::c_int| {
                libc::sigismember(signals, *signal) == 1
                    && libc::sigismember(&raw const waiting, *signal) == 1
            };
            OF_WRITING.iter().any(is_one) && libc::sigwait(signals, &raw mut taken) == 0
        }
    }

    /// Whether the program has rights that the user who started it may not have: it is setuid or
    /// setgid, or has file capabilities.
    pub(crate) fn is_secure() -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // SAFETY: the call takes any number, and reads what the kernel has passed to the
            // process.
            unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
        }
        #[cfg(any(
            target_vendor = "apple",
            target_os = "dragonfly",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd",
        ))]
        {
            // SAFETY: the call takes nothing and returns a number.
            unsafe { libc::issetugid() != 0 }
        }
        #[cfg(not(any(
            target_os = "linux",
            target_os = "android",
            target_vendor = "apple",
            target_os = "dragonfly",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd",
        )))]
        {
            // SAFETY: the calls take nothing and return numbers.
            unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() }
        }
    }

    /// Starts a detached thread that blocks all signals, without any allocation by Rust's
    /// allocator. Returns whether it was started.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_thread(run: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void) -> bool {
        const STACK_BYTES: usize = 2 << 20;
        // SAFETY: the attributes are plain data, for which all zeroes is valid; they are
        // initialised before they are used, and borrowed for the calls. `run` can be called for as
        // long as this code is loaded, and doesn't dereference its argument.
        without_signals(|| unsafe {
            let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
            if libc::pthread_attr_init(&raw mut attributes) != 0 {
                return false;
            }
            libc::pthread_attr_setstacksize(&raw mut attributes, STACK_BYTES);
            libc::pthread_attr_setdetachstate(&raw mut attributes, libc::PTHREAD_CREATE_DETACHED);
            let mut thread: libc::pthread_t = std::mem::zeroed();
            let answer = libc::pthread_create(
                &raw mut thread,
                &raw const attributes,
                run,
                std::ptr::null_mut(),
            );
            libc::pthread_attr_destroy(&raw mut attributes);
            answer == 0
        })
    }

    /// Keeps the library that contains `code` loaded for ever. The program itself always is.
    #[cfg(target_os = "linux")]
    pub(crate) fn keep_loaded(code: *const ()) {
        // SAFETY: `Dl_info` is plain data, for which all zeroes is valid.
        let mut library: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: the address is only looked up, and the memory for the answer is borrowed for the
        // call.
        let is_known = unsafe { libc::dladdr(code.cast(), &raw mut library) } != 0;
        if is_known && !library.dli_fname.is_null() {
            let flags = libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
            // SAFETY: the name is the loader's own and that of a loaded library, so none of its
            // code runs. The handle is never closed.
            unsafe { libc::dlopen(library.dli_fname, flags) };
        }
    }

    /// Gives the calling thread a name for `ps`, `top` and debuggers.
    #[cfg(target_os = "linux")]
    pub(crate) fn name_thread(name: &std::ffi::CStr) {
        // SAFETY: the name is borrowed for the call, which copies at most 16 bytes of it.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    }

    /// The system's id of the calling thread. Can be called in a signal handler.
    #[cfg(target_os = "linux")]
    pub(crate) fn thread_id() -> usize {
        // SAFETY: the call has no arguments and touches no memory of ours. The function `gettid`
        // isn't used since older C libraries don't have it.
        let id = unsafe { libc::syscall(libc::SYS_gettid) };
        usize::try_from(id).unwrap_or(0)
    }

    /// CPU time that a thread of the process has used, in nanoseconds. `None` if it has ended.
    #[cfg(target_os = "linux")]
    pub(crate) fn cpu_nanoseconds(thread_id: usize) -> Option<u64> {
        /// The kernel's number of a thread's clock of CPU time, as `pthread_getcpuclockid` makes
        /// it, which needs a thread that still runs.
        const OF_A_THREAD: i32 = 0b110;
        let clock = !i32::try_from(thread_id).ok()? << 3 | OF_A_THREAD;
        // SAFETY: a `timespec` is made of integers, for which all zeroes is valid.
        let mut time: libc::timespec = unsafe { std::mem::zeroed() };
        // SAFETY: the memory for the answer is borrowed for the call, which fails for a clock that
        // doesn't exist.
        let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
        let seconds = u64::try_from(time.tv_sec).ok().filter(|_| failed == 0)?;
        let nanoseconds = u64::try_from(time.tv_nsec).ok()?;
        Some(seconds * 1_000_000_000 + nanoseconds)
    }

    /// Copies memory of this process, one part after the other, as it is at that moment. Other
    /// threads may be writing to it, or unmap it: the system copies, as it would from another
    /// process.
    ///
    /// # Errors
    ///
    /// Fails if a part isn't mapped, and if the system doesn't permit processes to read each other.
    #[cfg(target_os = "linux")]
    pub(crate) fn copy_memory<const PARTS: usize>(
        parts: [(usize, &mut [u8]); PARTS],
    ) -> io::Result<()> {
        let length: usize = parts.iter().map(|(_, into)| into.len()).sum();
        let from = parts.each_ref().map(|(address, into)| libc::iovec {
            iov_base: ptr::with_exposed_provenance_mut(*address),
            iov_len: into.len(),
        });
        let into = parts.map(|(_, into)| libc::iovec {
            iov_base: into.as_mut_ptr().cast(),
            iov_len: into.len(),
        });
        let count = PARTS as libc::c_ulong;
        // SAFETY: each part of `into` is a slice that is borrowed for the call. `from` is only read,
        // by the system, which checks the addresses.
        let copied = unsafe {
            libc::process_vm_readv(
                libc::getpid(),
                into.as_ptr(),
                count,
                from.as_ptr(),
                count,
                0,
            )
        };
        match usize::try_from(copied) {
            Ok(copied) if copied == length => Ok(()),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// The process id, from the system itself. Can be called in a signal handler, also in a forked
    /// child.
    #[cfg(all(feature = "export", target_os = "linux"))]
    pub(crate) fn process_id() -> i32 {
        // SAFETY: as for `thread_id`.
        let id = unsafe { libc::syscall(libc::SYS_getpid) };
        i32::try_from(id).unwrap_or(0)
    }

    /// Waits while `word` is `value`, until [`wake`] is called or `most` has passed. May return
    /// early. Can be called in a signal handler.
    #[cfg(target_os = "linux")]
    pub(crate) fn wait(
        word: &std::sync::atomic::AtomicU32,
        value: u32,
        most: Option<std::time::Duration>,
    ) {
        let time = most.map(|most| {
            // SAFETY: a `timespec` is made of integers, for which all zeroes is valid.
            let mut time: libc::timespec = unsafe { std::mem::zeroed() };
            // Capped at about a year. The fields' types differ between systems.
            time.tv_sec = u32::try_from(most.as_secs())
                .unwrap_or(u32::MAX)
                .min(32_000_000)
                .cast_signed()
                .into();
            time.tv_nsec = most.subsec_nanos().cast_signed().into();
            time
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word and the time are borrowed for the call, which only reads them.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, time) };
    }

    /// Wakes all threads that [`wait`] for a change of `word`. Can be called in a signal handler.
    #[cfg(target_os = "linux")]
    pub(crate) fn wake(word: &std::sync::atomic::AtomicU32) {
        let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the address is only compared with those that threads wait at.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, i32::MAX) };
    }

    /// Writes all of `bytes` to stdout or stderr, past the lock that `std` holds while the program
    /// prints.
    pub(crate) fn write_past_locks(stderr: bool, bytes: &[u8]) -> io::Result<()> {
        let descriptor = if stderr {
            libc::STDERR_FILENO
        } else {
            libc::STDOUT_FILENO
        };
        // SAFETY: the descriptor is only written to, and it isn't closed afterwards, so its owner
        // isn't affected. If it isn't open, writing fails.
        let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
        let mut rest = bytes;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_writable(descriptor)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether something can be written to stdout or stderr, now or within `most`. A little can
    /// then be written without waiting.
    pub(crate) fn is_writable(stderr: bool, most: std::time::Duration) -> bool {
        let mut request = libc::pollfd {
            fd: if stderr {
                libc::STDERR_FILENO
            } else {
                libc::STDOUT_FILENO
            },
            events: libc::POLLOUT,
            revents: 0,
        };
        let most = i32::try_from(most.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one request, borrowed for the call. A failed call, as after a signal, says
        // nothing about the stream and counts as writable.
        unsafe { libc::poll(&raw mut request, 1, most) != 0 }
    }

    /// Waits until a non-blocking pipe is writable, as a blocking write would.
    fn wait_writable(descriptor: RawFd) -> io::Result<()> {
        let mut request = libc::pollfd {
            fd: descriptor,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one request, borrowed for the call.
        match unsafe { libc::poll(&raw mut request, 1, -1) } {
            -1 => match io::Error::last_os_error() {
                // Interrupted by a signal: the caller tries again.
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
            _ => Ok(()),
        }
    }
}

/// Always false: programs have the rights of their user on these systems.
#[cfg(not(unix))]
pub(crate) fn is_secure() -> bool {
    false
}

/// Runs `work`: there are no signals.
#[cfg(not(unix))]
pub(crate) fn without_signals_of_writing<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Not known on these systems.
#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_id() -> usize {
    0
}

/// Not available on these systems.
#[cfg(not(unix))]
pub(crate) fn stack() -> Option<(usize, usize)> {
    None
}

/// `None`: there are no such pages on these systems.
#[cfg(not(unix))]
pub(crate) fn map_zeroes(_size: usize) -> Option<std::ptr::NonNull<u8>> {
    None
}

/// Not known on these systems.
#[cfg(not(unix))]
pub(crate) fn resident_bytes_of<T>(_: &T) -> Option<u64> {
    None
}

/// Ends the process.
#[cfg(all(feature = "timeline", not(unix)))]
pub(crate) fn trap() {
    std::process::abort();
}

/// Does nothing: there is no `fork`.
#[cfg(not(unix))]
pub(crate) fn around_forks(
    _before: unsafe extern "C" fn(),
    _in_parent: unsafe extern "C" fn(),
    _in_child: unsafe extern "C" fn(),
) {
}

/// Does nothing: there is no `fork`.
#[cfg(not(unix))]
pub(crate) fn in_forked_children(_run: unsafe extern "C" fn()) {}

/// Registers `run` to be called when the process ends by returning from `main` or by `exit`: not
/// when it is killed or aborts, nor on Windows after [`std::process::exit`], which bypasses the C
/// library.
#[cfg(any(unix, windows))]
#[allow(unsafe_code)]
pub(crate) fn at_exit(run: extern "C" fn()) {
    // SAFETY: `run` can be called for as long as this code is loaded, and the C library drops the
    // registration when the code is unloaded. After a failure (out of memory), `run` isn't called.
    unsafe { libc::atexit(run) };
}

/// Does nothing: these systems don't announce the end of the process.
#[cfg(not(any(unix, windows)))]
pub(crate) fn at_exit(_run: extern "C" fn()) {}

/// Runs `work`: there are no signals.
#[cfg(all(feature = "export", not(unix)))]
pub(crate) fn without_signals<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Always true: whether there is room isn't known.
#[cfg(not(unix))]
pub(crate) fn is_writable(_stderr: bool, _most: std::time::Duration) -> bool {
    true
}

/// Writes all of `bytes` to stdout or stderr.
#[cfg(not(unix))]
pub(crate) fn write_past_locks(stderr: bool, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    if stderr {
        std::io::stderr().write_all(bytes)
    } else {
        std::io::stdout().write_all(bytes)
    }
}
