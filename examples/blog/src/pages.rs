//! Renders pages from templates, which are compiled into the program.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{Html, IntoResponse, Response};
use memprof::web::toolbar;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value};

use crate::error::AppError;

/// A template's name and text. The extension `.html` turns escaping on.
macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("../templates/", $name)))
    };
}

const TEMPLATES: [(&str, &str); 7] = [
    template!("base.html"),
    template!("auth/form.html"),
    template!("auth/login.html"),
    template!("auth/register.html"),
    template!("blog/create.html"),
    template!("blog/index.html"),
    template!("blog/update.html"),
];

/// The application's templates, ready to render.
#[derive(Debug)]
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    pub(crate) fn new() -> Self {
        let mut templates = Environment::new();
        // A line with nothing but a tag leaves no empty line in the page.
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        templates.set_syntax(syntax.build().expect("the usual delimiters are distinct"));
        for (name, text) in TEMPLATES {
            templates
                .add_template(name, text)
                .expect("the templates in the program are well formed");
        }
        Self(templates)
    }

    /// Renders the template `name`. All templates expect the values `user` and `flash` (a
    /// message), each of which may be none.
    pub(crate) fn render(&self, name: &str, values: Value) -> Result<Response, AppError> {
        toolbar::template(name, &values);
        let html = self.0.get_template(name)?.render(values)?;
        Ok(Html(html).into_response())
    }
}

/// Redirects the visitor to another page, which is requested by GET.
pub(crate) fn redirect(location: &'static str) -> Response {
    (StatusCode::FOUND, [(LOCATION, location)]).into_response()
}
