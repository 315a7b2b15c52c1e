//! Templates of pages, all of which escape what is put into them.

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;

/// The templates of one layer, and `head.html` with the beginning of every page, which expects a
/// `page_title`. Their names end in `.html`, which turns on escaping.
pub(super) fn environment(texts: &[(&'static str, &'static str)]) -> Environment<'static> {
    let mut templates = Environment::new();
    // Lines that contain only a tag leave no empty line in the page.
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    templates.set_syntax(syntax.build().expect("the usual delimiters are distinct"));
    for (name, text) in [("head.html", include_str!("head.html"))]
        .iter()
        .chain(texts)
    {
        let added = templates.add_template(name, text);
        added.expect("the templates in the program are well formed");
    }
    templates
}
