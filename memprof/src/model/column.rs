//! The columns of a table.

/// A column between a line's number and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Resident memory when the line was last left, in MiB.
    MemUsage,
    /// Changes in resident memory that are attributed to the line, over all its executions, in MiB.
    Increment,
    /// How often the line began to run.
    Hits,
    /// Bytes allocated while the line ran.
    Allocated,
    /// Bytes freed while the line ran.
    Freed,
    /// Bytes allocated less bytes freed.
    Net,
    /// How far the heap rose above its level at the line's start, at most, in bytes.
    Peak,
    /// Blocks allocated while the line ran.
    Count,
    /// How long the line ran.
    Time,
    /// Live bytes of the blocks that the line allocated.
    Live,
    /// Live blocks of those that the line allocated.
    LiveCount,
    /// Bytes of the line's blocks that were alive at the peak of the process's heap.
    AtPeak,
    /// Blocks of the line that were freed within one further allocation.
    Temporary,
}

impl Column {
    /// The columns of Python's memory_profiler.
    pub(crate) const DEFAULT: &'static [Self] = &[Self::MemUsage, Self::Increment];

    const ALL: [(&'static str, Self); 13] = [
        ("mem_usage", Self::MemUsage),
        ("increment", Self::Increment),
        ("hits", Self::Hits),
        ("allocated", Self::Allocated),
        ("freed", Self::Freed),
        ("net", Self::Net),
        ("peak", Self::Peak),
        ("count", Self::Count),
        ("time", Self::Time),
        ("live", Self::Live),
        ("live_count", Self::LiveCount),
        ("at_peak", Self::AtPeak),
        ("temporary", Self::Temporary),
    ];

    /// Parses a comma-separated list of names, in the order of the table's columns.
    ///
    /// `default` and `all` are names, too; a column that is named again stays where it is. `None`
    /// if a word isn't a name. The attribute accepts the same words.
    pub(crate) fn parse_list(words: &str) -> Option<Vec<Self>> {
        let mut columns = Vec::new();
        for word in words.split(',') {
            let named: Vec<Self> = match word.trim() {
                "default" => Self::DEFAULT.to_vec(),
                "all" => Self::ALL.iter().map(|(_, column)| *column).collect(),
                word => vec![Self::ALL.iter().find(|(name, _)| *name == word)?.1],
            };
            for column in named {
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
        }
        Some(columns)
    }

    /// A description of what [`parse_list`](Self::parse_list) accepts, for messages.
    pub(crate) fn accepted() -> String {
        let names = Self::ALL
            .iter()
            .map(|(name, _)| *name)
            .chain(["default", "all"]);
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        format!("a list of {}", names.join(", "))
    }

    /// Whether it shows resident memory.
    pub(crate) fn is_resident(self) -> bool {
        matches!(self, Self::MemUsage | Self::Increment)
    }

    /// Whether it shows what happened to the heap while the line ran.
    pub(crate) fn is_heap(self) -> bool {
        !self.is_resident() && !self.is_owned() && !matches!(self, Self::Hits | Self::Time)
    }

    /// Whether it shows what became of the blocks that the line allocated, which is known only if
    /// blocks are tagged with their lines.
    pub(crate) fn is_owned(self) -> bool {
        matches!(
            self,
            Self::Live | Self::LiveCount | Self::AtPeak | Self::Temporary
        )
    }

    /// The column's heading.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::MemUsage => "Mem usage",
            Self::Increment => "Increment",
            Self::Hits => "Hits",
            Self::Allocated => "Allocated",
            Self::Freed => "Freed",
            Self::Net => "Net",
            Self::Peak => "Peak",
            Self::Count => "Count",
            Self::Time => "Time",
            Self::Live => "Live",
            Self::LiveCount => "Live count",
            Self::AtPeak => "At peak",
            Self::Temporary => "Temporary",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Column;

    #[test]
    fn columns_stand_in_the_order_in_which_they_are_named() {
        let columns = Column::parse_list("net, mem_usage ,hits");

        assert_eq!(
            columns,
            Some(vec![Column::Net, Column::MemUsage, Column::Hits])
        );
    }

    #[test]
    fn groups_add_what_is_not_there_yet() {
        let columns = Column::parse_list("increment,default,increment");

        assert_eq!(columns, Some(vec![Column::Increment, Column::MemUsage]));
        assert_eq!(Column::parse_list("all").map(|all| all.len()), Some(13));
    }

    #[test]
    fn other_words_are_refused() {
        for words in ["", "hits,", "Hits", "hits net", "hits;net"] {
            assert_eq!(Column::parse_list(words), None, "{words:?}");
        }
    }
}
