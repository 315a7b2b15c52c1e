//! What happened to a line's blocks, as numbers that add up.

/// What happened to the blocks of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) allocated_bytes: u64,
    pub(crate) allocation_count: u64,
    pub(crate) freed_bytes: u64,
    pub(crate) deallocation_count: u64,
    /// Blocks freed within one further allocation of the thread that allocated them.
    pub(crate) temporary_count: u64,
    /// Bytes copied because resized blocks had to move.
    pub(crate) moved_bytes: u64,
    /// Blocks taken over from other lines because this line grew them, with their bytes before
    /// that.
    pub(crate) taken_bytes: u64,
    pub(crate) taken_count: u64,
    /// Blocks given to other lines because those grew them, with their bytes before that.
    pub(crate) given_bytes: u64,
    pub(crate) given_count: u64,
}

impl Change {
    pub(crate) fn allocated(allocated_bytes: u64, allocation_count: u64) -> Self {
        Self {
            allocated_bytes,
            allocation_count,
            ..Self::default()
        }
    }

    pub(crate) fn freed(freed_bytes: u64, deallocation_count: u64) -> Self {
        Self {
            freed_bytes,
            deallocation_count,
            ..Self::default()
        }
    }

    /// A block of this many bytes that the line took over from another one.
    pub(crate) fn taken(taken_bytes: u64) -> Self {
        Self {
            taken_bytes,
            taken_count: 1,
            ..Self::default()
        }
    }

    /// A block of this many bytes that another line took over.
    pub(crate) fn given(given_bytes: u64) -> Self {
        Self {
            given_bytes,
            given_count: 1,
            ..Self::default()
        }
    }

    pub(crate) fn moved(moved_bytes: u64) -> Self {
        Self {
            moved_bytes,
            ..Self::default()
        }
    }

    pub(crate) fn net_bytes(&self) -> i64 {
        self.allocated_bytes
            .wrapping_sub(self.freed_bytes)
            .wrapping_add(self.taken_bytes)
            .wrapping_sub(self.given_bytes)
            .cast_signed()
    }

    pub(crate) fn net_count(&self) -> i64 {
        self.allocation_count
            .wrapping_sub(self.deallocation_count)
            .wrapping_add(self.taken_count)
            .wrapping_sub(self.given_count)
            .cast_signed()
    }

    /// What was freed and given according to `self`, and what was allocated and taken according to
    /// `other`, which was read later.
    pub(crate) fn with_allocated(self, other: &Self) -> Self {
        Self {
            allocated_bytes: other.allocated_bytes,
            allocation_count: other.allocation_count,
            taken_bytes: other.taken_bytes,
            taken_count: other.taken_count,
            ..self
        }
    }

    pub(crate) fn without(self, other: &Self) -> Self {
        self.with_each(other, u64::saturating_sub)
    }

    pub(crate) fn and(self, other: &Self) -> Self {
        self.with_each(other, u64::wrapping_add)
    }

    pub(crate) fn as_array(&self) -> [u64; 10] {
        [
            self.allocated_bytes,
            self.allocation_count,
            self.freed_bytes,
            self.deallocation_count,
            self.temporary_count,
            self.moved_bytes,
            self.taken_bytes,
            self.taken_count,
            self.given_bytes,
            self.given_count,
        ]
    }

    pub(crate) fn from_array(numbers: [u64; 10]) -> Self {
        let [
            allocated_bytes,
            allocation_count,
            freed_bytes,
            deallocation_count,
            temporary_count,
            moved_bytes,
            taken_bytes,
            taken_count,
            given_bytes,
            given_count,
        ] = numbers;
        Self {
            allocated_bytes,
            allocation_count,
            freed_bytes,
            deallocation_count,
            temporary_count,
            moved_bytes,
            taken_bytes,
            taken_count,
            given_bytes,
            given_count,
        }
    }

    fn with_each(self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut numbers = self.as_array();
        for (number, other) in numbers.iter_mut().zip(other.as_array()) {
            *number = join(*number, other);
        }
        Self::from_array(numbers)
    }
}
