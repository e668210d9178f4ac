//! The names and the dates of the server's certificate.
use s3driver::time::Timestamp;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

/// The remaining days from which the end of a certificate is a notice: three weeks are enough to
/// replace one by hand. Certificates that are renewed automatically are renewed earlier.
pub(super) const WARNING_DAYS: i64 = 21;

/// The number of names that are shown.
const NAMES_SHOWN: usize = 10;

const SECONDS_PER_DAY: i64 = 24 * 3600;

/// The names and the dates that a server's certificate states. They are not verified.
pub(super) struct Certificate {
    names: Vec<String>,
    pub(super) begins: Timestamp,
    pub(super) ends: Timestamp,
}

impl Certificate {
    /// Reads a certificate in DER. Returns `None` for one that does not follow RFC 5280.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = X509::from_der(der).ok()?;
        let certificate = certificate.tbs_certificate();
        let names = match certificate.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
            Ok(None) | Err(_) => Vec::new(),
        };
        let validity = certificate.validity();
        Some(Self { names, begins: time(validity.not_before), ends: time(validity.not_after) })
    }

    /// Describes the names and the dates.
    pub(super) fn describe(&self) -> String {
        let (begins, ends) = (self.begins.iso8601(), self.ends.iso8601());
        format!("the certificate is for {}, from {begins} until {ends}", self.names())
    }

    /// Returns the names on one line.
    pub(super) fn names(&self) -> String {
        if self.names.is_empty() {
            return "no name".to_owned();
        }
        let shown = self.names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>();
        match self.names.len().saturating_sub(NAMES_SHOWN) {
            0 => shown.join(", "),
            more => format!("{} and {more} more names", shown.join(", ")),
        }
    }

    /// Returns the whole days that are left at a time; negative after the end.
    pub(super) fn days_left(&self, now: Timestamp) -> i64 {
        self.ends.unix().saturating_sub(now.unix()).div_euclid(SECONDS_PER_DAY)
    }
}

/// Returns a name that a client compares with the host of its endpoint.
fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(address) => {
            let bytes = address.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn time(time: Time) -> Timestamp {
    let since: Duration = time.to_unix_duration();
    Timestamp::from(SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH))
}
