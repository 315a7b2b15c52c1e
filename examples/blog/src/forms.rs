//! Parses submitted forms.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use minijinja::Value;

use crate::error::AppError;

/// The most fields that a form may have. Flask has the same limit.
const MOST_FIELDS: usize = 1000;

/// The text fields of a form, sent urlencoded or as multipart.
///
/// A body of any other type is a form without fields. If a field is repeated, the first one is
/// used; invalid UTF-8 is replaced.
#[derive(Debug, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// The text of a field, which may be empty.
    ///
    /// # Errors
    ///
    /// [`AppError::BadForm`] if the field is missing.
    pub(crate) fn field(&self, name: &str) -> Result<&str, AppError> {
        self.0
            .get(name)
            .map(String::as_str)
            .ok_or(AppError::BadForm)
    }

    fn add(&mut self, name: String, value: String) {
        self.0.entry(name).or_insert(value);
    }
}

impl From<Form> for Value {
    fn from(form: Form) -> Self {
        form.0.into()
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|value| value.split(';').next());
        let media_type = media_type.unwrap_or("").trim().to_ascii_lowercase();

        match media_type.as_str() {
            "application/x-www-form-urlencoded" => urlencoded(request, state).await,
            "multipart/form-data" => multipart(request, state).await,
            _ => Ok(Self::default()),
        }
    }
}

async fn urlencoded<S: Send + Sync>(request: Request, state: &S) -> Result<Form, AppError> {
    let body = Bytes::from_request(request, state)
        .await
        .map_err(|rejection| unreadable(rejection.status()))?;

    let mut form = Form::default();
    for (number, (name, value)) in form_urlencoded::parse(&body).enumerate() {
        if number == MOST_FIELDS {
            return Err(AppError::FormTooLong);
        }
        form.add(name.into_owned(), value.into_owned());
    }
    Ok(form)
}

async fn multipart<S: Send + Sync>(request: Request, state: &S) -> Result<Form, AppError> {
    let mut parts = Multipart::from_request(request, state)
        .await
        .map_err(|rejection| unreadable(rejection.status()))?;

    let mut form = Form::default();
    let mut field_count = 0;
    while let Some(part) = parts
        .next_field()
        .await
        .map_err(|e| unreadable(e.status()))?
    {
        field_count += 1;
        if field_count > MOST_FIELDS {
            return Err(AppError::FormTooLong);
        }
        let name = part.name().map(str::to_owned);
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(|e| unreadable(e.status()))?;
        if let (Some(name), false) = (name, is_file) {
            form.add(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(form)
}

fn unreadable(status: StatusCode) -> AppError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => AppError::FormTooLong,
        _ => AppError::BadForm,
    }
}
