//! What of a credential can stand in a header.

/// That `text` can be sent as it is.
///
/// # Errors
/// What is wrong with it, such as `is empty`; never its value.
pub(crate) fn check_text(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("is empty"),
        it if it.ends_with('\n') => Err("ends with a line break"),
        it if it.chars().any(char::is_control) => Err("contains control characters"),
        _ => Ok(()),
    }
}

/// The same for a token, which has neither blanks nor anything outside ASCII.
///
/// # Errors
/// What is wrong with it; never its value.
pub(crate) fn check_token(token: &str) -> Result<(), &'static str> {
    check_text(token)?;
    if token.bytes().all(|it| it.is_ascii_graphic()) {
        return Ok(());
    }
    Err("contains blanks or characters outside ASCII")
}
