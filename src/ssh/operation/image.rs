//! Which image a host has booted, of those that rpm-ostree manages: that alone proves that one was deployed.

use std::time::Duration;

use super::Outcome;
use crate::{
    chain::chain,
    foreign::capped,
    ssh::{command::Command, error::Error, facts::booted_names, families::Name, session::Session},
};

/// For asking: the daemon that answers may have to be started first.
const LIMIT: Duration = Duration::from_secs(30);

/// What is known of work that was not begun, and is to have the host boot `image`: it need not begin
/// where that is booted already. Else nothing. Where the host can't tell, it does not begin either, and
/// `is_fetch` says that this is all there is to know: nobody has told it to take anything down.
///
/// # Errors
/// Why the host could not be asked, or does not tell.
pub(super) async fn foregone(
    session: &Session,
    image: &Name,
    is_fetch: bool,
) -> Result<Option<Outcome>, Error> {
    match booted(session).await {
        Ok(names) => Ok(other(image, &names).is_none().then_some(Outcome::Spared)),
        Err(error @ (Error::Failed { .. } | Error::UnexpectedOutput { .. })) if is_fetch => {
            Ok(Some(Outcome::Refused(chain(&error).into())))
        }
        Err(error) => Err(error),
    }
}

/// Why the host has not booted `image`; nothing where it has.
///
/// # Errors
/// Why the host could not be asked, or does not tell.
pub(super) async fn flaw(session: &Session, image: &Name) -> Result<Option<Box<str>>, Error> {
    Ok(other(image, &booted(session).await?))
}

/// What it calls what is booted; at least one name.
async fn booted(session: &Session) -> Result<Vec<String>, Error> {
    let words = ["LC_ALL=C", "rpm-ostree", "status", "--json"];
    let command = Command::new("read the image that is booted", "env", words);
    let output = session.run(&command.read_only().deadline(LIMIT)).await?.succeeded()?;
    let text = output.text();
    // What comes before may be a greeting of the login shell's.
    let names = booted_names(text.find('{').map_or("", |at| &text[at..]));
    if names.is_empty() {
        return Err(output.unexpected("it does not tell which image is booted"));
    }
    Ok(names)
}

/// Why what has these `names` is not `image`.
fn other(image: &Name, names: &[String]) -> Option<Box<str>> {
    let image: &str = image.as_ref();
    let name = names.first().map_or("", String::as_str);
    let is_it = names.iter().any(|it| it == image);
    (!is_it).then(|| {
        capped(&format!("it has booted the image {name} and not {image}: see to it by hand"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_booted_where_any_of_its_names_is_the_one_that_was_asked_for() {
        let why = |image: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
            other(&Name::new(image).unwrap(), &names)
        };
        assert_eq!(why("40.1", &["40.1", "abc"]), None);
        assert_eq!(why("abc", &["40.1", "abc"]), None);
        let booted = why("40.2", &["40.1", "abc"]).unwrap();
        assert_eq!(&*booted, "it has booted the image 40.1 and not 40.2: see to it by hand");
        // The beginning of a name is another one.
        assert!(why("40", &["40.1"]).is_some() && why("40.10", &["40.1"]).is_some());
    }
}
