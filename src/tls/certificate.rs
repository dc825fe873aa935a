//! The dates of an X.509 certificate, which rustls checks but does not tell.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Validity {
    /// Reads the dates out of a DER certificate; nothing when it is none.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        // RFC 5280, 4.1: Certificate { TBSCertificate { [0] version, serialNumber, signature,
        // issuer, validity { notBefore, notAfter }, ... }, ... }
        let (body, _) = element(certificate, SEQUENCE)?;
        let (mut rest, _) = element(body, SEQUENCE)?;
        if let Some((_, after)) = element(rest, VERSION) {
            rest = after;
        }
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, rest) = element(rest, tag)?;
        }
        let (validity, _) = element(rest, SEQUENCE)?;
        let (not_before, rest) = time(validity)?;
        let (not_after, _) = time(rest)?;
        Some(Self { not_before, not_after })
    }
}

/// The content of the DER element that `bytes` begin with, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    // Above 127 the first byte tells how many bytes hold the length.
    let (length, rest) = match first.checked_sub(0x80) {
        None => (usize::from(*first), rest),
        Some(count @ 1..=4) => {
            let (digits, rest) = rest.split_at_checked(usize::from(count))?;
            (digits.iter().fold(0, |sum, it| sum << 8 | usize::from(*it)), rest)
        }
        Some(_) => return None,
    };
    rest.split_at_checked(length)
}

fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest) = if let Some((text, rest)) = element(bytes, UTC_TIME) {
        // RFC 5280, 4.1.2.5.1: years from 50 on are of the twentieth century.
        let text = std::str::from_utf8(text).ok()?;
        let century = if text < "50" { "20" } else { "19" };
        (format!("{century}{text}"), rest)
    } else {
        let (text, rest) = element(bytes, GENERALIZED_TIME)?;
        (std::str::from_utf8(text).ok()?.to_owned(), rest)
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    let time = TimeZone::UTC.to_timestamp(time).ok()?;
    Some((time, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::date_time_ymd;

    use super::*;

    #[test]
    fn the_dates_of_a_certificate_are_read_in_both_spellings() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, expected) in [(1998, "1998-02-03"), (2049, "2049-02-03"), (2077, "2077-02-03")] {
            let mut params = rcgen::CertificateParams::new(vec!["es.example".into()]).unwrap();
            params.not_before = date_time_ymd(1975, 1, 1);
            params.not_after = date_time_ymd(year, 2, 3);
            let certificate = params.self_signed(&key).unwrap();
            let validity = Validity::of(certificate.der()).unwrap();
            assert_eq!(validity.not_before.to_string(), "1975-01-01T00:00:00Z");
            assert_eq!(validity.not_after.to_string(), format!("{expected}T00:00:00Z"));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_dates() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["es.example".into()]).unwrap();
        let whole = params.self_signed(&key).unwrap();
        for length in 0..whole.der().len() {
            assert_eq!(Validity::of(&whole.der()[..length]), None);
        }
        assert_eq!(Validity::of(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(Validity::of(&[SEQUENCE, 0x80]), None);
    }
}
