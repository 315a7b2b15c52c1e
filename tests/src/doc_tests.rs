//! Doc tests with profiled functions: their lines are those of the file that they are in.

/// With an allocator of its own, rustdoc merges a test with no others, and the compiler
/// has the name of this file with the places of another.
///
/// ```
/// #[global_allocator]
/// static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();
///
/// /// A comment.
/// #[memprof::memprofile(print = "never")]
/// fn in_doc(
///     bytes: usize, /* as many */
/// ) -> usize {
///     // Another comment.
///     let made = vec![1_u8; bytes];
///     # let made = made;
///     made.len()
/// }
///
/// assert_eq!(in_doc(10), 10);
/// let report = memprof::report();
/// let [function] = &report.functions[..] else { panic!("{report:?}") };
/// assert!(function.notes.is_empty());
/// assert!(function.file.ends_with("doc_tests.rs"), "{function:?}");
/// let file = std::fs::read_to_string("src/doc_tests.rs").unwrap();
/// let lines: Vec<&str> = file.lines().collect();
/// for line in &function.lines {
///     let there = lines[line.number as usize - 1];
///     assert!(there.ends_with(line.source.trim()), "{there:?}, {line:?}");
/// }
/// let [attribute, made, hidden, ..] = &function.lines[..] else { panic!("{function:?}") };
/// assert_eq!(attribute.source, r#"#[memprof::memprofile(print = "never")]"#);
/// assert_eq!(made.source, "    let made = vec![1_u8; bytes];");
/// assert_eq!(made.own.allocated_bytes, 10);
/// assert_eq!(hidden.source.trim(), "let made = made;");
/// ```
///
/// What is merged is a file of its own.
///
/// ```
/// #[memprof::memprofile(print = "never")]
/// fn merged(bytes: usize) -> usize {
///     let made = vec![1_u8; bytes];
///     made.len()
/// }
///
/// assert_eq!(merged(10), 10);
/// let report = memprof::report();
/// let is_it = |function: &&memprof::report::FunctionReport| function.path.ends_with("::merged");
/// let function = report.functions.iter().find(is_it).unwrap();
/// assert!(function.notes.is_empty());
/// assert_eq!(function.lines[1].source.trim(), "let made = vec![1_u8; bytes];");
/// ```
pub fn in_a_comment() {}

#[doc = include_str!("doc_tests.md")]
pub fn in_a_file() {}

/// Rustdoc doesn't know the place of a line in a text that a macro has made.
///
#[doc = concat!(
    "```\n",
    "#[global_allocator]\n",
    "static ALLOC: memprof::CountingAlloc = memprof::CountingAlloc::system();\n\n",
    "#[memprof::memprofile(print = \"never\")]\n",
    "fn in_doc() -> Vec<u8> { // A comment.\n",
    "    vec![1_u8; 10]\n",
    "}\n\n",
    "assert_eq!(in_doc().len(), 10);\n",
    "let report = memprof::report();\n",
    "let [function] = &report.functions[..] else { panic!(\"{report:?}\") };\n",
    "assert_eq!(function.lines[1].source, \"    vec![1_u8; 10]\");\n",
    "let note = function.notes.first().unwrap();\n",
    "assert!(note.contains(\"which isn't what the file has there\"), \"{note}\");\n",
    "```",
)]
pub fn by_a_macro() {}
