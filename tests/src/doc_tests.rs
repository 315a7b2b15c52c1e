//! Doc tests with profiled functions: reported line numbers are those of the containing file.

/// A doc test with a global allocator isn't merged with others. The compiler then reports the
/// name of this file with positions in the extracted test.
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
/// Merged doc tests are compiled as a separate file.
///
/// ```
/// #[memprof::memprofile(print = "never", hits = true)]
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

/// Rustdoc doesn't know the line numbers of a text that a macro produced.
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
    "assert!(note.contains(\"which differs from the file\"), \"{note}\");\n",
    "```",
)]
pub fn by_a_macro() {}
