//! Reading the memory of a process and its descendants, and waiting for its end.

#[cfg(target_os = "linux")]
pub(super) use linux::{Process, WaitForEnd};
#[cfg(not(target_os = "linux"))]
pub(super) use others::{Process, WaitForEnd};

#[cfg(target_os = "linux")]
mod linux {
    use procfs::process::{Process as InProc, all_processes};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fd::OwnedFd;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::collections::{BTreeMap, HashMap};
    use std::thread;
    use std::time::Instant;

    /// A process. A later process with the same id is never mistaken for it.
    #[derive(Debug)]
    pub(crate) struct Process {
        in_proc: InProc,
        number: u32,
    }

    impl Process {
        /// Returns `None` if there is no process with this id.
        pub(crate) fn new(number: u32) -> Option<Self> {
            let in_proc = InProc::new(i32::try_from(number).ok()?).ok()?;
            Some(Self { in_proc, number })
        }

        /// Returns `None` once the process has ended.
        pub(crate) fn resident_bytes(&self) -> Option<u64> {
            resident_bytes(&self.in_proc)
        }

        /// The process's descendants by id, with their resident memory in bytes.
        ///
        /// Processes that start or end meanwhile may be missing.
        pub(crate) fn children(&self) -> BTreeMap<u32, u64> {
            let mut found = BTreeMap::new();
            let Some(mut left) = numbers_of_children(&self.in_proc) else {
                return children_by_search(self.number);
            };
            while let Some(number) = left.pop() {
                let Some(child) = Self::new(number) else {
                    continue;
                };
                if let Some(bytes) = child.resident_bytes() {
                    // If an id was reused meanwhile, a process might be reached twice.
                    if found.insert(number, bytes).is_none() {
                        left.extend(numbers_of_children(&child.in_proc).unwrap_or_default());
                    }
                }
            }
            found
        }
    }

    fn resident_bytes(process: &InProc) -> Option<u64> {
        // A process that has ended and wasn't waited for yet has no pages.
        let pages = process.statm().ok()?.resident;
        (pages > 0).then(|| pages.saturating_mul(procfs::page_size()))
    }

    /// Returns `None` if the kernel doesn't list children.
    fn numbers_of_children(process: &InProc) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        let mut is_listed = false;
        for task in process.tasks().ok()?.flatten() {
            if let Ok(children) = task.children() {
                is_listed = true;
                numbers.extend(children);
            }
        }
        is_listed.then_some(numbers)
    }

    /// Like [`Process::children`], from the parent ids of all processes.
    fn children_by_search(number: u32) -> BTreeMap<u32, u64> {
        let mut of_parent: HashMap<i32, Vec<InProc>> = HashMap::new();
        for process in all_processes().into_iter().flatten().flatten() {
            if let Ok(stat) = process.stat() {
                of_parent.entry(stat.ppid).or_default().push(process);
            }
        }
        let mut found = BTreeMap::new();
        let mut left = vec![number.cast_signed()];
        while let Some(parent) = left.pop() {
            for child in of_parent.remove(&parent).unwrap_or_default() {
                left.push(child.pid);
                if let (Ok(number), Some(bytes)) =
                    (u32::try_from(child.pid), resident_bytes(&child))
                {
                    found.insert(number, bytes);
                }
            }
        }
        found
    }

    /// Waits for the end of a process, which needn't be a child of this one.
    #[derive(Debug)]
    pub(crate) struct WaitForEnd(Option<OwnedFd>);

    impl WaitForEnd {
        pub(crate) fn of(number: u32) -> Self {
            let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
            Self(pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()))
        }

        /// Waits until the process ends, or until `deadline`. Returns whether the process has
        /// ended.
        ///
        /// Kernels before 5.3 can't wait for other processes: there, this waits until `deadline`
        /// and returns `false`.
        pub(crate) fn until(&self, deadline: Instant) -> bool {
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                let Some(ended) = &self.0 else {
                    thread::sleep(left);
                    return false;
                };
                let left = Timespec::try_from(left).ok();
                let mut requests = [PollFd::new(ended, PollFlags::IN)];
                match poll(&mut requests, left.as_ref()) {
                    Ok(0) => return false,
                    Ok(_) => return true,
                    // A signal for another part of the program.
                    Err(rustix::io::Errno::INTR) => {}
                    Err(_) => return false,
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod others {
    use std::collections::BTreeMap;
    use std::thread;
    use std::time::Instant;

    /// Never exists: the memory of other processes is read on Linux only.
    #[derive(Debug)]
    pub(crate) struct Process;

    impl Process {
        pub(crate) fn new(_number: u32) -> Option<Self> {
            None
        }

        pub(crate) fn resident_bytes(&self) -> Option<u64> {
            None
        }

        pub(crate) fn children(&self) -> BTreeMap<u32, u64> {
            BTreeMap::new()
        }
    }

    /// Waits until a deadline, since the end of other processes can't be seen here.
    #[derive(Debug)]
    pub(crate) struct WaitForEnd;

    impl WaitForEnd {
        pub(crate) fn of(_number: u32) -> Self {
            Self
        }

        pub(crate) fn until(&self, deadline: Instant) -> bool {
            thread::sleep(deadline.saturating_duration_since(Instant::now()));
            false
        }
    }
}
